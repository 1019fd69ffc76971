package mirror

import (
	"maps"
	"sync"
	"time"
)

// Alone is the Ownership of a link that no other process shares: it has every topic that is offered, for as long as it runs. A
// topic that is not offered any more leaves; offered again, it is under another term. Its zero value is ready. Safe for
// concurrent use; not to be copied, and of one link only.
type Alone struct {
	mu      sync.Mutex
	offered map[string]int     // guarded by mu; nil: nothing was said, and everything is this process's
	leaving map[string]bool    // guarded by mu: excluded, and not given back
	past    map[string]tenancy // guarded by mu: of topics that were given back
	changed chan struct{}      // guarded by mu; nil while nobody waits
}

// tenancy is what a topic begins with that was given back before.
type tenancy struct {
	term    int64
	before  Predecessor
	settled time.Time
}

// Offer implements Ownership.
func (a *Alone) Offer(topics map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for topic := range a.offered {
		if _, still := topics[topic]; !still {
			if a.leaving == nil {
				a.leaving = map[string]bool{}
			}
			a.leaving[topic] = true
		}
	}
	a.offered = maps.Clone(topics)
}

// Tenures implements Ownership: all of every topic that is offered or still leaving.
func (a *Alone) Tenures(topic string) []Tenure {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, offered := a.offered[topic]
	if !offered && a.offered != nil && !a.leaving[topic] {
		return nil
	}
	t := Tenure{Unit: Unit{Topic: topic, Of: 1}, Term: 1, Leaving: a.leaving[topic]}
	if past, ok := a.past[topic]; ok {
		t.Term, t.Before, t.Since = past.term, past.before, past.settled
	}
	return []Tenure{t}
}

// Changed implements Ownership.
func (a *Alone) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	return a.changed
}

// Valid implements Ownership.
func (*Alone) Valid(Tenure) bool { return true }

// Release implements Ownership. What was not drained may still arrive, so that the next term treats this one as a silent owner.
func (a *Alone) Release(t Tenure, drained bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := tenancy{term: t.Term + 1, settled: time.Now()}
	if !drained {
		next.before = PredecessorUnknown
	}
	if past, ok := a.past[t.Topic]; ok && past.term > t.Term { // told again
		return
	}
	if a.past == nil {
		a.past = map[string]tenancy{}
	}
	a.past[t.Topic] = next
	delete(a.leaving, t.Topic)
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// Settle implements Ownership: from then on the topic has no predecessor.
func (a *Alone) Settle(t Tenure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if past, ok := a.past[t.Topic]; ok && past.term == t.Term {
		past.before = PredecessorNone
		a.past[t.Topic] = past
	}
}

// Report implements Ownership.
func (*Alone) Report(Report) {}
