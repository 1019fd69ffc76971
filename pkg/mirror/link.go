package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/pkg/batch"
)

// Mapping says which destination partition a source partition goes to.
type Mapping string

// Mappings.
const (
	Same   Mapping = "same"   // p to p; the destination is grown when it is short
	Spread Mapping = "spread" // (hash(source cluster, link, topic) + p) mod N, for many small sources into one topic
)

// LinkConfig is one link.
type LinkConfig struct {
	Name        string
	From, To    string                             // names of the clusters, for people
	Match       func(topic string) bool            // which source topics are mirrored
	Rename      func(topic string) (string, error) // name at the destination
	Create      bool                               // create and grow destination topics
	Replicas    int                                // of created topics; -1: the destination's default
	Mapping     Mapping                            //
	Latest      bool                               // begin a partition without position at its end, not at its start
	Codec       batch.Codec                        // with Recompress: what batches are written with
	Recompress  bool                               // else the source's codec is kept
	AtLeastOnce bool                               // guarantee: at-least-once
	Drain       time.Duration                      // how long a stop waits for acknowledgements
	Parking     Parking                            // where records go that cannot be copied; nil: their partition halts
}

// Times of a link.
const (
	saveEvery      = time.Second      // positions
	saveIdleEvery  = time.Hour        // unchanged positions: a group forgets them after offsets.retention.minutes
	saveTimeout    = 10 * time.Second //
	tickEvery      = 500 * time.Millisecond
	limitsEvery    = 5 * time.Minute // destination limits are read again
	startRetryMin  = 200 * time.Millisecond
	startRetryMax  = 5 * time.Second
	startAtOnce    = 8 // topics that are started at a time
	drainPoll      = 5 * time.Millisecond
	defaultDrain   = 30 * time.Second
	startTopicTime = 20 * time.Second
)

// Link mirrors the matching topics of one cluster to another.
type Link struct {
	cfg        LinkConfig
	source     Source
	sink       Sink
	store      Store
	lease      Lease
	events     Events
	log        *slog.Logger
	codec      batch.Codec
	recompress bool

	restarts  chan *Pipeline // buffered for all pipelines there can be at once; see restart
	suspects  chan *Pipeline // the same; see suspect
	foretells chan *Pipeline // the same; see foreteller
	parks     chan *Pipeline // the same; see parker
	launched  chan struct{}  // holds one: partitions were started; see watchLoops
	limitsDue atomic.Bool    // a destination's limit was found to be another than was read

	mu       sync.Mutex
	topics   map[string]*topic // guarded by mu
	problem  string            // guarded by mu: why no topics are known
	lastSave time.Time         // guarded by mu
	saveErr  string            // guarded by mu
	blind    string            // guarded by mu: why it is not seen who else reads the destination, "" when it is
}

// NewLink returns a link that is not running.
func NewLink(cfg LinkConfig, source Source, sink Sink, store Store, lease Lease, events Events, log *slog.Logger) *Link {
	if cfg.Drain == 0 {
		cfg.Drain = defaultDrain
	}
	return &Link{cfg: cfg, source: source, sink: sink, store: store, lease: lease, events: events, log: log.With("link", cfg.Name),
		codec: cfg.Codec, recompress: cfg.Recompress, restarts: make(chan *Pipeline, 1<<16), suspects: make(chan *Pipeline, 1<<16),
		foretells: make(chan *Pipeline, 1<<16), parks: make(chan *Pipeline, 1<<16), launched: make(chan struct{}, 1), topics: map[string]*topic{}}
}

// GroupPrefix is what the groups of all links begin with.
const GroupPrefix = "mirror."

// Group is the consumer group at the source that holds the positions.
func (l *Link) Group() string { return GroupPrefix + l.cfg.Name }

func (l *Link) atLeastOnce() bool { return l.cfg.AtLeastOnce }

func (l *Link) codeName(code int16) string { return l.sink.CodeName(code) }

// Run mirrors until ctx ends, then drains: it stops reading, waits for what is in flight, and saves the positions.
func (l *Link) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	wg.Go(func() { l.saver(work) })
	wg.Go(func() { l.restarter(work) })
	wg.Go(func() { l.foreteller(work) })
	wg.Go(func() { l.parker(work) })
	wg.Go(func() { l.ticker(work) })
	wg.Go(func() { l.looker(work) })
	wg.Go(func() { l.watchPolicies(work) })
	wg.Go(func() { l.checker(work) })
	wg.Go(func() { l.examiner(work) })
	wg.Go(func() { l.watchLoops(work) })
	l.reconciler(ctx)
	err := l.drain()
	cancel()
	wg.Wait()
	return errors.Join(err, l.finish())
}

