package pool

import (
	"log/slog"
	"testing"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/coord/fake"
	"tributary/pkg/ownership/plan"
)

// A node that was not there when it was read, and is in a list, is judged by which of both was asked for later: their answers
// overtake each other. An own unit whose node was made in between is not lost.
func TestReadAndListOvertakeEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		listed, read uint64 // when they were asked for; the unit was claimed at 5
		there        bool
	}{
		"the list is newer": {7, 3, true},
		"the read is newer": {7, 9, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(Config{Link: "eu", Root: "/mirror/eu", Instance: "a", Capacity: 1}, fake.New().Client(timeout), nil, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			m, u := p.member, plan.Unit{Topic: "clicks", Of: 1}
			m.life.tenures[u] = &tenure{from: 5}
			f := m.life.owners
			f.issued, f.stale = c.listed, false
			m.take(f, []string{"clicks"})
			clear(f.todo) // the read is under way
			m.entryRead(f, "clicks", readAnswer{entry: f.entries["clicks"], issued: c.read, err: coord.ErrNoNode})
			m.checkTenures()
			if owned := m.life.tenures[u] != nil; owned != c.there || f.todo["clicks"] != c.there || f.stale == c.there {
				t.Errorf("owned %v, to be read %v, to be listed %v; the node is there: %v", owned, f.todo["clicks"], f.stale, c.there)
			}
		})
	}
}
