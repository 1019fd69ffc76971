package pool

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tributary/pkg/ownership/coord"
)

// storm does random things to a region.
type storm struct {
	*region
	*rand.Rand
	happened map[string]int
	heal     map[*actor]func()
}

func newStorm(r *region, seed uint64) *storm {
	s := &storm{region: r, Rand: rand.New(rand.NewPCG(seed, 1)), happened: map[string]int{}, heal: map[*actor]func(){}}
	jitter := rand.New(rand.NewPCG(seed, 2))
	r.jitter = func() time.Duration {
		r.oracle.mu.Lock() // any will do
		defer r.oracle.mu.Unlock()
		return time.Duration(jitter.IntN(20)) * time.Millisecond / 4
	}
	return s
}

// some returns a member that nothing is wrong with, nil if there are less than two.
func (s *storm) some() *actor {
	var well []*actor
	for _, a := range s.actors {
		if s.heal[a] == nil {
			well = append(well, a)
		}
	}
	if len(well) < 2 {
		return nil
	}
	return well[s.IntN(len(well))]
}

// faults are those after which nobody may have validly what another has.
func (s *storm) faults() map[string]func(*actor) {
	return map[string]func(*actor){
		"kill seen":   func(a *actor) { s.kill(a, true) },
		"kill unseen": func(a *actor) { s.kill(a, false) },
		"quit":        func(a *actor) { s.quit(a) },
		"freeze": func(a *actor) {
			a.freeze(true)
			s.heal[a] = func() { a.freeze(false) }
		},
		"cut": func(a *actor) {
			a.client.Cut()
			s.heal[a] = a.client.Restore
		},
		"expire": func(a *actor) { a.client.Expire() },
		"drop": func(a *actor) {
			for range 1 + s.IntN(8) {
				a.client.Drop(s.IntN(2) == 0)
			}
		},
		"refuse": func(a *actor) {
			a.client.Refuse(coord.ErrNoAuth)
			s.heal[a] = func() { a.client.Refuse(nil) }
		},
		"down": func(*actor) {
			s.ensemble.Down()
			s.pass(time.Duration(s.IntN(15000)) * time.Millisecond)
			s.ensemble.Up()
		},
		"two deaths": func(a *actor) {
			s.kill(a, true)
			if b := s.some(); b != nil {
				s.pass(time.Duration(s.IntN(100)) * time.Millisecond)
				s.kill(b, s.IntN(2) == 0)
			}
		},
		"eviction races expiry": func(a *actor) {
			name := a.incarnation()
			s.kill(a, false)
			s.pass(timeout*2/3 + time.Duration(s.IntN(2400))*time.Millisecond)
			s.peers.tell(name)
		},
		"drain": func(a *actor) {
			on := s.IntN(2) == 0
			go func() { _ = a.Drain(s.t.Context(), on) }() // it may be cut off
		},
	}
}

// pass lets time pass, and looks at every moment whether anything is owned twice.
func (s *storm) pass(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond)
		s.owners()
	}
}

func (s *storm) round(faults map[string]func(*actor), names []string) {
	for a, heal := range s.heal {
		if s.IntN(3) == 0 {
			heal()
			delete(s.heal, a)
		}
	}
	if a := s.some(); a != nil {
		name := names[s.IntN(len(names))]
		s.happened[name]++
		s.oracle.expect(slices.Contains([]string{"tree wiped", "terms wiped", "term gone"}, name), name == "death that is none")
		s.t.Logf("%s %s %s", time.Now().Format("04:05.000"), name, a.name)
		faults[name](a)
	}
	if len(s.actors) < 4 && s.IntN(2) == 0 {
		s.start(fmt.Sprintf("m%d", s.IntN(5)+5*s.started))
	}
	s.pass(time.Duration(s.IntN(3000)) * time.Millisecond)
}

func (s *storm) calm() {
	for a, heal := range s.heal {
		heal()
		delete(s.heal, a)
	}
	for _, a := range s.actors {
		a.draining(false)
	}
	for len(s.actors) < 3 {
		s.start(fmt.Sprintf("m%d", 5*s.started))
	}
}

func (a *actor) draining(on bool) {
	a.Pool.mu.Lock()
	a.member.draining = on
	a.Pool.mu.Unlock()
	a.mail.post(func() {})
}