// reconciler starts what matches and is not running yet, whenever a cluster's topics change.
func (l *Link) reconciler(ctx context.Context) {
	retry := startRetryMin
	for {
		from, fromChanged, fromErr := l.source.Catalog()
		to, toChanged, toErr := l.sink.Catalog()
		var again <-chan time.Time
		err := errors.Join(fromErr, toErr)
		if from != nil && to != nil {
			if startErr := l.reconcile(ctx, from, to); startErr != nil {
				err = errors.Join(err, startErr)
				again = time.After(retry)
				retry = min(2*retry, startRetryMax)
			} else {
				retry = startRetryMin
			}
		}
		l.noteProblem(ctx, err)
		select {
		case <-ctx.Done():
			return
		case <-fromChanged:
		case <-toChanged:
		case <-again:
		}
	}
}

// noteProblem keeps the newest reason why topics cannot be started or found, and logs a new one once.
func (l *Link) noteProblem(ctx context.Context, err error) {
	if ctx.Err() != nil {
		err = nil
	}
	l.note(&l.problem, err, "topics not all started")
}

// note keeps the newest error of a kind in text, which is guarded by mu, and logs a new one once.
func (l *Link) note(text *string, err error, message string) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	l.mu.Lock()
	changed := *text != now
	*text = now
	l.mu.Unlock()
	if changed && now != "" {
		l.log.Warn(message, "err", now)
	}
}

// reconcile compares the topics there are with those running.
func (l *Link) reconcile(ctx context.Context, from, to *Catalog) error {
	if from.Cluster != "" && from.Cluster == to.Cluster {
		return fmt.Errorf("%s and %s are the same cluster, with the id %s; a cluster cannot be mirrored into itself: correct the addresses of one of them", l.cfg.From, l.cfg.To, from.Cluster)
	}
	var g errgroup.Group
	g.SetLimit(startAtOnce)
	var mu sync.Mutex
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(from.Topics)) {
		if !l.cfg.Match(name) {
			continue
		}
		t, err := l.topic(name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		t.check(from, to)
		if t.running() >= from.Topics[name].Partitions {
			continue
		}
		g.Go(func() error {
			bounded, cancel := context.WithTimeout(ctx, startTopicTime)
			defer cancel()
			if err := t.start(bounded, from, to); err != nil {
				t.fail(err)
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Errorf("start topic %s: %w", name, err))
				return nil
			}
			t.fail(nil)
			return nil
		})
	}
	_ = g.Wait() // its functions return nil
	l.checkGone(from)
	return errors.Join(failed...)
}

// checkGone marks the partitions of topics that the source does not have any more.
func (l *Link) checkGone(from *Catalog) {
	for _, t := range l.all() {
		if _, ok := from.Topics[t.name]; !ok {
			for _, p := range t.pipelines() {
				p.SourceTrouble("topic is gone at " + l.cfg.From + ", or the right to DESCRIBE it")
			}
		}
	}
}

func (l *Link) topic(name string) (*topic, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[name]
	if t == nil {
		dest, err := l.cfg.Rename(name)
		if err != nil {
			return nil, err
		}
		t = &topic{link: l, name: name, dest: dest}
		l.topics[name] = t
	}
	return t, nil
}

// all returns the topics in order of name.
func (l *Link) all() []*topic {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*topic, 0, len(l.topics))
	for _, name := range slices.Sorted(maps.Keys(l.topics)) {
		list = append(list, l.topics[name])
	}
	return list
}

// ticker gives back the memory of partitions that cannot send, and keeps the destination's limits current.
func (l *Link) ticker(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	limitsAt := time.Now().Add(limitsEvery)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, t := range l.all() {
				for _, p := range t.pipelines() {
					if p.shed(now) || p.turned() {
						l.sink.Attach(p)
					}
				}
			}
			if l.limitsDue.Swap(false) || now.After(limitsAt) {
				limitsAt = now.Add(limitsEvery)
				l.refreshLimits(ctx)
			}
		}
	}
}

func (l *Link) refreshLimits(ctx context.Context) {
	for _, t := range l.all() {
		bounded, cancel := context.WithTimeout(ctx, saveTimeout)
		limits, err := l.sink.Limits(bounded, t.dest)
		cancel()
		if err != nil {
			l.log.Warn("destination limits not read again", "topic", t.dest, "err", err)
			continue
		}
		for _, p := range t.pipelines() {
			p.SetLimits(limits)
		}
	}
}
