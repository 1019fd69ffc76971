package probe

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// batchOf is the begin of a batch.
func batchOf(magic byte, attributes uint16, first, last int64) []byte {
	b := make([]byte, 61)
	b[magicAt] = magic
	switch magic {
	case magicV1:
		b[v1AttributesAt] = byte(attributes)
		binary.BigEndian.PutUint64(b[v1TimestampAt:], uint64(last))
	case magicV2:
		binary.BigEndian.PutUint16(b[attributesAt:], attributes)
		binary.BigEndian.PutUint64(b[firstTimestampAt:], uint64(first))
		binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(last))
	}
	return b
}

func TestHead(t *testing.T) {
	for _, test := range []struct {
		name  string
		batch []byte
		want  Head
		ok    bool
	}{
		{"v2", batchOf(2, 0, 5, 9), Head{7, 5, 9}, true},
		{"v2, time of the append", batchOf(2, appendTimeBit, 5, 9), Head{7, 9, 9}, true},
		{"v1", batchOf(1, 0, 5, 9), Head{7, 9, 9}, true},
		{"v1, compressed", batchOf(1, 1, 5, 9), Head{7, -1, 9}, true},
		{"v0", batchOf(0, 0, 5, 9), Head{7, -1, -1}, true},
		{"of the future", batchOf(3, 0, 5, 9), Head{}, false},
		{"cut", batchOf(2, 0, 5, 9)[:40], Head{}, false},
		{"nothing", nil, Head{}, false},
	} {
		if got, ok := newHead(7, test.batch); ok != test.ok || ok && got != test.want {
			t.Errorf("%s: got %+v, %v, want %+v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

func TestHeadsThatAreKept(t *testing.T) {
	heads := []Head{{Offset: 30}, {Offset: 10}, {Offset: 20}, {Offset: 40}}
	var got []int64
	for _, h := range keepHeads(heads, []int64{10, 35}) {
		got = append(got, h.Offset)
	}
	if !slices.Equal(got, []int64{10, 30}) {
		t.Errorf("got %v, want that of 10, and the newest before 35", got)
	}
}

func TestFirst(t *testing.T) {
	p := Partition{Start: 10, End: 100, Heads: []Head{{10, 1000, 1500}, {40, 4000, 4500}}}
	for offset, want := range map[int64]int64{10: 1500, 39: 1500, 40: 4500, 99: 4500} {
		if at, ok := p.First(offset); !ok || at.UnixMilli() != want {
			t.Errorf("%d: got %v, %v, want %d", offset, at, ok, want)
		}
	}
	p.Start = 45 // what lies before is gone, and no bound any more
	if at, ok := p.First(50); ok {
		t.Errorf("got %v of what is deleted", at)
	}
	if at, ok := (&Partition{Heads: []Head{{0, -1, -1}}}).First(0); ok {
		t.Errorf("got %v of a batch without timestamps", at)
	}
}

func TestSettings(t *testing.T) {
	s, err := newSettings(map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "60000", "retention.bytes": "-1", "message.timestamp.type": "LogAppendTime"})
	if err != nil {
		t.Fatal(err)
	}
	if age, ok := s.ByAge(); age != time.Minute || !ok || !s.Compacts || !s.AppendTime {
		t.Errorf("got %+v", s)
	}
	if _, ok := s.BySize(); ok {
		t.Error("-1 is a limit")
	}
	for name, values := range map[string]map[string]string{"compact": {"cleanup.policy": "compact", "retention.ms": "60000", "retention.bytes": "9"},
		"for ever": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}, "as long as can be": {"cleanup.policy": "delete", "retention.ms": "9223372036854775807", "retention.bytes": "-1"}, "by nothing": {"cleanup.policy": "", "retention.ms": "1", "retention.bytes": "1"}} {
		s, err := newSettings(values)
		_, age := s.ByAge()
		_, size := s.BySize()
		if age || size || err != nil {
			t.Errorf("%s: something is deleted: %+v, %v", name, s, err)
		}
	}
	for want, values := range map[string]map[string]string{
		"no cleanup.policy":            {"retention.ms": "1", "retention.bytes": "-1"},
		"no number as retention.ms":    {"cleanup.policy": "delete", "retention.bytes": "-1"},
		"no number as retention.bytes": {"cleanup.policy": "delete", "retention.ms": "1", "retention.bytes": "1GB"},
	} {
		if s, err := newSettings(values); err == nil || err.Error() != want {
			t.Errorf("got %+v, %v, want %q", s, err, want)
		}
	}
	now := s
	now.Retention, now.Compacts = time.Second, false
	if got, want := now.Since(s), "cleanup.policy from compact,delete to delete, retention.ms from 60000 to 1000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
