package batch_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"tributary/pkg/batch"
)

func TestClassify(t *testing.T) {
	dense := source{base: 10, records: plain(10, 5, 20)}
	with := func(change func(*source)) batch.Batch {
		s := dense
		change(&s)
		return s.build(t)
	}
	bits := func(bits int16) batch.Batch {
		return with(func(s *source) { s.attributes, s.horizon = bits, 1_900_000_000_000 })
	}
	codec := func(c batch.Codec) batch.Batch { return with(func(s *source) { s.codec = c }) }
	counts := func(count, lastDelta int32) batch.Batch {
		b := dense.build(t)
		binary.BigEndian.PutUint32(b[57:], uint32(count))
		binary.BigEndian.PutUint32(b[23:], uint32(lastDelta))
		return b
	}
	unknown := dense.build(t)
	unknown[22] = 5
	size := len(dense.build(t))

	tests := []struct {
		name    string
		b       batch.Batch
		limits  batch.Limits
		want    batch.Class
		wantErr error
	}{
		{"plain", dense.build(t), batch.Limits{}, batch.Raw, nil},
		{"starts at the wanted offset", dense.build(t), batch.Limits{From: 10}, batch.Raw, nil},
		{"straddles the wanted offset", dense.build(t), batch.Limits{From: 11}, batch.Recode, nil},
		{"straddles by all but one", dense.build(t), batch.Limits{From: 14}, batch.Recode, nil},
		{"ends before the wanted offset", dense.build(t), batch.Limits{From: 15}, batch.Drop, nil},
		{"control", bits(control), batch.Limits{}, batch.Drop, nil},
		{"transaction marker", bits(control | transactional), batch.Limits{}, batch.Drop, nil},
		{"transactional data", bits(transactional), batch.Limits{}, batch.Raw, nil},
		{"emptied by the cleaner", source{base: 10, lastDelta: 4}.build(t), batch.Limits{}, batch.Drop, nil},
		{"gap inside", with(func(s *source) { s.records = []record{s.records[0], s.records[4]} }), batch.Limits{}, batch.Recode, nil},
		{"gap at the front", with(func(s *source) { s.records = s.records[2:] }), batch.Limits{}, batch.Recode, nil},
		{"gap at the end", with(func(s *source) { s.lastDelta = 7 }), batch.Limits{}, batch.Recode, nil},
		{"append time", bits(logAppendTime), batch.Limits{}, batch.Recode, nil},
		{"append time at both ends", bits(logAppendTime), batch.Limits{DestinationLogAppendTime: true}, batch.Raw, nil},
		{"create time to append time", dense.build(t), batch.Limits{DestinationLogAppendTime: true}, batch.Raw, nil},
		{"delete horizon without gap", bits(deleteHorizon), batch.Limits{}, batch.Raw, nil},
		{"as large as allowed", dense.build(t), batch.Limits{MaxBytes: size}, batch.Raw, nil},
		{"a byte too large", dense.build(t), batch.Limits{MaxBytes: size - 1}, batch.Recode, nil},
		{"uncompressed, zstd wanted", dense.build(t), batch.Limits{Recompress: true, Compress: batch.Zstd}, batch.Recode, nil},
		{"lz4, zstd wanted", codec(batch.LZ4), batch.Limits{Recompress: true, Compress: batch.Zstd}, batch.Recode, nil},
		{"zstd, zstd wanted", codec(batch.Zstd), batch.Limits{Recompress: true, Compress: batch.Zstd}, batch.Raw, nil},
		{"gzip, the source's codec wanted", codec(batch.Gzip), batch.Limits{Compress: batch.Zstd}, batch.Raw, nil},
		{"snappy", codec(batch.Snappy), batch.Limits{}, batch.Raw, nil},
		{"unknown codec", unknown, batch.Limits{}, batch.Halt, batch.ErrCodec},
		{"unknown codec before the wanted offset", unknown, batch.Limits{From: 15}, batch.Drop, nil},
		{"negative count", counts(-1, 4), batch.Limits{}, batch.Halt, batch.ErrCount},
		{"no records but bytes", counts(0, 4), batch.Limits{}, batch.Halt, batch.ErrCount},
		{"more records than offsets", counts(6, 4), batch.Limits{}, batch.Halt, batch.ErrCount},
		{"negative offset range", counts(5, -3), batch.Limits{}, batch.Halt, batch.ErrCount},
		{"counts that overflow", counts(-1<<31, 1<<31-1), batch.Limits{}, batch.Halt, batch.ErrCount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.b.Classify(tt.limits)
			if got != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("got %v, %v; want %v, %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
	_, err := unknown.Classify(batch.Limits{})
	if typed, ok := errors.AsType[*batch.CodecError](err); !ok || typed.Codec != 5 {
		t.Errorf("got %#v, want a CodecError of 5", err)
	}
}

func TestClassNames(t *testing.T) {
	want := map[batch.Class]string{batch.Halt: "halt", batch.Drop: "drop", batch.Raw: "raw", batch.Recode: "recode", 9: "class(9)"}
	for c, name := range want {
		if got := c.String(); got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	var zero batch.Class
	if zero != batch.Halt {
		t.Errorf("the zero class is %v, want halt", zero)
	}
}
