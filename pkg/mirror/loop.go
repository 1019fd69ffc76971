package mirror

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tributary/pkg/mirror/protocol"
)

// Two processes that mirror one topic to and fro would send every record round for ever. Positions tell where they lead, so
// each sees the other's in the groups of its destination. A link first saves where it goes and then looks: of two that
// start at the same instant at least one sees the other, before any record is read. The one that sees takes its word
// back and waits, so that the other goes on.

// Times of the look for loops. Early ones are for what could not be saved or seen at the start.
const (
	loopEvery      = 5 * time.Minute
	loopEveryFound = 15 * time.Second // while something waits for a loop to be resolved
	loopTimeout    = 5 * time.Second
)

// loopEarly is after which times since a start is looked.
var loopEarly = [...]time.Duration{2 * time.Second, 3 * time.Second, 10 * time.Second}

// Onward is a mirror's group at the destination that reads one of its topics, and where the records go from there.
type Onward struct {
	Group string
	To    protocol.Place
}

// commit saves positions with where they lead. A topic that waits for a loop to be resolved leads nowhere.
func (l *Link) commit(ctx context.Context, positions map[TopicPartition]protocol.Position) error {
	to := map[string]protocol.Place{}
	if dest, _, _ := l.sink.Catalog(); dest != nil {
		l.mu.Lock()
		for tp := range positions {
			if t := l.topics[tp.Topic]; t != nil && t.looped() == "" {
				to[tp.Topic] = protocol.Place{Cluster: dest.Cluster, Topic: t.dest}
			}
		}
		l.mu.Unlock()
	}
	return l.source.SavePositions(ctx, l.Group(), positions, to)
}

func (t *topic) looped() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loop
}

// claim says that partitions which are going to start lead to the destination, and then looks whether somebody brings their
// records back. What cannot be saved or seen does not keep a topic from being mirrored: it is looked at again.
func (t *topic) claim(ctx context.Context, from *Catalog, partitions []int32, starts []beginning) {
	l := t.link
	defer func() {
		select {
		case l.launched <- struct{}{}:
		default: // one is noted already
		}
	}()
	if t.looped() != "" {
		return
	}
	positions := map[TopicPartition]protocol.Position{}
	for i, p := range partitions {
		if starts[i].cause != CausePositionLost && starts[i].id != (protocol.Identity{}) {
			positions[TopicPartition{t.name, p}] = starts[i].at
		}
	}
	bounded, cancel := context.WithTimeout(ctx, loopTimeout)
	defer cancel()
	if len(positions) > 0 {
		if _, err := l.commits.do(bounded, positions); err != nil {
			l.noteSave(ctx, err)
		}
	}
	leads, err := l.looks.do(bounded, wantedLeads{t.dest, destPartitions(starts)})
	l.noteBlind(ctx, err)
	if back := t.backIn(leads[t.dest], from); back != nil {
		t.block(*back)
		l.commitOrNote(bounded, positions)
	}
}

