package batch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
)

// message is an entry of an old log. With inner it is a wrapper, whose own offset and timestamp are given.
type message struct {
	magic         int8
	offset        int64
	timestamp     int64
	logAppendTime bool
	codec         batch.Codec
	key, value    []byte
	inner         []message
	breakLZ4      bool // the frame's checksum as Kafka wrote it in format v0
}

// build encodes m with franz-go, independently of the package under test.
func (m message) build(t testing.TB) []byte {
	t.Helper()
	attributes := int8(m.codec)
	if m.logAppendTime {
		attributes |= logAppendTime
	}
	if m.codec != batch.None {
		var set []byte
		for _, i := range m.inner {
			set = append(set, i.build(t)...)
		}
		m.value = compress(t, m.codec, set)
		if m.breakLZ4 {
			m.value[lz4ChecksumAt(m.value)] ^= 0x5a
		}
	}
	var b []byte
	if m.magic == 0 {
		b = (&kmsg.MessageV0{Offset: m.offset, Magic: 0, Attributes: attributes, Key: m.key, Value: m.value}).AppendTo(nil)
	} else {
		b = (&kmsg.MessageV1{Offset: m.offset, Magic: m.magic, Attributes: attributes, Timestamp: m.timestamp, Key: m.key, Value: m.value}).AppendTo(nil)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	return sealMessage(b)
}

func lz4ChecksumAt(frame []byte) int {
	if frame[4]&8 != 0 {
		return 14
	}
	return 6
}

func sealMessage(b []byte) []byte {
	binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
	return b
}

// upgrade splits and upgrades the only message of b.
func upgrade(t *testing.T, u *batch.Upgrader, b []byte) (batch.Batch, error) {
	t.Helper()
	m, rest, err := batch.SplitMessage(b)
	if err != nil || len(rest) != 0 {
		t.Fatalf("split: %d bytes left, %v", len(rest), err)
	}
	return u.Upgrade(m)
}

func TestUpgrade(t *testing.T) {
	v0 := func(offset int64, value string) message { return message{offset: offset, value: []byte(value)} }
	v1 := func(offset, timestamp int64, value string) message {
		return message{magic: 1, offset: offset, timestamp: timestamp, value: []byte(value)}
	}
	key, empty := []byte("key"), []byte{}
	tests := []struct {
		name string
		m    message
		want []record
	}{
		{"v0", message{offset: 7, key: key, value: []byte("a")}, []record{{Offset: 7, Timestamp: -1, Key: key, Value: []byte("a")}}},
		{"v0, null value", message{offset: 7, key: key}, []record{{Offset: 7, Timestamp: -1, Key: key}}},
		{"v0, empty key and value", message{offset: 7, key: empty, value: empty}, []record{{Offset: 7, Timestamp: -1, Key: empty, Value: empty}}},
		{"v1", message{magic: 1, offset: 1 << 40, timestamp: 1234, key: key, value: []byte("a")}, []record{{Offset: 1 << 40, Timestamp: 1234, Key: key, Value: []byte("a")}}},
		{"v1, no time", v1(0, -1, "a"), []record{{Timestamp: -1, Value: []byte("a")}}},
		{"v1, append time", message{magic: 1, offset: 3, timestamp: 99, logAppendTime: true, value: []byte("a")}, []record{{Offset: 3, Timestamp: 99, Value: []byte("a")}}},
		{"v1 wrapper", message{magic: 1, offset: 22, timestamp: 60, codec: batch.Gzip, inner: []message{v1(0, 50, "a"), v1(1, 40, "b"), v1(2, 60, "c")}},
			[]record{{Offset: 20, Timestamp: 50, Value: []byte("a")}, {Offset: 21, Timestamp: 40, Value: []byte("b")}, {Offset: 22, Timestamp: 60, Value: []byte("c")}}},
		{"v1 wrapper with gaps of the cleaner", message{magic: 1, offset: 29, timestamp: 60, codec: batch.Snappy, inner: []message{v1(1, 50, "a"), v1(9, 60, "c")}},
			[]record{{Offset: 21, Timestamp: 50, Value: []byte("a")}, {Offset: 29, Timestamp: 60, Value: []byte("c")}}},
		{"v1 wrapper, append time", message{magic: 1, offset: 21, timestamp: 77, logAppendTime: true, codec: batch.LZ4, inner: []message{v1(0, 50, "a"), v1(1, 60, "b")}},
			[]record{{Offset: 20, Timestamp: 77, Value: []byte("a")}, {Offset: 21, Timestamp: 77, Value: []byte("b")}}},
		{"v0 wrapper", message{offset: 22, codec: batch.Gzip, inner: []message{v0(20, "a"), v0(22, "c")}},
			[]record{{Offset: 20, Timestamp: -1, Value: []byte("a")}, {Offset: 22, Timestamp: -1, Value: []byte("c")}}},
		{"v0 wrapper, lz4", message{offset: 21, codec: batch.LZ4, inner: []message{v0(20, "a"), v0(21, "b")}},
			[]record{{Offset: 20, Timestamp: -1, Value: []byte("a")}, {Offset: 21, Timestamp: -1, Value: []byte("b")}}},
		{"v0 wrapper, lz4 as Kafka wrote it", message{offset: 21, codec: batch.LZ4, breakLZ4: true, inner: []message{v0(20, "a"), v0(21, "b")}},
			[]record{{Offset: 20, Timestamp: -1, Value: []byte("a")}, {Offset: 21, Timestamp: -1, Value: []byte("b")}}},
	}
	u := batch.NewUpgrader(1<<16, batch.NewGate())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := upgrade(t, u, tt.m.build(t))
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			checkSame(t, got, tt.want)
			first, last := tt.want[0].Offset, tt.want[len(tt.want)-1].Offset
			if got[0].Offset != first || b.BaseOffset() != first || b.NextOffset() != last+1 || b.LeaderEpoch() != -1 || b.Codec() != batch.None {
				t.Errorf("got offset %d, next %d, epoch %d, %s; want %d, %d, -1, none", b.BaseOffset(), b.NextOffset(), b.LeaderEpoch(), b.Codec(), first, last+1)
			}
			r := batch.NewRecoder(1<<16, batch.NewGate())
			if err := r.Add(b, first, 0); err != nil {
				t.Errorf("recode: %v", err)
			}
		})
	}
}

