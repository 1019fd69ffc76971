package mirror

import (
	"context"
	"fmt"
	"time"
)

const (
	heldPatience = 10 * time.Second // transactions that end within it are not worth a word
	heldAskEvery = 30 * time.Second // who holds back is asked again where there was no answer
)

// OpenTransaction is the oldest open transaction of a source partition. A reader of committed records sees nothing from its
// first record on until it ends.
type OpenTransaction struct {
	ProducerID      int64
	First           int64     // offset of its first record: the last stable offset of the partition
	TransactionalID string    // "" unknown
	Began           time.Time // zero when unknown
}

// hold follows a last stable offset that stands below the high watermark.
type hold struct {
	stable, high int64
	since        time.Time // since when stable is seen to stand there; zero while nothing is held back
	asked        time.Time
	known        bool // by was answered
	by           OpenTransaction
	trouble      string // why it is not known, "" when nobody knows of a transaction
}

// see takes in what a fetch said.
func (h *hold) see(stable, high int64, now time.Time) {
	switch {
	case stable >= high:
		*h = hold{}
	case h.since.IsZero() || h.stable != stable:
		*h = hold{stable: stable, high: high, since: now}
	default:
		h.high = high
	}
}

// lasts says whether it has stood long enough to be told.
func (h *hold) lasts(now time.Time) bool {
	return !h.since.IsZero() && now.Sub(h.since) > heldPatience
}

// text tells who holds back how much.
func (h *hold) text() string {
	began, who := "at least "+h.since.UTC().Format(time.RFC3339), ""
	if h.known {
		who = fmt.Sprintf(" of producer id %d", h.by.ProducerID)
		if h.by.TransactionalID != "" {
			who += fmt.Sprintf(" (transactional id %s)", h.by.TransactionalID)
		}
		if !h.by.Began.IsZero() {
			began = h.by.Began.UTC().Format(time.RFC3339)
		}
	} else if h.trouble != "" {
		who = fmt.Sprintf(" of a producer that is not known (%s)", h.trouble)
	}
	return fmt.Sprintf("open transaction since %s%s: the %d offsets from %d on are held back until it ends", began, who, h.high-h.stable, h.stable)
}

// askHeld finds out whose transactions hold a topic's partitions back.
func (l *Link) askHeld(ctx context.Context, t *topic) {
	now := time.Now()
	list, held := t.those(func(p *Pipeline) bool { return p.unexplained(now) })
	if len(list) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	open, err := l.source.OpenTransactions(bounded, t.name, held)
	for _, p := range list {
		p.explain(open[p.source.Partition], err)
	}
}

// unexplained says whether to ask who holds p back, and notes that it is asked.
func (p *Pipeline) unexplained(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active() || p.hold.known || !p.hold.lasts(now) || now.Sub(p.hold.asked) < heldAskEvery {
		return false
	}
	p.hold.asked = now
	return true
}

// explain takes in the answer. A transaction that begins elsewhere is not the one that was asked for.
func (p *Pipeline) explain(o OpenTransaction, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold.trouble = ""
	switch {
	case err != nil:
		p.hold.trouble = err.Error()
	case o.First == p.hold.stable && o != (OpenTransaction{}):
		p.hold.known, p.hold.by = true, o
	}
}
