package batch_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/batch"
)

func TestRecordsAreTakenApart(t *testing.T) {
	want := []batch.Record{
		{Offset: 50, Timestamp: 7, Key: []byte("k"), Value: []byte("v")},
		{Offset: 53, Timestamp: 5, Value: []byte{}},
		{Offset: 54, Timestamp: -1, Key: []byte{}, Headers: []batch.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Value: []byte{}}}},
	}
	for _, codec := range codecs {
		in := source{base: 50, codec: codec}
		for _, r := range want {
			k := record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
			}
			in.records = append(in.records, k)
		}
		b := in.build(t)
		got, err := b.Records(1 << 20)
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		clear(b) // nothing of b is kept
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", codec, got, want)
		}
	}
}

func TestTimesAround(t *testing.T) {
	in := source{base: 50, codec: batch.LZ4}
	for i, at := range []int64{7, 5, 9} {
		in.records = append(in.records, record{Offset: 50 + 2*int64(i), Timestamp: at, Value: []byte("v")})
	}
	b := in.build(t)
	for offset, want := range map[int64][2]int64{49: {-1, 7}, 50: {-1, 7}, 51: {7, 5}, 52: {7, 5}, 54: {5, 9}, 55: {9, -1}} {
		if before, from := b.TimesAround(offset); before != want[0] || from != want[1] {
			t.Errorf("around %d: got %d and %d, want %v", offset, before, from, want)
		}
	}
	copy(b.Payload(), "nothing to decompress")
	if before, from := b.TimesAround(52); before != b.MaxTimestamp() || from != b.FirstTimestamp() {
		t.Errorf("of a batch that cannot be read: got %d and %d, want %d and %d", before, from, b.MaxTimestamp(), b.FirstTimestamp())
	}
}

// TestBuild builds what franz-go reads, and what Records takes apart again.
func TestBuild(t *testing.T) {
	want := []batch.Record{
		{Timestamp: 7, Key: []byte("k"), Value: []byte("v")},
		{Offset: 1, Timestamp: -1, Value: []byte{}},
		{Offset: 2, Timestamp: 9, Key: []byte{}, Headers: []batch.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Value: []byte{}}}},
	}
	b := batch.Build(want)
	seen, err := decode(b)
	if err != nil || len(seen) != 3 || seen[2].Timestamp != 9 || len(seen[2].Headers) != 3 {
		t.Fatalf("franz-go reads %+v, %v", seen, err)
	}
	if err := b.Verify(); err != nil || !b.Dense() || b.ProducerID() != -1 || b.MaxTimestamp() != 9 {
		t.Errorf("header %x: %v", b[:batch.HeaderLen], err)
	}
	if got, err := b.Records(0); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestRecordsRefusesWhatIsNone(t *testing.T) {
	wire := encodeRecords(plain(50, 2, 30), 50, 0)
	bad := bytes.Clone(wire)
	bad[len(bad)-1] = 8 // says that there are headers
	for name, b := range map[string]batch.Batch{
		"byte behind":       withPayload(t, batch.None, append(bytes.Clone(wire), 0), 2),
		"too few":           withPayload(t, batch.None, wire, 3),
		"headers there are": withPayload(t, batch.None, bad, 2),
	} {
		if _, err := b.Records(1 << 20); !errors.Is(err, batch.ErrRecord) {
			t.Errorf("%s: got %v, want %v", name, err, batch.ErrRecord)
		}
	}
	bomb := withPayload(t, batch.Gzip, compress(t, batch.Gzip, make([]byte, 1<<20)), 1)
	if _, err := bomb.Records(1 << 10); !errors.Is(err, batch.ErrTooLarge) {
		t.Errorf("bomb: got %v, want %v", err, batch.ErrTooLarge)
	}
}

// TestTakeUpTo cuts by number of records, and tells where each cut lies at the source.
func TestTakeUpTo(t *testing.T) {
	r := batch.NewRecoder(1<<20, batch.NewGate())
	add(t, r, source{base: 100, records: plain(100, 5, 20)}.build(t), 0, 0)
	add(t, r, source{base: 110, records: plain(110, 1, 20)}.build(t), 0, 0)
	for _, want := range []struct {
		most, count int
		first, next int64
	}{{2, 2, 100, 102}, {1, 1, 102, 103}, {9, 3, 103, 111}} {
		got, _, err := r.TakeUpTo(want.most, nil, batch.Gzip, 0)
		if err != nil {
			t.Fatal(err)
		}
		if int(got.Batch.Count()) != want.count || got.First != want.first || got.Next != want.next {
			t.Errorf("got %d records from %d to %d, want %+v", got.Batch.Count(), got.First, got.Next, want)
		}
	}
}
