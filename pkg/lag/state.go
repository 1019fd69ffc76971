package lag

import (
	"slices"

	"tributary/pkg/mirror"
)

// States that no pipeline reports by itself: they are about who may copy, and how fast.
const (
	StateThrottled mirror.State = "throttled"
	StatePaused    mirror.State = "paused"
	StateUnowned   mirror.State = "unowned"
)

// States returns every state in the order of urgency, the worst first.
func States() []mirror.State {
	return []mirror.State{mirror.StateHalted, StateUnowned, mirror.StateWaiting, mirror.StateStarting, StateThrottled,
		StatePaused, mirror.StateCopying, mirror.StateCaughtUp}
}

// Urgency is the place of a state in States. A state that is not there is worse than all: hiding it would be wrong.
func Urgency(s mirror.State) int { return slices.Index(States(), s) }

// Worse returns the more urgent of two states; "" is no state at all.
func Worse(a, b mirror.State) mirror.State {
	if a == "" || b != "" && Urgency(b) < Urgency(a) {
		return b
	}
	return a
}
