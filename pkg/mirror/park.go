package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// Parked is something that is put aside because it cannot be copied: one record, or a whole batch as it was fetched.
type Parked struct {
	Link         string
	Cluster      string         // id of the source cluster, "" where it is not known
	Source, Dest TopicPartition // where it comes from, and where it would have gone
	From, To     int64          // source offsets
	LeaderEpoch  int32          // at the source, -1 when not known
	Timestamp    int64          // of the record, of a batch the greatest; ms, -1 none
	Reason       SkipReason
	Why          string
	Batch        []byte        // the whole batch, nil for a record
	Record       *batch.Record // nil for a batch
}

// ErrUnparkable is wrapped by errors of Parking that trying again cannot cure.
var ErrUnparkable = errors.New("cannot be parked")

// Parking keeps what cannot be copied.
type Parking interface {
	// Park returns nil once every in-sync replica has all of it. After an error some may be there, so that what is parked may be
	// parked twice. It is safe for concurrent use.
	Park(ctx context.Context, parked []Parked) error
}

const (
	parkAtOnce      = 4 // culprits that are parked at a time
	parkedTellEvery = time.Minute
)

// parker passes over what cannot be copied. For each culprit, one step after the other:
//
//  1. it is parked, with the acknowledgement of every in-sync replica;
//  2. the identity gets a floor behind it (protocol.Identity.Floor), by compare-and-set;
//  3. the position moves behind it and is saved;
//  4. reading goes on.
//
// The pipeline holds all the while: everything before the culprit is acknowledged, and nothing behind it is sent. That is
// what the floor is for. The culprit takes no sequence, so whoever counts the destination's records from a position before
// it would come out short of one. From the floor on nobody does. A crash before step 2 parks it once more; after it the
// next start goes on from the floor. What is not counted needs none. Nothing but a halt can come between, as all that
// takes a pipeline back to its position begins with a batch in the window.
func (l *Link) parker(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-l.parks:
			g.Go(func() { l.pass(ctx, p) })
		}
	}
}

// errSuperseded ends a pass whose pipeline was started anew, or halted, meanwhile.
var errSuperseded = errors.New("superseded")

// pass takes a pipeline's culprit through the steps, each until it works.
func (l *Link) pass(ctx context.Context, p *Pipeline) {
	ctx, cancel := during(ctx, p.tenant.life)
	defer cancel()
	c, at := p.passing()
	if c == nil {
		return
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return l.park(ctx, p, c) },
		func(ctx context.Context) error { return l.raiseFloor(ctx, p, at) },
		func(ctx context.Context) error {
			if !p.moveBehind(c, at) {
				return errSuperseded
			}
			return l.saveOne(ctx, p)
		},
	}
	for wait := startRetryMin; len(steps) > 0; {
		err := within(ctx, l.parking, startTopicTime, steps[0])
		switch {
		case err == nil:
			steps, wait = steps[1:], startRetryMin
			continue
		case ctx.Err() != nil, errors.Is(err, errSuperseded):
			return
		case errors.Is(err, ErrUnparkable):
			p.unparkable(c, err)
			return
		}
		p.passTrouble(c, err)
		l.log.Warn("bad records not parked", "topic", p.source.Topic, "partition", p.source.Partition, "offset", c.from, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, startRetryMax)
	}
	if p.passed(c, at) {
		l.source.Wake(p)
	}
}

// passing returns the culprit that waits to be passed over, nil when there is none, and the position behind it.
func (p *Pipeline) passing() (*culprit, protocol.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.culprit == nil || !p.active() || p.window.n > 0 {
		return nil, protocol.Position{}
	}
	at := p.position
	if at.Sequence != p.sequence { // it lies before records that a scan found, and that were passed over
		at = p.scanned
	}
	at.Source, at.SourceEpoch = p.culprit.to, p.culprit.epoch
	return p.culprit, at
}

