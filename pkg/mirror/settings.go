package mirror

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	policiesFresh = policiesEvery * 3 / 2 // for how long a policy that was read is used for a start
	limitsFresh   = 2 * limitsEvery
)

// settings keeps what the clusters say of the topics that match, mirrored here or not: who takes a topic over then need not
// ask.
type settings struct {
	mu       sync.Mutex
	policies map[string]reading[Policy] // guarded by mu, by source topic
	limits   map[string]reading[Limits] // guarded by mu, by destination topic
}

// reading is something read of a topic with an id, at some time.
type reading[T any] struct {
	value T
	id    string
	at    time.Time
}

// of returns a reading of the topic with the id that is young enough.
func of[T any](s *settings, readings map[string]reading[T], topic, id string, fresh time.Duration) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := readings[topic]
	return r.value, ok && r.id == id && time.Since(r.at) < fresh
}

// keep notes what was read of topics that had these ids before.
func keep[T any](s *settings, readings map[string]reading[T], values map[string]T, ids map[string]TopicInfo, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, value := range values {
		readings[topic] = reading[T]{value, ids[topic].ID, at}
	}
}

// policyOf returns the policy of a source topic, which has an id: the one kept, or by asking.
func (l *Link) policyOf(ctx context.Context, topic, id string) (Policy, error) {
	if policy, ok := of(&l.settings, l.settings.policies, topic, id, policiesFresh); ok {
		return policy, nil
	}
	policies, err := l.policyReads.do(ctx, topic)
	if policy, ok := policies[topic]; ok || err == nil {
		return policy, nil
	}
	return Policy{}, err
}

// readPolicies asks for policies and keeps them.
func (l *Link) readPolicies(ctx context.Context, topics []string) (map[string]Policy, error) {
	at := time.Now()
	from, _, _ := l.source.Catalog()
	policies, err := l.source.Policies(ctx, topics)
	keep(&l.settings, l.settings.policies, policies, from.Topics, at)
	return policies, err
}

// limitsOf returns the limits of a destination topic, which has an id: those kept, or by asking.
func (l *Link) limitsOf(ctx context.Context, dest, id string) (Limits, error) {
	if limits, ok := of(&l.settings, l.settings.limits, dest, id, limitsFresh); ok {
		return limits, nil
	}
	limits, err := l.limitReads.do(ctx, dest)
	return limitsIn(limits, dest, err)
}

// limitsIn takes one topic's limits out of an answer that may lack some.
func limitsIn(limits map[string]Limits, dest string, err error) (Limits, error) {
	found, ok := limits[dest]
	switch {
	case ok:
		return found, nil
	case err == nil:
		err = fmt.Errorf("settings of topic %s were not told", dest)
	}
	return Limits{}, err
}

// readLimits asks for limits and keeps them.
func (l *Link) readLimits(ctx context.Context, dests []string) (map[string]Limits, error) {
	at := time.Now()
	to, _, _ := l.sink.Catalog()
	limits, err := l.sink.Limits(ctx, dests)
	keep(&l.settings, l.settings.limits, limits, to.Topics, at)
	return limits, err
}

// refreshLimits reads the limits of all destination topics again that were read longer than fresh ago, or never.
func (l *Link) refreshLimits(ctx context.Context, fresh time.Duration) {
	to, _, _ := l.sink.Catalog()
	if to == nil {
		return
	}
	var dests []string
	for _, t := range l.all() {
		info, exists := to.Topics[t.dest]
		if !exists {
			continue
		}
		if _, known := of(&l.settings, l.settings.limits, t.dest, info.ID, fresh); !known {
			dests = append(dests, t.dest)
		}
	}
	if len(dests) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	limits, err := l.readLimits(bounded, dests)
	if ctx.Err() == nil && l.note(&l.limitsErr, err) {
		l.log.Warn("destination limits not read again", "err", err)
	}
	for _, t := range l.all() {
		if now, ok := limits[t.dest]; ok {
			for _, p := range t.pipelines() {
				p.SetLimits(now)
			}
		}
	}
}
