package pool

import (
	"sync"
	"testing"

	"tributary/pkg/mirror"
)

// oracle knows what happened to each unit, and so what a new owner must be told at least of those before.
type oracle struct {
	t     *testing.T
	mu    sync.Mutex
	units map[mirror.Unit]*past
	begun int
	wiped bool // records were taken away or spoilt
	lied  bool // somebody was called dead who is not
}

func newOracle(t *testing.T) oracle { return oracle{t: t, units: map[mirror.Unit]*past{}} }

// past is the newest tenure of a unit.
type past struct {
	term   int64
	before mirror.Predecessor // what is not settled yet
	ended  ended
}

type ended int

const (
	endedNot ended = iota
	endedDrained
	endedKilled
	endedSilent
)

// expect lets the oracle know of what nobody can be told of rightly.
func (o *oracle) expect(wiped, lied bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wiped, o.lied = o.wiped || wiped, o.lied || lied
}

// owed is the least that the next owner must be told.
func (p *past) owed(lied bool) mirror.Predecessor {
	switch {
	case p.ended == endedDrained:
		return p.before
	case p.ended == endedKilled, lied:
		return max(p.before, mirror.PredecessorDead)
	}
	return mirror.PredecessorUnknown
}

func (o *oracle) begin(who string, t mirror.Tenure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun++
	p := o.units[t.Unit]
	if p == nil {
		p = &past{}
		o.units[t.Unit] = p
	} else if o.wiped { // only who saw the former terms knows
	} else if t.Term <= p.term {
		o.t.Errorf("%s has %s in term %d after term %d", who, t.Unit, t.Term, p.term)
	} else if owed := p.owed(o.lied); t.Before < owed && t.Term == p.term+1 {
		o.t.Errorf("%s has %s in term %d and is told of predecessor %d, want at least %d: %+v", who, t.Unit, t.Term, t.Before, owed, *p)
	}
	*p = past{term: t.Term, before: t.Before}
}

func (o *oracle) end(t mirror.Tenure, how ended) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.units[t.Unit]; p != nil && p.term == t.Term {
		p.ended = how
	}
}

func (o *oracle) settle(t mirror.Tenure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.units[t.Unit]; p != nil && p.term == t.Term {
		p.before = mirror.PredecessorNone
	}
}