// vandalism is what somebody may do to the tree. While it goes on two may believe to own: the one who lost its node learns it
// later than the one who finds nothing there.
func (s *storm) vandalism() map[string]func(*actor) {
	put := func(path, content string) func(*actor) {
		return func(*actor) { s.ensemble.Put("/mirror/eu/"+path, []byte(content)) }
	}
	remove := func(path string) func(*actor) {
		return func(*actor) { s.ensemble.Remove("/mirror/eu" + path) }
	}
	large := string(make([]byte, 1_000_000))
	return map[string]func(*actor){
		"tree wiped":         func(*actor) { s.ensemble.Remove("/") },
		"owners wiped":       remove("/topics"),
		"members wiped":      remove("/members"),
		"terms wiped":        remove("/terms"),
		"reports wiped":      remove("/reports"),
		"plan gone":          remove("/plan"),
		"plan of garbage":    put("plan", "garbage"),
		"plan too large":     put("plan", large),
		"member gone":        func(a *actor) { s.ensemble.Remove("/mirror/eu/members/" + a.incarnation()) },
		"member's garbage":   func(a *actor) { s.ensemble.Put("/mirror/eu/members/"+a.incarnation(), []byte("{")) },
		"member of garbage":  put("members/x", large),
		"member that is not": put("members/y-00000000-0000000000", `{"format":1,"instance":"y","capacity":1}`),
		"owner gone":         remove("/topics/topic-001"),
		"owner's garbage":    put("topics/topic-002", "garbage"),
		"owner too large":    put("topics/topic-003", large),
		"owner of a part":    put("topics/topic-004@1of2", "{}"),
		"owner of nothing":   put("topics/@@", "{}"),
		"owner that is not": func(*actor) {
			s.ensemble.Remove("/mirror/eu/topics/topic-005")
			s.ensemble.Put("/mirror/eu/topics/topic-005", nil)
		},
		"term of garbage": put("terms/topic-006", "[]"),
		"term gone":       remove("/terms/topic-007"),
		"pin of garbage":  put("pins/topic-008", "?"),
		"report's garbage": func(a *actor) {
			if name := a.incarnation(); len(s.ensemble.Names("/mirror/eu/reports")) > 0 {
				s.ensemble.Put("/mirror/eu/reports/"+name, []byte("?"))
			}
		},
		"death that is none": func(a *actor) { s.peers.tell(a.incarnation()) },
	}
}

func (s *storm) run(t *testing.T, faults map[string]func(*actor)) {
	for i := range 3 + s.IntN(3) {
		s.start(fmt.Sprintf("m%d", i))
	}
	s.await(10 * time.Second)
	names := slices.Sorted(maps.Keys(faults))
	for range 20 {
		s.round(faults, names)
	}
	s.calm()
	s.vandals = false
	s.pass(time.Second) // what was overwritten is found
	s.await(timeout + 30*time.Second)
	s.pass(time.Second)
	s.until("all see so", 30*time.Second, func() bool {
		return !slices.ContainsFunc(s.actors, func(a *actor) bool {
			v := a.View()
			return len(v.Units) < len(s.topics) || len(v.Unowned) > 0
		})
	})
	t.Logf("%d tenures, %v", s.oracle.begun, s.happened)
}

func storms(t *testing.T, first, seeds uint64, test func(t *testing.T, s *storm)) {
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			within(t, 12, func(t *testing.T, r *region) { test(t, newStorm(r, seed)) })
		})
	}
}

// Whatever fails, at any moment at most one member validly has a partition; terms grow, what a predecessor may still have
// under way is never forgotten, and everything has an owner again when the faults are over.
func TestStorm(t *testing.T) {
	storms(t, *storm1, *seeds, func(t *testing.T, s *storm) { s.run(t, s.faults()) })
}

// Whatever somebody does to the tree, everything has one owner again soon.
func TestVandals(t *testing.T) {
	storms(t, *storm1, *seeds, func(t *testing.T, s *storm) {
		s.vandals = true
		faults := s.vandalism()
		maps.Copy(faults, s.faults())
		s.run(t, faults)
	})
}

var (
	storm1 = flag.Uint64("storm", 0, "first seed of storms")
	seeds  = flag.Uint64("storms", 2, "how many storms")
)