// park is step 1.
func (l *Link) park(ctx context.Context, p *Pipeline, c *culprit) error {
	p.mu.Lock()
	one := Parked{Link: l.cfg.Name, Cluster: p.identity.SourceCluster, Source: p.source, Dest: p.dest, From: c.from, To: c.to,
		LeaderEpoch: c.epoch, Timestamp: c.time, Reason: c.reason, Why: c.why}
	p.mu.Unlock()
	if c.records == nil {
		one.Batch = c.raw
		return l.cfg.Parking.Park(ctx, []Parked{one})
	}
	records, err := c.records.Records(maxDecompressed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnparkable, err) // cannot be: we made the batch
	}
	all := make([]Parked, len(records))
	for i := range records {
		r := &records[i]
		r.Offset = c.from + int64(i)
		all[i] = one
		all[i].From, all[i].To, all[i].Timestamp, all[i].Record = r.Offset, r.Offset+1, r.Timestamp, r
	}
	return l.cfg.Parking.Park(ctx, all)
}

// raiseFloor is step 2.
func (l *Link) raiseFloor(ctx context.Context, p *Pipeline, at protocol.Position) error {
	p.mu.Lock()
	uncounted := p.uncounted
	p.mu.Unlock()
	if uncounted {
		return nil
	}
	return l.amend(ctx, p.source.Topic, func(ids map[int32]protocol.Identity) error {
		id, ok := ids[p.source.Partition]
		if !ok || id.ProducerID != at.ProducerID {
			return fmt.Errorf("identity of %s/%d is another one's: %w", p.source.Topic, p.source.Partition, errSuperseded)
		}
		if p.stopped() || id.Floor.ProducerID == at.ProducerID && id.Floor.Source > at.Source { // its next owner passed over more
			return fmt.Errorf("%s/%d went to another owner: %w", p.source.Topic, p.source.Partition, errSuperseded)
		}
		id.Floor = at
		ids[p.source.Partition] = id
		return nil
	})
}

// moveBehind moves the position behind c, which is step 3 without the save. It returns false when c is not the culprit any
// more.
func (p *Pipeline) moveBehind(c *culprit, at protocol.Position) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.culprit != c || !p.active() {
		return false
	}
	p.position = at
	if !p.uncounted {
		p.identity.Floor = at
	}
	return true
}

// passed is step 4.
func (p *Pipeline) passed(c *culprit, at protocol.Position) bool {
	p.mu.Lock()
	defer p.unlock()
	if p.culprit != c || !p.active() {
		return false
	}
	p.tally.skip(c.reason, c.number())
	p.tellParked(c, time.Now())
	p.rewind(at)
	return true
}

// tellParked tells of the first culprit at once, and of those that follow once a minute, with their number: there may be
// millions, and each stands in the topic.
func (p *Pipeline) tellParked(c *culprit, now time.Time) {
	if !p.parkedTold.IsZero() && now.Sub(p.parkedTold) < parkedTellEvery {
		p.parkedUntold += c.number()
		return
	}
	text := c.why
	if p.parkedUntold > 0 {
		text += fmt.Sprintf("; %d more were parked since the last such event", p.parkedUntold)
	}
	p.note(Event{Kind: EventParked, Cause: c.cause, Text: text, Loss: newLoss(c.from, c.to), ResumesAt: c.to})
	p.parkedTold, p.parkedUntold = now, 0
}

func (p *Pipeline) passTrouble(c *culprit, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.culprit == c {
		c.trouble = err.Error()
	}
}

// unparkable halts the partition at c after all.
func (p *Pipeline) unparkable(c *culprit, err error) {
	p.mu.Lock()
	defer p.unlock()
	if p.culprit != c || !p.active() {
		return
	}
	c.reason, c.why = "", fmt.Sprintf("%s; it cannot be parked either: %v", c.why, err)
	p.culprit = nil
	p.spoil(c)
}
