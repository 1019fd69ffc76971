package deadman

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// staleAfter is the age at which a snapshot is no evidence of the present; one is taken every second.
const staleAfter = 30 * time.Second

// Healthy returns nil when all links of a snapshot copy or have nothing to copy, and how far each topic is is known. Doubt is not
// healthy: no snapshot, an old one, one without links, or with all of them paused.
func Healthy(s *lag.Snapshot, now time.Time) error {
	switch {
	case s == nil:
		return errors.New("nothing was observed yet")
	case now.Sub(s.Time) >= staleAfter:
		return errors.New("the last look at the links is too old")
	case len(s.Links) == 0 && len(s.HeartbeatClusters) == 0:
		return errors.New("there are no links")
	}
	for _, c := range s.HeartbeatClusters {
		if c.Problem != "" {
			return fmt.Errorf("heartbeats at %s: %s", c.Cluster, c.Problem)
		}
	}
	paused := 0
	for _, l := range s.Links {
		if err := healthyLink(l); err != nil {
			return fmt.Errorf("link %s %w", l.Name, err)
		}
		if l.State == mirror.StatePaused {
			paused++
		}
	}
	if paused > 0 && paused == len(s.Links) {
		return errors.New("all links are paused")
	}
	return nil
}

func healthyLink(l lag.Link) error {
	if l.Problem != "" || l.SaveProblem != "" {
		return errors.New("has a problem")
	}
	fine := []mirror.State{mirror.StateCopying, mirror.StateCaughtUp, mirror.StateThrottled, mirror.StatePaused, lag.StateElsewhere}
	if !slices.Contains(fine, l.State) {
		return fmt.Errorf("is %s", l.State)
	}
	for _, t := range l.Topics {
		if !t.Away && t.ReplicatedThrough == nil && t.State != mirror.StatePaused {
			return fmt.Errorf("does not know how far topic %s is", t.Topic)
		}
	}
	return nil
}