func destPartitions(starts []beginning) []int32 {
	var list []int32
	for _, b := range starts {
		if b.id != (protocol.Identity{}) {
			list = append(list, b.id.DestPartition)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// backIn returns which of the groups that read the destination topic leads to the very topic at the source, nil when none does.
func (t *topic) backIn(leads []Onward, from *Catalog) *Onward {
	for _, o := range leads {
		if from.Cluster != "" && o.To == (protocol.Place{Cluster: from.Cluster, Topic: t.name}) {
			return &o
		}
	}
	return nil
}

// block lets nothing more of the topic be read. What was read goes on to the destination.
func (t *topic) block(by Onward) {
	l := t.link
	text := fmt.Sprintf("a mirror brings topic %s of %s back: its group %s at %s leads to topic %s of %s, and every record would go round for ever; nothing is read. "+
		"Mirror the topic one way only: take it out of this link, or out of that one and then delete that one's positions at %s with kafka-consumer-groups.sh --delete-offsets --group %s --topic %s; this link goes on by itself within %v",
		t.dest, l.cfg.To, by.Group, l.cfg.To, t.name, l.cfg.From, l.cfg.To, by.Group, t.dest, loopEveryFound)
	t.mu.Lock()
	was := t.loop
	t.loop = text
	t.mu.Unlock()
	for _, p := range t.pipelines() {
		p.setLoop(text)
	}
	if was == "" {
		l.log.Error("topic is mirrored back", "topic", t.name, "dest", t.dest, "group", by.Group, "err", text)
	}
}

func (p *Pipeline) setLoop(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loop = text
}

// watchLoops looks again soon after each start, and then now and then.
func (l *Link) watchLoops(ctx context.Context) {
	step := len(loopEarly)
	for {
		timer := time.NewTimer(l.nextLook(step))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.launched:
			timer.Stop()
			step = 0
		case <-timer.C:
			step = min(step+1, len(loopEarly))
			l.lookForLoops(ctx)
		}
	}
}

// nextLook returns when to look after so many looks since a start.
func (l *Link) nextLook(step int) time.Duration {
	found := slices.ContainsFunc(l.all(), func(t *topic) bool { return t.looped() != "" })
	wait := loopEvery
	switch {
	case step < len(loopEarly):
		wait = loopEarly[step]
	case found:
		wait = loopEveryFound
	}
	if found {
		wait -= rand.N(wait / 4) // two that saw each other must not see each other again and again
	}
	return wait
}

// lookForLoops looks who else reads the destination's topics.
func (l *Link) lookForLoops(ctx context.Context) {
	from, _, _ := l.source.Catalog()
	if from == nil {
		return
	}
	running := map[string][]int32{}
	for _, t := range l.all() {
		if list := t.destinations(); len(list) > 0 {
			running[t.dest] = append(running[t.dest], list...)
		}
	}
	if len(running) == 0 {
		return
	}
	for dest, list := range running { // several sources may go to one
		slices.Sort(list)
		running[dest] = slices.Compact(list)
	}
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	leads, err := l.sink.Onward(bounded, running)
	l.noteBlind(ctx, err)
	for _, t := range l.all() {
		switch back := t.backIn(leads[t.dest], from); {
		case back != nil:
			t.block(*back)
			l.commitOrNote(bounded, t.positions())
		case err == nil && t.looped() != "" && len(running[t.dest]) > 0:
			t.unblock(bounded, from, running[t.dest])
		}
	}
}

// unblock claims the topic again, and lets it be read where nobody brings it back.
func (t *topic) unblock(ctx context.Context, from *Catalog, partitions []int32) {
	l := t.link
	t.mu.Lock()
	was := t.loop
	t.loop = ""
	t.mu.Unlock()
	err := l.commit(ctx, t.positions())
	var leads map[string][]Onward
	if err == nil {
		leads, err = l.sink.Onward(ctx, map[string][]int32{t.dest: partitions})
	}
	back := t.backIn(leads[t.dest], from)
	if err != nil || back != nil {
		t.mu.Lock()
		t.loop = was
		t.mu.Unlock()
		l.commitOrNote(ctx, t.positions())
		return
	}
	l.log.Info("topic is mirrored back no more", "topic", t.name, "dest", t.dest)
	for _, p := range t.pipelines() {
		p.setLoop("")
		l.source.Wake(p)
	}
}

// positions returns where the topic's partitions stand, also where that is saved already.
func (t *topic) positions() map[TopicPartition]protocol.Position {
	positions := map[TopicPartition]protocol.Position{}
	for _, p := range t.pipelines() {
		if at, ok := p.takePosition(time.Now(), 0); ok {
			positions[p.source] = at
		}
	}
	return positions
}

// destinations returns the destination partitions of those that run.
func (t *topic) destinations() []int32 {
	var list []int32
	for _, p := range t.pipelines() {
		list = append(list, p.dest.Partition)
	}
	return list
}

func (l *Link) commitOrNote(ctx context.Context, positions map[TopicPartition]protocol.Position) {
	if len(positions) == 0 {
		return
	}
	if err := l.commit(ctx, positions); err != nil {
		l.noteSave(ctx, err)
	}
}

// noteBlind logs once why loops cannot be seen.
func (l *Link) noteBlind(ctx context.Context, err error) {
	if ctx.Err() == nil && l.note(&l.blind, err) {
		l.log.Warn("loops through another process may not be seen", "err", err)
	}
}
