package lag

import (
	"slices"

	"tributary/pkg/mirror"
)

// StateUnowned is of a topic that nobody mirrors. No pipeline reports it by itself.
const StateUnowned mirror.State = "unowned"

// StateElsewhere is of a topic that another member of the pool mirrors: how it fares, that member knows. No partition has it.
const StateElsewhere mirror.State = "elsewhere"

// States returns every state of a partition in the order of urgency, the worst first.
func States() []mirror.State {
	return []mirror.State{mirror.StateHalted, StateUnowned, mirror.StateWaiting, mirror.StateStarting, mirror.StateThrottled,
		mirror.StatePaused, mirror.StateCopying, mirror.StateCaughtUp}
}

// Urgency is the place of a state in States, behind which comes StateElsewhere. A state that is not known is worse than
// all: hiding it would be wrong.
func Urgency(s mirror.State) int { return slices.Index(append(States(), StateElsewhere), s) }

// Worse returns the more urgent of two states; "" is no state at all.
func Worse(a, b mirror.State) mirror.State {
	if a == "" || b != "" && Urgency(b) < Urgency(a) {
		return b
	}
	return a
}
