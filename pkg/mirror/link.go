package mirror

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
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
	Match       func(topic string) bool            // which source topics are mirrored; see Link.SetMatch
	Rename      func(topic string) (string, error) // name at the destination
	Create      bool                               // create and grow destination topics
	Replicas    int                                // of created topics; -1: the destination's default
	Mapping     Mapping                            //
	Latest      bool                               // begin a partition without position at its end, not at its start
	Codec       batch.Codec                        // with Recompress: what batches are written with
	Recompress  bool                               // else the source's codec is kept
	AtLeastOnce bool                               // guarantee: at-least-once
	Drain       time.Duration                      // how long a stop waits for acknowledgements
	Answered    func(took time.Duration)           // is told of each answer to a produce request, by lanes: it must be quick; nil: nobody is
	Equal       Equal                              // settings of topics that are kept equal
	Rate        int64                              // bytes per second to the destination, 0: no limit; see Link.SetRate
	Parking     Parking                            // where records go that cannot be copied; nil: their partition halts
}

// Times of a link.
const (
	saveEvery     = time.Second      // positions
	saveIdleEvery = time.Hour        // unchanged positions: a group forgets them after offsets.retention.minutes
	saveTimeout   = 10 * time.Second //
	tickEvery     = 500 * time.Millisecond
	limitsEvery   = 5 * time.Minute // destination limits are read again
)

// Link mirrors the matching topics of one cluster to another.
type Link struct {
	cfg        LinkConfig
	source     Source
	sink       Sink
	store      Store
	own        Ownership
	events     Events
	log        *slog.Logger
	codec      batch.Codec
	recompress bool

	restarts  chan *Pipeline // buffered for all pipelines there can be at once; see restart
	suspects  chan *Pipeline // the same; see suspect
	foretells chan *Pipeline // the same; see foreteller
	parks     chan *Pipeline // the same; see parker
	launched  chan struct{}  // holds one: partitions were started; see watchLoops
	equalDue  chan struct{}  // holds one: the same; see equaliser
	limitsDue atomic.Bool    // a destination's limit was found to be another than was read
	match     atomic.Pointer[func(topic string) bool]
	rematched chan struct{}                        // holds one: match is another
	pauses    atomic.Pointer[map[string]time.Time] // by topic; see SetPauses

	settings    settings
	starts      chan struct{} // places of starts under way
	makes       chan struct{} // the same for starts that make something
	restarting  chan struct{} // the same for partitions that are started anew,
	examining   chan struct{} // looked into,
	parking     chan struct{} // let pass over what is parked,
	foretelling chan struct{} // and topics whose leader epochs are stored
	policyReads *gatherer[string, map[string]Policy]
	limitReads  *gatherer[string, map[string]Limits]
	loads       *gatherer[wantedPositions, map[TopicPartition]Loaded]
	commits     *gatherer[map[TopicPartition]protocol.Position, struct{}]
	creates     *gatherer[NewTopic, map[string]error]
	looks       *gatherer[wantedLeads, map[string][]Onward]

	flow      flowCounts
	allowance allowance
	queued    atomic.Int64 // bytes in the windows of all pipelines

	mu        sync.Mutex
	topics    map[string]*topic // guarded by mu
	problem   string            // guarded by mu: why no topics are known
	lastSave  time.Time         // guarded by mu
	saveErr   string            // guarded by mu
	limitsErr string            // guarded by mu
	equalErr  string            // guarded by mu: why settings that are kept equal could not be compared
	blind     string            // guarded by mu: why it is not seen who else reads the destination, "" when it is
}

