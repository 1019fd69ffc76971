package mirror

import (
	"context"
	"fmt"
	"maps"
	"time"

	"tributary/pkg/mirror/protocol"
)

const (
	drainPoll    = 5 * time.Millisecond
	defaultDrain = 30 * time.Second
)

// leave hands a tenant's unit over: nothing more is read or sent, what is in flight is answered, the positions are saved, and
// the unit is released. It is done as soon as that is, and at the end of the drain time at the latest, which is short for what
// is stuck: then one of the clusters is not reached, and that is why it moves.
func (tn *tenant) leave(ctx context.Context) {
	t, l := tn.topic, tn.topic.link
	list := tn.pipelines()
	for _, p := range list {
		p.close()
	}
	drained, err := tn.wrapUp(ctx, list)
	if tn.life.Err() != nil { // lost meanwhile
		tn.detach()
		return
	}
	if ctx.Err() != nil {
		return // the link stops, and does the same for all
	}
	if err != nil {
		l.log.Warn("positions not saved before a hand-over", "unit", tn.String(), "err", err)
	}
	for _, p := range list {
		drained = p.stop() && drained // one that came to its end since has sent what it had in hand
		l.sink.Detach(p)
	}
	tn.end() // nothing is stored for it any more: it would not be what the next owner has read
	t.mu.Lock()
	if !tn.lost {
		t.remember(list)
	}
	tn.released = true
	clear(tn.list)
	t.relist()
	t.mu.Unlock()
	l.own.Release(tn.Tenure, drained && err == nil)
	l.log.Debug("unit handed over", "unit", tn.String(), "term", tn.Term, "drained", drained, "saved", err == nil)
	for _, p := range list {
		l.source.Detach(p) // it may wait for a slow source, so that it is last
	}
}

// wrapUp waits for what is in flight, and saves the positions.
func (tn *tenant) wrapUp(ctx context.Context, list []*Pipeline) (drained bool, err error) {
	l := tn.topic.link
	working, cancel := during(ctx, tn.life)
	defer cancel()
	drain, stuck := l.cfg.Drain, tn.isStuck(time.Now())
	if stuck {
		drain = min(drain, stuckDrain)
	}
	until := time.Now().Add(drain)
	bounded, cancel := context.WithDeadline(working, until)
	defer cancel()
	drained = awaitDrained(bounded, list)
	saving := working
	if stuck {
		saving, cancel = context.WithTimeout(working, stuckDrain)
		defer cancel()
	}
	return drained, l.saveLast(saving, until, list)
}

// awaitDrained waits until nothing of the pipelines is under way, and returns false when ctx ends before.
func awaitDrained(ctx context.Context, list []*Pipeline) bool {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for {
		if allDrained(list) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func allDrained(list []*Pipeline) bool {
	for _, p := range list {
		if !p.drained() {
			return false
		}
	}
	return true
}

// saveLast saves the positions of pipelines that are going to end, together with others that do at the same moment. It tries
// until it works, and at least once.
func (l *Link) saveLast(ctx context.Context, until time.Time, list []*Pipeline) error {
	moved := movedOf(list)
	if len(moved) == 0 {
		return nil
	}
	for wait := startRetryMin; ; wait = min(2*wait, startRetryMax) {
		_, err := l.commits.do(ctx, moved)
		maps.DeleteFunc(moved, func(tp TopicPartition, _ protocol.Position) bool { return !unsaved(err, tp) })
		if len(moved) == 0 { // what is refused is others'
			return nil
		}
		if ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// saveSome saves the positions of some that have ended, by themselves.
func (l *Link) saveSome(ctx context.Context, list []*Pipeline) error {
	moved := movedOf(list)
	if len(moved) == 0 {
		return nil
	}
	return l.commit(ctx, moved)
}

// movedOf returns the positions that are not saved.
func movedOf(list []*Pipeline) map[TopicPartition]protocol.Position {
	moved := map[TopicPartition]protocol.Position{}
	now := time.Now()
	for _, p := range list {
		if at, ok := p.takePosition(now, saveIdleEvery); ok {
			moved[p.source] = at
		}
	}
	return moved
}

// drain stops reading and sending, and waits until every batch in flight is answered.
func (l *Link) drain() error {
	var all []*Pipeline
	for _, t := range l.all() {
		all = append(all, t.pipelines()...)
	}
	for _, p := range all {
		l.source.Detach(p)
		p.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.Drain)
	defer cancel()
	if !awaitDrained(ctx, all) {
		return fmt.Errorf("drain link %s: records were still un-acknowledged after %v; they are sent again at the next start", l.cfg.Name, l.cfg.Drain)
	}
	return nil
}

// close lets nothing more be sent.
func (p *Pipeline) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
}

// drained says that nothing of p is under way.
func (p *Pipeline) drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drainedNow()
}

// drainedNow is drained under mu.
func (p *Pipeline) drainedNow() bool {
	return !p.active() || p.window.sent == 0 && (p.ending == nil || p.window.n == 0)
}

// finish lets go of all partitions, saves their last positions, and gives all units back.
func (l *Link) finish() error {
	drained := map[*tenant]bool{}
	for _, t := range l.all() {
		for _, tn := range t.held() {
			drained[tn] = true
			for _, p := range tn.pipelines() {
				l.sink.Detach(p)
				drained[tn] = p.stop() && drained[tn]
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	err := l.save(ctx, saveIdleEvery)
	for tn, drained := range drained {
		tn.end()
		if err != nil && drained { // it may be the others' that are refused
			drained = l.saveSome(ctx, tn.pipelines()) == nil
		}
		l.own.Release(tn.Tenure, drained)
	}
	return err
}
