package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// trace looks for alien records among what is missing elsewhere: a record that came to the wrong partition or topic.
func (v *Verifier) trace(all []*findings) {
	lost := map[print128]*item{}
	for _, f := range all {
		if f.unit.compacted {
			continue
		}
		for _, i := range f.missing {
			lost[i.row.print] = i
		}
	}
	for _, f := range all {
		if f.unit.compacted {
			continue
		}
		for _, i := range f.aliens {
			if from := lost[i.row.print]; from != nil {
				i.source, i.sourceAt = from.source, from.sourceAt
				i.note = "misplaced: it is missing where it belongs"
				from.note = "it is at " + i.destination.place(i.at)
			}
		}
	}
}

// describe reads the altered records that will be shown again, and says more exactly what differs. Contents are not shown:
// they may be confidential.
func (v *Verifier) describe(ctx context.Context, all []*findings) error {
	s := newScanner(func(n int) { v.progress.bytes.Add(int64(n)) })
	defer s.close()
	shown := 0
	for _, f := range all {
		for _, i := range f.items {
			if i.kind != Altered || shown >= maxExamples {
				continue
			}
			shown++
			before, err := v.one(ctx, s, i.source, i.sourceAt)
			if err != nil {
				return err
			}
			after, err := v.one(ctx, s, i.destination, i.at)
			if err != nil {
				return err
			}
			if before != nil && after != nil {
				i.note = difference(before, after)
			}
		}
	}
	return nil
}

// one reads a single record, nil when it is gone meanwhile.
func (v *Verifier) one(ctx context.Context, s *scanner, l *log, offset int64) (*record, error) {
	var found *record
	err := s.scan(ctx, l.site, l.tp, span{offset, offset + 1}, l.level, visit{corrupt: func(*corrupt) {}, record: func(r *record) error {
		kept := *r
		kept.key, kept.value, kept.headers = bytes.Clone(r.key), bytes.Clone(r.value), bytes.Clone(r.headers)
		found = &kept
		return nil
	}})
	if errors.Is(err, errOverrun) {
		return nil, nil
	}
	return found, err
}

// difference says how two records differ, without showing more than lengths and times.
func difference(a, b *record) string {
	var out []string
	bytesDiffer := func(name string, a, b []byte) {
		if text := bytesDifference(a, b); text != "" {
			out = append(out, name+" "+text)
		}
	}
	bytesDiffer("key", a.key, b.key)
	bytesDiffer("value", a.value, b.value)
	if a.timestamp != b.timestamp {
		out = append(out, fmt.Sprintf("timestamp %d became %d", a.timestamp, b.timestamp))
	}
	if a.headerCount != b.headerCount {
		out = append(out, fmt.Sprintf("%d headers became %d", a.headerCount, b.headerCount))
		return strings.Join(out, "; ")
	}
	before, after := a.headerList(), b.headerList()
	moved := slices.IndexFunc(before, func(h header) bool { return !slices.ContainsFunc(after, h.equal) }) < 0
	for i := range before {
		switch {
		case before[i].equal(after[i]):
			continue
		case moved:
			return strings.Join(append(out, fmt.Sprintf("the order of headers, from header %d on", i)), "; ")
		}
		bytesDiffer(fmt.Sprintf("header %d key", i), before[i].key, after[i].key)
		bytesDiffer(fmt.Sprintf("header %d value", i), before[i].value, after[i].value)
	}
	return strings.Join(out, "; ")
}

// headerList returns the headers of a record that was read before without an error.
func (r *record) headerList() []header {
	var out []header
	rest := r.headers
	for range r.headerCount {
		h, after, err := nextHeader(rest)
		if err != nil {
			return out
		}
		out, rest = append(out, h), after
	}
	return out
}

func (h header) equal(o header) bool {
	return bytes.Equal(h.key, o.key) && bytes.Equal(h.value, o.value) && (h.value == nil) == (o.value == nil)
}

func bytesDifference(a, b []byte) string {
	name := func(b []byte) string {
		switch {
		case b == nil:
			return "null"
		case len(b) == 0:
			return "empty"
		}
		return fmt.Sprintf("%d bytes", len(b))
	}
	switch {
	case bytes.Equal(a, b) && (a == nil) == (b == nil):
		return ""
	case name(a) != name(b):
		return name(a) + " became " + name(b)
	}
	for i := range a {
		if a[i] != b[i] {
			return fmt.Sprintf("differs from byte %d of %d on", i, len(a))
		}
	}
	return ""
}