// NewLink returns a link that is not running. own says what of the matching topics it mirrors.
func NewLink(cfg LinkConfig, source Source, sink Sink, store Store, own Ownership, events Events, log *slog.Logger) *Link {
	if cfg.Drain == 0 {
		cfg.Drain = defaultDrain
	}
	l := &Link{cfg: cfg, source: source, sink: sink, store: store, own: own, events: events, log: log.With("link", cfg.Name),
		codec: cfg.Codec, recompress: cfg.Recompress, restarts: make(chan *Pipeline, 1<<16), suspects: make(chan *Pipeline, 1<<16),
		foretells: make(chan *Pipeline, 1<<16), parks: make(chan *Pipeline, 1<<16), launched: make(chan struct{}, 1), equalDue: make(chan struct{}, 1), rematched: make(chan struct{}, 1), topics: map[string]*topic{},
		settings: settings{policies: map[string]reading[Policy]{}, limits: map[string]reading[Limits]{}},
		starts:   make(chan struct{}, startAtOnce), makes: make(chan struct{}, makeAtOnce),
		restarting: make(chan struct{}, restartAtOnce), examining: make(chan struct{}, examineAtOnce),
		parking: make(chan struct{}, parkAtOnce), foretelling: make(chan struct{}, foretellAtOnce)}
	l.match.Store(&cfg.Match)
	l.allowance.set(cfg.Rate, time.Now())
	l.policyReads = newGatherer(saveTimeout, l.readPolicies)
	l.limitReads = newGatherer(saveTimeout, l.readLimits)
	l.loads = newGatherer(saveTimeout, l.loadAll)
	l.commits = newGatherer(saveTimeout, l.commitAll)
	l.creates = newGatherer(startTopicTime, l.createAll)
	l.looks = newGatherer(loopTimeout, l.lookAll)
	return l
}

// SetMatch changes which source topics are mirrored, at once and while the link runs. A topic that is excluded is drained and
// its positions are saved, and included again it goes on there; in a pool its owner drops it when no member includes it any
// more. Safe for concurrent use.
func (l *Link) SetMatch(match func(topic string) bool) {
	l.match.Store(&match)
	select {
	case l.rematched <- struct{}{}:
	default: // it is to look again anyway
	}
}

// GroupPrefix is what the groups of all links begin with.
const GroupPrefix = "mirror."

// Group is the consumer group at the source that holds the positions.
func (l *Link) Group() string { return GroupPrefix + l.cfg.Name }

func (l *Link) atLeastOnce() bool { return l.cfg.AtLeastOnce }

func (l *Link) codeName(code int16) string { return l.sink.CodeName(code) }

// Run mirrors until ctx ends, then drains: it stops reading, waits for what is in flight, saves the positions, and gives
// back what it has.
func (l *Link) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	for _, run := range []func(context.Context){l.saver, l.restarter, l.foreteller, l.parker, l.ticker, l.looker, l.watchPolicies,
		l.checker, l.examiner, l.equaliser, l.watchLoops, l.reporter, l.policyReads.run, l.limitReads.run, l.loads.run, l.commits.run, l.creates.run, l.looks.run} {
		wg.Go(func() { run(work) })
	}
	l.reconciler(ctx, work)
	err := l.drain()
	cancel()
	wg.Wait()
	return errors.Join(err, l.finish())
}

// noteProblem keeps the newest reason why topics cannot be started or found, and logs a new one once.
func (l *Link) noteProblem(ctx context.Context, err error) {
	if ctx.Err() != nil {
		err = nil
	}
	if l.note(&l.problem, err) {
		l.log.Warn("topics not all started", "err", err)
	}
}

// note keeps the newest error of a kind in text, which is guarded by mu, and says whether it is a new one, to be logged.
func (l *Link) note(text *string, err error) bool {
	now := ""
	if err != nil {
		now = err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := *text != now
	*text = now
	return changed && now != ""
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

// ticker gives back the memory of partitions that cannot send, and reads the destination's limits again where they were found
// to be others.
func (l *Link) ticker(ctx context.Context) {
	every(ctx, tickEvery, func(now time.Time) {
		proofs := false
		for _, t := range l.all() {
			for _, p := range t.pipelines() {
				if p.shed(now) || p.turned() {
					l.rejoin(p)
				} else if p.wantsProof() {
					l.sink.Ready(p)
					l.source.Wake(p)
					proofs = true
				}
			}
			t.calm(now)
		}
		if proofs {
			l.sink.Kick()
		}
		if l.limitsDue.Swap(false) {
			l.refreshLimits(ctx, 0)
		}
	})
}

// wantsProof says that the next batch waits for a proof of ownership, which may be there by now.
func (p *Pipeline) wantsProof() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unproved && p.active() && p.joined
}