func TestUpgradeRefuses(t *testing.T) {
	v1 := func(offset int64) message {
		return message{magic: 1, offset: offset, timestamp: 5, value: []byte("value")}
	}
	wrap := func(codec batch.Codec, inner ...message) message {
		return message{magic: 1, offset: 9, timestamp: 5, codec: codec, inner: inner}
	}
	changed := func(m message, change func(b []byte)) []byte {
		b := m.build(t)
		change(b)
		return b
	}
	damaged := v1(0)
	damaged.value = bytes.Repeat([]byte("x"), 40)
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"crc", changed(v1(3), func(b []byte) { b[30]++ }), batch.ErrCRC},
		{"key longer than the message", changed(v1(3), func(b []byte) { b[29] = 200; sealMessage(b) }), batch.ErrRecord},
		{"negative key length", changed(v1(3), func(b []byte) { copy(b[26:], []byte{0x80, 0, 0, 0}); sealMessage(b) }), batch.ErrRecord},
		{"bytes behind the value", changed(v1(3), func(b []byte) { b[33] = 1; sealMessage(b) }), batch.ErrRecord},
		{"zstd", wrap(batch.Zstd, v1(0)).build(t), batch.ErrCodec},
		{"unknown codec", changed(v1(3), func(b []byte) { b[17] = 6; sealMessage(b) }), batch.ErrCodec},
		{"wrapper without a value", changed(message{magic: 1, offset: 3}, func(b []byte) { b[17] = 1; sealMessage(b) }), batch.ErrRecord},
		{"empty wrapper", wrap(batch.Gzip).build(t), batch.ErrRecord},
		{"wrapper in a wrapper", wrap(batch.Gzip, wrap(batch.Gzip, v1(0))).build(t), batch.ErrRecord},
		{"v0 in v1", wrap(batch.Gzip, message{offset: 0, value: []byte("a")}).build(t), batch.ErrRecord},
		{"offsets go back", wrap(batch.Gzip, v1(1), v1(0)).build(t), batch.ErrRecord},
		{"offset repeats", wrap(batch.Gzip, v1(1), v1(1)).build(t), batch.ErrRecord},
		{"negative offset", wrap(batch.Gzip, v1(0), v1(50)).build(t), batch.ErrRecord},
		{"bomb", wrap(batch.Gzip, message{magic: 1, value: make([]byte, 1<<17)}).build(t), batch.ErrTooLarge},
		{"no gzip", changed(v1(3), func(b []byte) { b[17] = 1; sealMessage(b) }), nil},
		{"no lz4", changed(message{offset: 3, value: []byte{4, 34, 77, 24}}, func(b []byte) { b[17] = 3; sealMessage(b) }), nil},
	}
	u := batch.NewUpgrader(1<<16, batch.NewGate())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := bytes.Clone(tt.b)
			b, err := upgrade(t, u, tt.b)
			if err == nil || b != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v; want %v", b, err, tt.want)
			}
			if !bytes.Equal(before, tt.b) {
				t.Error("the message was changed")
			}
		})
	}
}

