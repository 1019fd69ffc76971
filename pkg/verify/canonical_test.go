package verify

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// build makes a record of loose parts, as format v2 would hold it.
func build(timestamp int64, key, value []byte, headers ...header) *record {
	r := &record{timestamp: timestamp, producer: -1, key: key, value: value, headerCount: len(headers)}
	for _, h := range headers {
		r.headers = appendVarBytes(appendVarBytes(r.headers, h.key), h.value)
	}
	return r
}

func canonical(t testing.TB, r *record) []byte {
	t.Helper()
	b, err := appendCanonical(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Records that differ in anything have different canonical forms and fingerprints.
func TestCanonicalTellsApart(t *testing.T) {
	variants := []*record{
		build(1, []byte("k"), []byte("v")),
		build(2, []byte("k"), []byte("v")),
		build(-1, []byte("k"), []byte("v")),
		build(1, nil, []byte("v")),
		build(1, []byte{}, []byte("v")),
		build(1, []byte("k"), nil),
		build(1, []byte("k"), []byte{}),
		build(1, []byte("kv"), []byte{}),
		build(1, []byte("k"), []byte("v"), header{[]byte("a"), []byte("1")}),
		build(1, []byte("k"), []byte("v"), header{[]byte("a"), nil}),
		build(1, []byte("k"), []byte("v"), header{[]byte("a"), []byte{}}),
		build(1, []byte("k"), []byte("v"), header{[]byte{}, []byte("a1")}),
		build(1, []byte("k"), []byte("v"), header{[]byte("a"), []byte("1")}, header{[]byte("a"), []byte("1")}),
		build(1, []byte("k"), []byte("v"), header{[]byte("a"), []byte("1")}, header{[]byte("b"), []byte("2")}),
		build(1, []byte("k"), []byte("v"), header{[]byte("b"), []byte("2")}, header{[]byte("a"), []byte("1")}),
	}
	s, err := newSecret()
	if err != nil {
		t.Fatal(err)
	}
	d := newDigester(s)
	seen, prints := map[string]int{}, map[print128]int{}
	for i, r := range variants {
		b := canonical(t, r)
		if j, twice := seen[string(b)]; twice {
			t.Errorf("records %d and %d have the same form", i, j)
		}
		p, err := d.record(r)
		if err != nil {
			t.Fatal(err)
		}
		if j, twice := prints[p]; twice {
			t.Errorf("records %d and %d have the same fingerprint", i, j)
		}
		seen[string(b)], prints[p] = i, i
		back, err := parseCanonical(b)
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if again := canonical(t, back); !bytes.Equal(again, b) {
			t.Errorf("record %d: round trip gives %x, want %x", i, again, b)
		}
	}
}

// Two runs give the same record different fingerprints: sums cannot be aimed at.
func TestFingerprintsAreKeyed(t *testing.T) {
	r := build(1, []byte("k"), []byte("v"))
	var prints [2]print128
	for i := range prints {
		s, err := newSecret()
		if err != nil {
			t.Fatal(err)
		}
		if prints[i], err = newDigester(s).record(r); err != nil {
			t.Fatal(err)
		}
	}
	if prints[0] == prints[1] {
		t.Error("the same fingerprint in two runs")
	}
}

// Equal copies do not cancel, order does not change sums, and changes links.
func TestTally(t *testing.T) {
	a, b := print128{1 << 63, ^uint64(0)}, print128{1 << 63, 7}
	var none, twice, ab, ba tally
	twice.add(a, 1, 0)
	twice.add(a, 1, 0)
	if twice.hi == none.hi && twice.lo == none.lo {
		t.Error("two equal records cancel")
	}
	ab.add(a, 1, link(print128{}, a))
	ab.add(b, 1, link(a, b))
	ba.add(b, 1, link(print128{}, b))
	ba.add(a, 1, link(b, a))
	if !same(ab, ba, false) {
		t.Error("sums depend on the order")
	}
	if same(ab, ba, true) {
		t.Error("links do not depend on the order")
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add(int64(1), []byte("k"), []byte("v"), []byte("h"), []byte("x"), uint8(0), int64(1), []byte("k"), []byte("v"), []byte("h"), []byte("x"), uint8(0))
	f.Add(int64(-1), []byte(""), []byte(""), []byte(""), []byte(""), uint8(7), int64(0), []byte("kv"), []byte(""), []byte("hx"), []byte(""), uint8(8))
	f.Fuzz(func(t *testing.T, t1 int64, k1, v1, hk1, hv1 []byte, n1 uint8, t2 int64, k2, v2, hk2, hv2 []byte, n2 uint8) {
		a, b := fuzzed(t1, k1, v1, hk1, hv1, n1), fuzzed(t2, k2, v2, hk2, hv2, n2)
		formA, formB := canonical(t, a), canonical(t, b)
		if equal := sameRecord(a, b); equal != bytes.Equal(formA, formB) {
			t.Fatalf("records equal: %t, forms %x and %x", equal, formA, formB)
		}
		back, err := parseCanonical(formA)
		if err != nil || !sameRecord(back, a) {
			t.Fatalf("round trip of %+v gives %+v, %v", a, back, err)
		}
		// What is read from any bytes is written the same: there are no two forms of a record.
		if r, err := parseCanonical(append(v1, v2...)); err == nil {
			if again := canonical(t, r); !bytes.Equal(again, append(v1, v2...)) {
				t.Fatalf("%x is read and written as %x", append(v1, v2...), again)
			}
		}
	})
}

// fuzzed makes a record; the bits of n make parts null, and its upper half is the number of headers.
func fuzzed(timestamp int64, key, value, headerKey, headerValue []byte, n uint8) *record {
	parts := [][]byte{key, value, headerValue}
	for i := range parts {
		if n>>i&1 == 1 {
			parts[i] = nil
		} else if parts[i] == nil {
			parts[i] = []byte{}
		}
	}
	if headerKey == nil {
		headerKey = []byte{}
	}
	headers := make([]header, n>>5)
	for i := range headers {
		headers[i] = header{binary.AppendUvarint(bytes.Clone(headerKey), uint64(i)), parts[2]}
	}
	return build(timestamp, parts[0], parts[1], headers...)
}

func sameRecord(a, b *record) bool {
	same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
	return a.timestamp == b.timestamp && same(a.key, b.key) && same(a.value, b.value) && a.headerCount == b.headerCount && bytes.Equal(a.headers, b.headers)
}
