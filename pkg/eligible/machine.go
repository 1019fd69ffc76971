package eligible

import "time"

// Mode is who decides.
type Mode string

// Modes. Those of an operator end by themselves.
const (
	ModeAuto  Mode = "auto"
	ModeIn    Mode = "in"
	ModeDrain Mode = "drain"
)

// State is whether the host may take new traffic, and why. It is not changed after it was published.
type State struct {
	In     bool      `json:"in"`
	Reason Reason    `json:"reason"` // of the last change, "" before the first
	Text   string    `json:"text"`   // the same for people
	Since  time.Time `json:"since"`  // of the last change, or the start
	Mode   Mode      `json:"mode"`
	Until  time.Time `json:"until"` // of a mode of an operator, else zero
	Cut    bool      `json:"cut"`   // the destinations cannot be written to: what peers want to know of each other
}

// machine goes from state to state. It has no clock of its own.
type machine struct {
	cfg   Config
	watch watch

	state     State
	changed   bool      // since the start: before, no state needs to be dwelt in
	wellSince time.Time // zero while not all is well
	own       bool      // what the rules last decided, also under an operator's mode
	ownReason Reason
	ownText   string
}

// newMachine begins in a state that is known from before, or else in.
func newMachine(cfg Config, now time.Time, saved *State) *machine {
	m := &machine{cfg: cfg, state: State{In: true, Since: now, Mode: ModeAuto}, own: true}
	if saved != nil {
		m.state, m.changed = *saved, true
		m.own = saved.In || saved.Reason == ReasonOperator
		m.ownReason, m.ownText = saved.Reason, saved.Text
	}
	return m
}

// set takes a mode from an operator. It holds at once.
func (m *machine) set(mode Mode, until, now time.Time) (changed bool) {
	m.state.Mode, m.state.Until = mode, until
	switch mode {
	case ModeIn:
		return m.turn(true, ReasonOperator, "an operator said so", now)
	case ModeDrain:
		return m.turn(false, ReasonOperator, "an operator said so", now)
	}
	m.state.Until = time.Time{}
	return m.back(now)
}

// back goes from an operator's mode to what the rules decided.
func (m *machine) back(now time.Time) bool {
	if m.own {
		return m.turn(true, ReasonOperator, "the operator's word is over", now)
	}
	return m.turn(false, m.ownReason, m.ownText, now)
}

// observe takes one look, and says whether the state changed.
func (m *machine) observe(now time.Time, v verdict) (changed bool) {
	m.state.Cut = v.cut
	since(&m.wellSince, v.well, now)
	if m.state.Mode != ModeAuto && !m.state.Until.After(now) {
		m.state.Mode, m.state.Until = ModeAuto, time.Time{}
		changed = m.back(now)
	}
	dwelt := !m.changed || now.Sub(m.state.Since) >= m.cfg.Dwell
	switch {
	case v.reason != "" && (dwelt || m.state.Mode != ModeAuto):
		m.own, m.ownReason, m.ownText = false, v.reason, v.text
	case v.well && (dwelt || m.state.Mode != ModeAuto) && now.Sub(m.wellSince) >= m.cfg.Dwell:
		m.own, m.ownReason, m.ownText = true, ReasonRecovered, "all is well"
	}
	if m.state.Mode != ModeAuto || m.own == m.state.In {
		return changed
	}
	return m.turn(m.own, m.ownReason, m.ownText, now)
}

// turn goes over to a state.
func (m *machine) turn(in bool, r Reason, text string, now time.Time) bool {
	if in == m.state.In {
		return false
	}
	m.state.In, m.state.Reason, m.state.Text, m.state.Since, m.changed = in, r, text, now, true
	return true
}
