package heartbeat

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"tributary/pkg/batch"
)

// What is no batch at all, of an older format or of no length, is one record that is none, and what follows is read.
func TestWhatIsNoBatchIsPassedOver(t *testing.T) {
	at := func(offset int64, b []byte) []byte {
		binary.BigEndian.PutUint64(b, uint64(offset))
		return b
	}
	beat := func(offset int64) []byte {
		value, err := recordNow(offset, 0).encode()
		if err != nil {
			t.Fatal(err)
		}
		return at(offset, batch.Build([]batch.Record{{Timestamp: 1, Key: []byte("ad-19"), Value: value}}))
	}
	old := func(offset int64) []byte { // one record of format v1, without key and value
		m := make([]byte, 34)
		binary.BigEndian.PutUint32(m[8:], 22)
		m[16] = 1
		binary.BigEndian.PutUint32(m[26:], 0xffffffff)
		binary.BigEndian.PutUint32(m[30:], 0xffffffff)
		return at(offset, m)
	}
	noLength := beat(1)
	binary.BigEndian.PutUint32(noLength[8:], 3)
	newer := beat(1)
	newer[16] = 3
	for _, test := range []struct {
		name  string
		data  []byte
		next  int64 // asked for
		heard string
		after int64
		bad   int
	}{
		{"heartbeats", slices.Concat(beat(0), beat(1)), 0, "[0 1]", 2, 0},
		{"one of an older format", slices.Concat(beat(0), old(1), beat(2)), 0, "[0 2]", 3, 1},
		{"an older one that was read", slices.Concat(old(0), beat(1)), 1, "[1]", 2, 0},
		{"an older one that is cut", slices.Concat(beat(0), old(1)[:30]), 0, "[0]", 1, 0},
		{"no length", slices.Concat(beat(0), noLength, beat(2)), 0, "[0]", 2, 1},
		{"a format to come", slices.Concat(beat(0), newer, beat(2)), 0, "[0]", 2, 1},
		{"no length, and nothing before it", slices.Concat(noLength, beat(2)), 1, "[]", 2, 1},
		{"nothing", nil, 7, "[]", 7, 0},
	} {
		records, after, bad := unpack(test.data, test.next)
		heard := []int64{}
		for _, r := range records {
			heard = append(heard, r.Sequence)
		}
		if fmt.Sprint(heard) != test.heard || after != test.after || bad != test.bad {
			t.Errorf("%s: got %v, then %d, %d bad, want %s, %d, %d", test.name, heard, after, bad, test.heard, test.after, test.bad)
		}
	}
}
