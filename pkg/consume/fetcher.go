package consume

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

const (
	readStep       = 512 << 10        // of reading and sealing: well inside a core's own cache
	fetchPatience  = 15 * time.Second // beyond what the request lets the broker wait
	piecePatience  = 10 * time.Second // between two looks at whether a response is still arriving
	arrivedIn      = 50 * time.Millisecond
	outstanding    = 3 // responses under way at which reading pauses: more of them find memory cold
	outstandingFor = 100 * time.Millisecond
	smallResponse  = 256 << 10              // does not count as outstanding
	slowResponse   = 100 * time.Millisecond // what has arrived of it by then is handed on, and again after as long
	maxFrameBytes  = 1 << 30
)

// fetcher is one connection of a lane with one fetch under way at a time. Its goroutine reads each response into a buffer
// and has every batch sealed as soon as its last byte is there, while it is in the core's cache.
type fetcher struct {
	lane   *lane
	cold   bool
	wake   chan struct{} // holds one: there may be something to fetch
	intake *mirror.Intake
	under  chan struct{} // one element per response whose buffer is not free yet, at most outstanding

	conn    *kafka.Conn
	encoder fetchEncoder
	asked   []asked
	walker  walker
	pace    pace
	partial int   // bytes a partition may take of a response
	reserve int64 // of the budget, per fetch: the responses' greatest size, twice that while batches are being rewritten
	muted   time.Time
	pausing time.Time // before it no fetch is sent
}

func newFetcher(l *lane, cold bool) *fetcher {
	return &fetcher{lane: l, cold: cold, pace: newPace(), wake: make(chan struct{}, 1), intake: mirror.NewIntake(l.source.budget),
		under: make(chan struct{}, outstanding)}
}

// run fetches until ctx ends, on one connection after the other.
func (f *fetcher) run(ctx context.Context) {
	var backoff kafka.Backoff
	for ctx.Err() == nil {
		begun := time.Now()
		err := f.session(ctx)
		if f.conn != nil {
			_ = f.conn.Close() // the session's error is the one to tell
			f.conn = nil
		}
		if ctx.Err() != nil {
			return
		}
		l := f.lane
		l.source.log.Info("fetch connection ended", "broker", l.broker, "cold", f.cold, "err", err)
		l.tell(fmt.Errorf("fetch from broker %d of %s: %w", l.broker, l.source.cluster.Name(), err))
		if f.cold {
			l.thaw()
		}
		l.source.Refresh()
		if time.Since(begun) > time.Second {
			backoff.Reset()
		}
		if !l.source.router.Pause(ctx, backoff.Next(), l.all) {
			return
		}
	}
}

// session fetches until the connection breaks. It dials when there is something to ask for.
func (f *fetcher) session(ctx context.Context) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		if err := f.next(ctx); err != nil {
			return err
		}
		if now := f.asked[0].leader.Address; f.conn != nil && f.conn.Addr() != now {
			return fmt.Errorf("broker listens at %s now", now) // what answers at the old address leads nothing
		}
		if f.conn == nil {
			conn, err := f.dial(ctx)
			if err != nil {
				return err
			}
			context.AfterFunc(work, func() { _ = conn.Close() }) // unblocks reads at the end of ctx
			f.conn = conn
		}
		if err := f.fetch(ctx); err != nil {
			return err
		}
	}
}

func (f *fetcher) dial(ctx context.Context) (*kafka.Conn, error) {
	return f.lane.source.cluster.Dial(ctx, f.asked[0].leader.Address)
}

// next waits until there is something to ask for.
func (f *fetcher) next(ctx context.Context) error {
	for {
		f.asked, f.encoder.wait = f.lane.collect(f.asked[:0], f.cold, time.Now())
		f.lane.followStrays()
		pause := time.Until(f.pausing)
		if len(f.asked) > 0 && pause <= 0 {
			return nil
		}
		if len(f.asked) == 0 {
			pause = min(f.encoder.wait, time.Second)
		}
		f.intake.Kick()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-f.wake:
		case <-time.After(pause):
		}
	}
}

// fetch sends one request and takes in its response.
func (f *fetcher) fetch(ctx context.Context) error {
	if err := f.conn.Reauthenticate(); err != nil {
		return err
	}
	buf, err := f.buffer(ctx)
	if err != nil {
		return err
	}
	defer buf.Release()
	if err := f.send(); err != nil {
		return err
	}
	f.intake.Kick() // after the next fetch has been sent: the broker reads its log while the lanes write
	if err := f.receive(buf); err != nil {
		return fmt.Errorf("read fetch response: %w", err)
	}
	return f.settle()
}

// buffer takes a buffer for the response. While the destination is slower than the source, three responses under way
// are enough; a partition that is stuck must not stop the others for that, so the wait is bounded, and the budget decides.
func (f *fetcher) buffer(ctx context.Context) (*mirror.Buffer, error) {
	f.size()
	freed := func() {}
	select {
	case f.under <- struct{}{}:
		freed = func() { <-f.under }
	default:
		f.intake.Kick()
		defer f.holdBack()()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case f.under <- struct{}{}:
			freed = func() { <-f.under }
		case <-time.After(outstandingFor):
		}
	}
	budget := f.lane.source.budget
	if buf := budget.TryTake(f.reserve, freed); buf != nil {
		return buf, nil
	}
	f.intake.Kick()
	defer f.holdBack()()
	buf, err := budget.Take(ctx, f.reserve, freed)
	if err != nil {
		freed()
	}
	return buf, err
}

// holdBack notes that the links of what is asked for wait for memory, until the function that it returns is called.
func (f *fetcher) holdBack() (goAhead func()) {
	var waiting []*mirror.Link
	for i := range f.asked {
		if link := f.asked[i].e.p.Link(); !slices.Contains(waiting, link) {
			waiting = append(waiting, link)
			link.HoldBack(mirror.SideSource)
		}
	}
	return func() {
		for _, link := range waiting {
			link.GoAhead(mirror.SideSource)
		}
	}
}

// size decides how much to ask for.
func (f *fetcher) size() {
	response := f.response()
	largest := 0
	for i := range f.asked {
		largest = max(largest, int(f.asked[i].e.largest.Load()))
	}
	f.partial = min(response, max(minPartitionBytes, batchesPerFetch*largest))
	f.encoder.responseBytes, f.encoder.partitionBytes = response, f.partial
	f.reserve = max(f.reserve, int64(response))
}

// response is how many bytes a response may bring.
func (f *fetcher) response() int {
	if f.cold {
		return min(coldResponseBytes, f.pace.fits)
	}
	return min(f.lane.source.responseBytes(), f.pace.fits)
}

func (f *fetcher) send() error {
	return f.conn.WriteVec([][]byte{f.encoder.request(f.asked, f.conn.MaxVersion(fetchKey))}, fetchPatience)
}

// settle deals with what the response said beside its batches.
func (f *fetcher) settle() error {
	response := int64(f.response())
	f.reserve = response
	if f.intake.Done() {
		f.reserve = 2 * response
	}
	now := time.Now()
	if f.walker.throttle > 0 {
		f.muted = now.Add(f.walker.throttle)
	}
	if len(f.asked) > manyPartitions {
		f.pausing = now.Add(crowdPause)
	}
	if err := kafka.ErrorCode(f.walker.code); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	for i := range f.asked {
		if f.asked[i].failed != 0 {
			f.lane.refused(&f.asked[i], now)
		}
	}
	return nil
}

// taker hands a response's batches to the pipelines.
type taker struct {
	f   *fetcher
	buf *mirror.Buffer
	at  int // place in asked of the partition being taken in, -1 none
}
