package batch_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"tributary/pkg/batch"
)

func TestAccessors(t *testing.T) {
	b := source{base: 100, lastDelta: 9, epoch: 7, attributes: transactional, codec: batch.Zstd, records: plain(102, 3, 20)}.build(t)
	checks := []struct {
		name      string
		got, want any
	}{
		{"BaseOffset", b.BaseOffset(), int64(100)},
		{"LeaderEpoch", b.LeaderEpoch(), int32(7)},
		{"Magic", b.Magic(), int8(2)},
		{"CRC", b.CRC(), crcOf(b)},
		{"Attributes", b.Attributes(), uint16(0x14)},
		{"Codec", b.Codec(), batch.Zstd},
		{"LastOffsetDelta", b.LastOffsetDelta(), int32(9)},
		{"BaseTimestamp", b.BaseTimestamp(), int64(1_700_000_000_102)},
		{"MaxTimestamp", b.MaxTimestamp(), int64(1_700_000_000_104)},
		{"ProducerID", b.ProducerID(), int64(4711)},
		{"ProducerEpoch", b.ProducerEpoch(), int16(3)},
		{"BaseSequence", b.BaseSequence(), int32(99)},
		{"Count", b.Count(), int32(3)},
		{"NextOffset", b.NextOffset(), int64(110)},
		{"IsControl", b.IsControl(), false},
		{"IsTransactional", b.IsTransactional(), true},
		{"LogAppendTime", b.LogAppendTime(), false},
		{"Dense", b.Dense(), false},
		{"len(Payload)", len(b.Payload()), len(b) - batch.HeaderLen},
	}
	for _, c := range checks {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestFirstTimestamp(t *testing.T) {
	records := plain(5, 3, 10)
	first, newest := records[0].Timestamp, records[2].Timestamp
	const future = 1_900_000_000_000
	broken := source{base: 5, attributes: deleteHorizon, horizon: future, records: records}.build(t)
	broken[batch.HeaderLen] = 0xff
	mislabelled := source{base: 5, attributes: deleteHorizon, horizon: future, records: records}.build(t)
	mislabelled[22] |= byte(batch.Snappy) // compressed bytes may look like a record
	tests := []struct {
		name string
		b    batch.Batch
		want int64
	}{
		{"create time", source{base: 5, records: records}.build(t), first},
		{"create time, compressed", source{base: 5, codec: batch.LZ4, records: records}.build(t), first},
		{"append time", source{base: 5, attributes: logAppendTime, records: records}.build(t), newest},
		{"append time and horizon", source{base: 5, attributes: logAppendTime | deleteHorizon, horizon: future, records: records}.build(t), newest},
		{"horizon", source{base: 5, attributes: deleteHorizon, horizon: future, records: records}.build(t), first},
		{"horizon, compressed", source{base: 5, attributes: deleteHorizon, horizon: future, codec: batch.Gzip, records: records}.build(t), newest},
		{"horizon, compressed, readable", mislabelled, newest},
		{"horizon, malformed", broken, newest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.b.FirstTimestamp(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestIsAbortMarker(t *testing.T) {
	marker := func(kind int16) source {
		key := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(kind))
		return source{base: 9, attributes: control | transactional, records: []record{{Offset: 9, Timestamp: 1, Key: key, Value: make([]byte, 6)}}}
	}
	tests := []struct {
		name    string
		source  source
		want    bool
		wantErr error
	}{
		{"abort", marker(0), true, nil},
		{"commit", marker(1), false, nil},
		{"unknown type", marker(7), false, nil},
		{"emptied by the cleaner", source{base: 9, lastDelta: 1, attributes: control}, false, nil},
		{"data", source{base: 9, records: plain(9, 1, 10)}, false, batch.ErrControl},
		{"compressed", source{base: 9, attributes: control, codec: batch.Gzip, records: marker(0).records}, false, batch.ErrRecord},
		{"null key", source{base: 9, attributes: control, records: []record{{Offset: 9}}}, false, batch.ErrRecord},
		{"short key", source{base: 9, attributes: control, records: []record{{Offset: 9, Key: []byte{0, 0, 0}}}}, false, batch.ErrRecord},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.source.build(t).IsAbortMarker()
			if got != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("got %v, %v; want %v, %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	one := source{base: 1, records: plain(1, 2, 30)}.build(t)
	two := source{base: 3, records: plain(3, 5, 10)}.build(t)
	both := append(append([]byte(nil), one...), two...)

	first, rest, err := batch.Split(both)
	if err != nil || len(first) != len(one) || cap(first) != len(one) || len(rest) != len(two) {
		t.Fatalf("got %d (cap %d), %d bytes, %v; want %d, %d", len(first), cap(first), len(rest), err, len(one), len(two))
	}
	second, rest, err := batch.Split(rest)
	if err != nil || second.BaseOffset() != 3 || len(rest) != 0 {
		t.Fatalf("got offset %d, %d bytes left, %v", second.BaseOffset(), len(rest), err)
	}
	for n := range one {
		if b, rest, err := batch.Split(one[:n]); !errors.Is(err, batch.ErrIncomplete) || b != nil || len(rest) != n {
			t.Fatalf("cut at %d: got %v, %d bytes left, %v; want ErrIncomplete", n, b, len(rest), err)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	with := func(at int, field ...byte) []byte {
		b := source{base: 1, records: plain(1, 2, 30)}.build(t)
		copy(b[at:], field)
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"negative length", with(8, 0xff, 0xff, 0xff, 0xff), batch.ErrLength},
		{"smallest length", with(8, 0x80, 0, 0, 0), batch.ErrLength},
		{"one below the header", with(8, 0, 0, 0, 48), batch.ErrLength},
		{"largest length", with(8, 0x7f, 0xff, 0xff, 0xff), batch.ErrIncomplete},
		{"magic 0", with(16, 0), batch.ErrMagic},
		{"magic 1", with(16, 1), batch.ErrMagic},
		{"magic 3", with(16, 3), batch.ErrMagic},
		{"magic -1", with(16, 0xff), batch.ErrMagic},
		{"old format, cut", with(16, 1)[:17], batch.ErrMagic},
		{"nothing", nil, batch.ErrIncomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, rest, err := batch.Split(tt.b)
			if !errors.Is(err, tt.want) || b != nil || len(rest) != len(tt.b) {
				t.Errorf("got %v, %d bytes left, %v; want %v", b, len(rest), err, tt.want)
			}
		})
	}
	_, _, err := batch.Split(with(16, 0xfe))
	if typed, ok := errors.AsType[*batch.MagicError](err); !ok || typed.Magic != -2 {
		t.Errorf("got %#v, want a MagicError of -2", err)
	}
}

func TestCodecNames(t *testing.T) {
	for _, c := range codecs {
		if got, err := batch.ParseCodec(c.String()); err != nil || got != c {
			t.Errorf("%s: got %v, %v", c, got, err)
		}
	}
	for _, name := range []string{"", "ZSTD", "source", "codec(5)"} {
		if c, err := batch.ParseCodec(name); err == nil {
			t.Errorf("%q: got %v, want an error", name, c)
		}
	}
	if got, want := batch.Codec(5).String(), "codec(5)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
