package plan

import (
	"fmt"
	"testing"
	"time"
)

// A round of 2,000 topics over ten members: at rest, after a death, and from nothing.
func BenchmarkNext(b *testing.B) {
	rest := func() *world {
		w := newWorld(nil, 1)
		w.joinMany(10, 3)
		w.zipf(2000, 8, 1)
		for range 10 {
			w.in.Now = w.in.Now.Add(10 * time.Second)
			w.in.Current = Next(w.in)
		}
		return w
	}
	scenes := []struct {
		name string
		in   func() Input
	}{
		{"rest", func() Input { return rest().in }},
		{"death", func() Input { w := rest(); w.die(w.in.Members[3].Name); return w.in }},
		{"join", func() Input { w := rest(); w.join("new", "zone-1", 1); return w.in }},
		{"first", func() Input { w := rest(); w.in.Current = Plan{}; return w.in }},
	}
	for _, s := range scenes {
		in := s.in()
		b.Run(fmt.Sprintf("%s/topics=%d", s.name, len(in.Topics)), func(b *testing.B) {
			for b.Loop() {
				Next(in)
			}
		})
	}
}