func TestSplitMessage(t *testing.T) {
	short := message{offset: 4, value: []byte("v")}.build(t)
	other := message{magic: 1, offset: 5}.build(t)
	both := append(bytes.Clone(short), other...)
	m, rest, err := batch.SplitMessage(both)
	if err != nil || len(m) != len(short) || cap(m) != len(short) || m.Offset() != 4 || len(rest) != len(other) {
		t.Fatalf("got %d bytes at %d, %d left, %v", len(m), m.Offset(), len(rest), err)
	}
	for n := range short {
		if _, _, err := batch.SplitMessage(short[:n]); !errors.Is(err, batch.ErrIncomplete) {
			t.Fatalf("cut at %d: got %v, want ErrIncomplete", n, err)
		}
	}
	for name, c := range map[string]struct {
		at   int
		to   byte
		want error
	}{
		"v2":              {16, 2, batch.ErrMagic},
		"magic -1":        {16, 0xff, batch.ErrMagic},
		"v0 too short":    {11, 13, batch.ErrLength},
		"negative length": {8, 0x80, batch.ErrLength},
	} {
		b := bytes.Clone(short)
		b[c.at] = c.to
		if _, _, err := batch.SplitMessage(b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// FuzzUpgrade upgrades any message: what franz-go can read must come out equal, and the rest is refused or a well-formed batch.
func FuzzUpgrade(f *testing.F) {
	f.Add(message{offset: 7, key: []byte("key"), value: []byte("a")}.build(f))
	f.Add(message{magic: 1, offset: 7, timestamp: 5, value: []byte("a")}.build(f))
	f.Add(message{magic: 1, offset: 8, timestamp: 5, codec: batch.Gzip, inner: []message{{magic: 1, value: []byte("a")}, {magic: 1, offset: 1, timestamp: 9}}}.build(f))
	f.Add(message{offset: 8, codec: batch.LZ4, inner: []message{{offset: 7, value: []byte("a")}, {offset: 8}}}.build(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > batch.PeekLen {
			sealMessage(data)
		}
		m, _, err := batch.SplitMessage(data)
		if err != nil {
			return
		}
		b, err := batch.NewUpgrader(1<<16, batch.NewGate()).Upgrade(m)
		if err != nil {
			return
		}
		got, err := decode(b)
		if err != nil {
			t.Fatalf("the batch is malformed: %v", err)
		}
		if want, ok := readOld(m); ok && !reflect.DeepEqual(offsetsAndValues(got), offsetsAndValues(want)) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// readOld is what franz-go makes of a message.
func readOld(m []byte) (records []record, ok bool) {
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = m
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true}, &p, decompressor, nil)
	for _, r := range fetched.Records {
		records = append(records, record{Offset: r.Offset, Key: r.Key, Value: r.Value})
	}
	return records, fetched.Err == nil && len(records) > 0
}

func offsetsAndValues(records []record) (out []record) {
	for _, r := range records {
		out = append(out, record{Offset: r.Offset, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)})
	}
	return out
}
