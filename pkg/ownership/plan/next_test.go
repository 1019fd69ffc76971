package plan

import "testing"

func TestNextSeatsEveryTopic(t *testing.T) {
	in := Input{Members: []Member{{Name: "a"}, {Name: "b"}, {Name: "c"}}, Topics: map[string]int{"x": 1, "y": 2, "z": 3}}
	p := Next(in)
	if len(p.Seats) != 3 {
		t.Fatalf("seats %v", p.Seats)
	}
	for u, s := range p.Seats {
		if s.Owner == "" || s.Standby == "" || s.Owner == s.Standby {
			t.Errorf("%s: %+v", u, s)
		}
	}
	in.Current = p
	if q := Next(in); !q.Equal(p) {
		t.Errorf("the plan moved from %v to %v", p, q)
	}
}
