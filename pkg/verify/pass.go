package verify

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// job is a part of a log to be read.
type job struct {
	unit   *unit
	log    *log
	within span
	take   func(d *digester, r *record) error
}

// read does jobs, several at a time and the largest first.
func (v *Verifier) read(ctx context.Context, phase string, jobs []job) error {
	slices.SortStableFunc(jobs, func(a, b job) int { return cmp.Compare(b.within.size(), a.within.size()) })
	v.progress.begin(phase, jobs)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, min(v.cfg.Workers, len(jobs)))
	for i := range errs {
		wg.Go(func() {
			s := newScanner(func(n int) { v.progress.bytes.Add(int64(n)) })
			defer s.close()
			d := newDigester(v.secret)
			for {
				k := int(next.Add(1)) - 1
				if k >= len(jobs) {
					return
				}
				if errs[i] = v.do(ctx, s, d, jobs[k]); errs[i] != nil {
					cancel(errs[i])
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// do reads one part. That retention overtakes the reading makes the log incomparable, and is no error.
func (v *Verifier) do(ctx context.Context, s *scanner, d *digester, j job) error {
	at := j.within.from
	visitor := visit{
		record: func(r *record) error {
			if n := r.offset - at; n >= 1024 {
				v.progress.done.Add(n)
				at = r.offset
			}
			v.progress.records.Add(1)
			return j.take(d, r)
		},
		corrupt: func(c *corrupt) { v.unreadable(j.log, c) },
	}
	err := s.scan(ctx, j.log.site, j.log.tp, j.within, j.log.level, visitor)
	if errors.Is(err, errOverrun) {
		v.overran(j.log, err)
		err = nil
	}
	v.progress.done.Add(max(0, j.within.to-at))
	return err
}

// overran notes that a log lost records while it was read.
func (v *Verifier) overran(l *log, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l.overrun = err
}

// unreadable notes a batch that could not be read, once.
func (v *Verifier) unreadable(l *log, c *corrupt) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.ContainsFunc(l.corrupt, func(known *corrupt) bool { return known.base == c.base }) {
		l.corrupt = append(l.corrupt, c)
	}
}

// wanted says whether a record is in the range of time that is compared.
func (v *Verifier) wanted(u *unit, r *record) bool {
	return r.timestamp >= u.since &&
		(v.cfg.Since.IsZero() || r.timestamp >= v.cfg.Since.UnixMilli()) &&
		(v.cfg.Until.IsZero() || r.timestamp < v.cfg.Until.UnixMilli())
}

// digest returns the fingerprint of a record that is compared; ok is false for the others, of which account is kept.
func (v *Verifier) digest(u *unit, l *log, d *digester, r *record) (p print128, ok bool) {
	switch {
	case r.aborted:
		return p, false
	case !v.wanted(u, r):
		l.skipped++
		return p, false
	}
	p, err := d.record(r)
	if err != nil {
		v.unreadable(l, &corrupt{r.offset, r.offset, err})
		return p, false
	}
	return p, true
}

// tally returns what adds the records of a log to one of its series.
func (v *Verifier) tally(u *unit, l *log, into *series) func(*digester, *record) error {
	streams := u.byProducer && l.source < 0
	producer, before := int64(0), l.stream(0)
	return func(d *digester, r *record) error {
		p, ok := v.digest(u, l, d, r)
		if !ok {
			return nil
		}
		if streams && r.producer != producer {
			producer, before = r.producer, l.stream(r.producer)
		}
		into.add(p, r, len(r.key)+len(r.value)+len(r.headers), link(*before, p))
		*before = p
		return nil
	}
}

// stream returns the place of the last record of a stream.
func (l *log) stream(producer int64) *print128 {
	last := l.streams[producer]
	if last == nil {
		last = &print128{}
		l.streams[producer] = last
	}
	return last
}

// readBoth sums up the sources up to the ends noted first, and the destination up to its end now.
func (v *Verifier) readBoth(ctx context.Context, units []*unit) error {
	var jobs []job
	for _, u := range units {
		if u.compacted {
			continue
		}
		for _, l := range slices.Concat(u.sources, u.destinations) {
			jobs = append(jobs, job{u, l, l.within, v.tally(u, l, l.held)})
		}
	}
	return v.read(ctx, "reading", jobs)
}

// readMore follows the destination's growth.
func (v *Verifier) readMore(ctx context.Context, units []*unit) (grown bool, err error) {
	ends, err := v.ask(ctx, units, false, true, atEnd)
	if err != nil {
		return false, err
	}
	var jobs []job
	for _, u := range units {
		for _, l := range u.destinations {
			if ends[l] <= l.within.to {
				continue
			}
			grown = true
			if !u.compacted {
				jobs = append(jobs, job{u, l, span{l.within.to, ends[l]}, v.tally(u, l, l.held)})
			}
			l.within.to = ends[l]
		}
	}
	return grown, v.read(ctx, "waiting", jobs)
}

// readLater sums up what the sources got since their ends were noted: any of it may be at the destination.
func (v *Verifier) readLater(ctx context.Context, units []*unit) error {
	ends, err := v.ask(ctx, units, true, false, atEnd)
	if err != nil {
		return err
	}
	var jobs []job
	for _, u := range units {
		for _, l := range u.sources {
			if ends[l] <= l.within.to {
				continue
			}
			if !u.compacted {
				jobs = append(jobs, job{u, l, span{l.within.to, ends[l]}, v.tally(u, l, l.later)})
			}
			l.within.to = ends[l]
		}
	}
	return v.read(ctx, "reading", jobs)
}

// Progress is how far a comparison is.
type Progress struct {
	Phase       string // aligning, reading, waiting, comparing
	Done, Total int64  // offsets of this phase
	Records     int64  // read in all phases, those that were not compared too
	Bytes       int64  // of responses
	Elapsed     time.Duration
	PhaseTime   time.Duration
}

type progress struct {
	done, total, records, bytes atomic.Int64

	mu           sync.Mutex
	phase        string    // guarded by mu
	begun, since time.Time // guarded by mu: of the comparison and the phase
}

func (p *progress) begin(phase string, jobs []job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.begun.IsZero() {
		p.begun = now
	}
	total := int64(0)
	for _, j := range jobs {
		total += j.within.size()
	}
	p.phase, p.since = phase, now
	p.done.Store(0)
	p.total.Store(total)
}

// Progress may be called at any time.
func (v *Verifier) Progress() Progress {
	p := &v.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	now := Progress{Phase: p.phase, Done: p.done.Load(), Total: p.total.Load(), Records: p.records.Load(), Bytes: p.bytes.Load()}
	if !p.begun.IsZero() {
		now.Elapsed, now.PhaseTime = time.Since(p.begun), time.Since(p.since)
	}
	return now
}
