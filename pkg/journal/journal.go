// Package journal keeps the events of one mirror process on disk: losses and halts, what operators did about them, and
// when the process ran. It never stands in the way of copying: who records an event does not wait for the disk. Only an
// operator's action waits, because it must be known before it is done.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Limits of the journal.
const (
	// maxFileBytes is the size at which a file is put aside; there are two files at most.
	maxFileBytes = 4 << 20
	// maxHeldBytes bounds the events that wait for a disk that does not take them.
	maxHeldBytes = 4 << 20
	// eventBytes is about what an event takes beside its text.
	eventBytes = 512
	// retryEvery is how often a disk that refused is tried again.
	retryEvery = time.Second
)

// Journal is the events of one process. Create with New. Safe for concurrent use. The directory must be this process's
// alone.
type Journal struct {
	dir     string
	log     *slog.Logger
	maxSize int64 // of a file

	wake chan struct{} // holds one: there is something to write

	mu      sync.Mutex
	queue   []entry // guarded by mu; in the order they happened
	waiting int     // guarded by mu: events that are not known to be on disk, those of queue included
	held    int     // guarded by mu: about the bytes of these
	dropped int64   // guarded by mu: since the process began
	untold  int64   // guarded by mu: of dropped, those that no event tells of yet
	failure error   // guarded by mu: why the last write failed, nil when it did not
	last    uint64  // guarded by mu: the newest id on disk; 0 before the first write
	closed  bool    // guarded by mu: Run has ended

	out file // owned by Run
}

// entry is an event on its way to the disk.
type entry struct {
	event Event
	done  chan<- error // told once whether it is on disk; nil: nobody waits. It has room
}

func (e entry) size() int { return eventBytes + len(e.event.Text) }

// New returns the journal in dir. Nothing is read or written before Run.
func New(dir string, log *slog.Logger) *Journal {
	return &Journal{dir: dir, log: log, maxSize: maxFileBytes, wake: make(chan struct{}, 1), out: file{dir: dir}}
}

// Add takes an event and returns; it never blocks. What is added after Run has ended is not kept. When the disk refuses
// for so long that there is no room any more, the event is dropped, counted, and told of by a later one.
func (j *Journal) Add(e Event) { _ = j.enqueue(entry{event: e}) }

// AddNow takes an event and returns when it is on disk, whatever happens to the host afterwards. On an error it is not
// certain to be there, and is not tried again.
func (j *Journal) AddNow(ctx context.Context, e Event) error {
	done := make(chan error, 1) // one answer, which may come after nobody waits for it
	if err := j.enqueue(entry{e, done}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("write %s into the journal in %s: %w", e.Kind, j.dir, context.Cause(ctx))
	}
}

var (
	errFull   = errors.New("too many events wait for the disk")
	errClosed = errors.New("the journal is closed")
)

func (j *Journal) enqueue(e entry) error {
	if e.event.Time.IsZero() {
		e.event.Time = time.Now()
	}
	e.event.Time, e.event.Text = e.event.Time.UTC().Round(time.Millisecond), clip(e.event.Text)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return errClosed
	case j.held+e.size() > maxHeldBytes:
		j.dropped++
		j.untold++
		return fmt.Errorf("write the journal in %s: %w", j.dir, errors.Join(errFull, j.failure))
	}
	j.queue = append(j.queue, e)
	j.waiting, j.held = j.waiting+1, j.held+e.size()
	select {
	case j.wake <- struct{}{}:
	default: // it is awake
	}
	return nil
}

// Stats is how the journal fares.
type Stats struct {
	Waiting int   // events that are not on disk yet; stays above 0 only while the disk refuses them
	Dropped int64 // events that were never written, for want of room
}

// Stats returns the present state.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{Waiting: j.waiting, Dropped: j.dropped}
}

// Run writes events until ctx ends, then those that are left. It returns nil: a journal that cannot be written is logged
// and shows in Stats, and the copying goes on. Call it once.
func (j *Journal) Run(ctx context.Context) error {
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-j.wake:
			j.flush()
		case <-retry.C:
			if j.Stats().Waiting > 0 {
				j.flush()
			}
		}
	}
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.flush()
	j.abandon()
	return j.out.close()
}

// flush writes all that is queued.
func (j *Journal) flush() {
	j.mu.Lock()
	batch := j.queue
	j.queue = nil
	if j.untold > 0 {
		batch = append(batch, entry{event: Event{Time: time.Now().UTC(), Kind: KindDropped, Text: fmt.Sprintf("%d events were not kept", j.untold)}})
	}
	told := j.untold
	j.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	err := j.out.write(batch, j.maxSize)
	j.mu.Lock()
	changed := (err == nil) != (j.failure == nil)
	j.failure = err
	if err == nil {
		j.last, j.untold = j.out.last, j.untold-told
	} else {
		j.queue = append(unasked(batch, told > 0), j.queue...)
	}
	j.count()
	j.mu.Unlock()
	answer(batch, err)
	switch {
	case err != nil && changed:
		j.log.Error("journal not written; copying goes on", "dir", j.dir, "err", err)
	case changed:
		j.log.Info("journal written again", "dir", j.dir)
	}
}

// count takes stock of what waits, once nothing is being written.
func (j *Journal) count() {
	j.waiting, j.held = len(j.queue), 0
	for _, e := range j.queue {
		j.held += e.size()
	}
}

// unasked returns the entries to try again: nobody waits for them, and they are not about this very trouble.
func unasked(batch []entry, told bool) []entry {
	if told {
		batch = batch[:len(batch)-1]
	}
	var again []entry
	for _, e := range batch {
		if e.done == nil {
			again = append(again, e)
		}
	}
	return again
}

// answer tells those who wait.
func answer(batch []entry, err error) {
	for _, e := range batch {
		if e.done != nil {
			e.done <- err
		}
	}
}

// abandon gives up what the disk did not take.
func (j *Journal) abandon() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) > 0 {
		j.log.Error("events not kept", "dir", j.dir, "events", len(j.queue), "err", j.failure)
	}
	j.queue = nil
	j.count()
}
