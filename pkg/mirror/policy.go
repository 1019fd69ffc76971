package mirror

import (
	"context"
	"time"

	"tributary/pkg/mirror/protocol"
)

// policiesEvery is how often the sources' settings are read again. The cleaner needs at least log.cleaner.backoff.ms (15 s)
// and a rolled segment to begin with a topic whose policy has changed.
const policiesEvery = 10 * time.Second

// Policy is how a source cleans the log of a topic.
type Policy struct {
	Compacted       bool          // cleanup.policy includes compact
	MinLag          time.Duration // min.compaction.lag.ms: a record is kept for so long at least
	DeleteRetention time.Duration // delete.retention.ms: a tombstone is kept for so long beyond that
}

// readPolicy asks for the topic's policy.
func (t *topic) readPolicy(ctx context.Context) (Policy, error) {
	policies, err := t.link.readPolicies(ctx, []string{t.name})
	if err != nil {
		return Policy{}, err
	}
	t.notePolicy(policies[t.name])
	return policies[t.name], nil
}

func (t *topic) notePolicy(policy Policy) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.policy = policy
	if policy.Compacted {
		t.cleaned.Store(true)
	}
}

// watchPolicies notices a source topic that is compacted from now on, while its partitions are running. Until then gaps of
// the cleaner are noticed where it matters: what is counted after doubt must be dense. It reads the settings of topics that
// do not run here too, so that they can be taken over at once.
func (l *Link) watchPolicies(ctx context.Context) {
	failing := false
	every(ctx, policiesEvery, func(time.Time) {
		err := l.followPolicies(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			l.log.Warn("topic settings of the source not read again", "err", err)
		}
		failing = err != nil
		l.refreshLimits(ctx, limitsEvery)
	})
}

func (l *Link) followPolicies(ctx context.Context) error {
	from, _, _ := l.source.Catalog()
	if from == nil {
		return nil
	}
	known := map[string]*topic{}
	var names []string
	for _, t := range l.all() {
		if _, exists := from.Topics[t.name]; exists || len(t.pipelines()) > 0 {
			known[t.name], names = t, append(names, t.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	policies, err := l.readPolicies(bounded, names)
	for name, policy := range policies { // of those that could be read
		t := known[name]
		t.notePolicy(policy)
		if !policy.Compacted {
			continue
		}
		turned := 0
		for _, p := range t.pipelines() {
			if p.turn() {
				turned++
			}
		}
		if turned > 0 {
			l.log.Info("source topic is compacted from now on", "topic", name, "partitions", turned)
		}
	}
	return err
}

// turn makes a partition, of which everything sent was counted until now, one of a compacted source, where that is not
// possible. It reads no more; once all it has is answered it starts anew by the rules for those (E1, E2), at the end of the
// acknowledged prefix. It says whether it did. A halted partition has this before it at its next start.
func (p *Pipeline) turn() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active() || p.uncounted || p.turning {
		return false
	}
	p.turning = true
	return true
}

// turned says whether a turning partition has nothing left to be answered. It is then to be attached to its sink again.
func (p *Pipeline) turned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.turning || !p.active() || !p.joined || p.window.n > 0 || p.culprit != nil {
		return false
	}
	p.detach(protocol.Restart)
	return true
}
