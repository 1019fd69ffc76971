package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/mirror/protocol"
)

// fakeCatalog is a Cataloguer whose topics the test sets.
type fakeCatalog struct {
	mu      sync.Mutex
	now     *Catalog
	changed chan struct{}
	err     error
}

func newFakeCatalog(cluster string, topics map[string]TopicInfo) *fakeCatalog {
	return &fakeCatalog{now: &Catalog{cluster, topics}, changed: make(chan struct{})}
}

func (c *fakeCatalog) Catalog() (*Catalog, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, c.changed, c.err
}

func (c *fakeCatalog) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *fakeCatalog) set(topic string, info TopicInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	topics := maps.Clone(c.now.Topics)
	topics[topic] = info
	c.now = &Catalog{c.now.Cluster, topics}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *fakeCatalog) hide(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	topics := maps.Clone(c.now.Topics)
	delete(topics, topic)
	c.now = &Catalog{c.now.Cluster, topics}
	close(c.changed)
	c.changed = make(chan struct{})
}

// fakeSource is the source cluster: a group, and notes of what was asked. Attached pipelines are fed by the test.
type fakeSource struct {
	*fakeCatalog
	mu        sync.Mutex
	attached  map[*Pipeline]bool
	woken     int
	compacted map[string]bool
	start     int64
	end       int64
	group     map[TopicPartition]protocol.Position
	broken    map[TopicPartition]error // positions that cannot be understood
	saves     int
	to        map[string]protocol.Place // as saved last, by topic
	refuse    error                     // of saves
	denied    string                    // a topic that is not saved, though others are
	named     bool                      // the error says so
	written   map[string]int            // positions saved, by topic
	open      map[int32]OpenTransaction
	openErr   error
	openAsked int
	cutAt     int64  // where the leader epoch asked for ends, 0: at end
	unread    error  // of Log
	whose     *Whose // of Log, ahead of the catalogue; nil: as there
	away      bool   // it tells no offsets, and does not answer to saves
}

func newFakeSource(topics map[string]TopicInfo) *fakeSource {
	return &fakeSource{fakeCatalog: newFakeCatalog("source-cluster", topics), attached: map[*Pipeline]bool{},
		compacted: map[string]bool{}, group: map[TopicPartition]protocol.Position{}, broken: map[TopicPartition]error{}, to: map[string]protocol.Place{}, written: map[string]int{}}
}

func (s *fakeSource) Attach(p *Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached[p] = true
}

func (s *fakeSource) Detach(p *Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.attached, p)
}

func (s *fakeSource) Wake(*Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.woken++
}

func (s *fakeSource) wakes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.woken
}

func (s *fakeSource) Policies(_ context.Context, topics []string) (map[string]Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	policies := map[string]Policy{}
	for _, topic := range topics {
		policies[topic] = Policy{Compacted: s.compacted[topic], DeleteRetention: 24 * time.Hour}
	}
	return policies, nil
}

func (s *fakeSource) OpenTransactions(context.Context, string, []int32) (map[int32]OpenTransaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openAsked++
	return maps.Clone(s.open), s.openErr
}

func (s *fakeSource) Offsets(_ context.Context, _ string, partitions []int32, latest bool) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errTest
	}
	out := make([]int64, len(partitions))
	for i := range out {
		out[i] = s.start
		if latest {
			out[i] = s.end
		}
	}
	return out, nil
}

func (s *fakeSource) Log(_ context.Context, tp TopicPartition, epoch int32) (Log, error) {
	from, _, _ := s.Catalog()
	s.mu.Lock()
	defer s.mu.Unlock()
	log := Log{Of: whose(s.whose, from, tp.Topic), Start: s.start, End: s.end, Stable: s.end, Epoch: -1, EpochEnd: -1}
	if epoch >= 0 {
		log.Epoch, log.EpochEnd = epoch, s.end
		if s.cutAt > 0 {
			log.EpochEnd = s.cutAt
		}
	}
	return log, s.unread
}

func (s *fakeSource) TimeFrom(_ context.Context, _ TopicPartition, offset int64) (time.Time, error) {
	return time.UnixMilli(1_000_000 + offset), nil
}

func (s *fakeSource) LoadPositions(_ context.Context, _ string, topics map[string][]int32) (map[TopicPartition]Loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[TopicPartition]Loaded{}
	for topic, partitions := range topics {
		for _, p := range partitions {
			tp := TopicPartition{topic, p}
			if at, ok := s.group[tp]; ok {
				out[tp] = Loaded{Position: at}
			}
			if err := s.broken[tp]; err != nil {
				out[tp] = Loaded{Err: err}
			}
		}
	}
	return out, nil
}

func (s *fakeSource) SavePositions(ctx context.Context, _ string, positions map[TopicPartition]protocol.Position, to map[string]protocol.Place) error {
	s.mu.Lock()
	away := s.away
	s.mu.Unlock()
	if away {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	if s.refuse != nil {
		return s.refuse
	}
	refused := map[TopicPartition]error{}
	for tp, at := range positions {
		if tp.Topic == s.denied {
			refused[tp] = errTest
			continue
		}
		s.group[tp], s.to[tp.Topic] = at, to[tp.Topic]
		s.written[tp.Topic]++
	}
	switch {
	case len(refused) == 0:
		return nil
	case s.named:
		return fmt.Errorf("save: %w", &UnsavedError{Refused: refused})
	}
	return errTest
}

func (s *fakeSource) saved(topic string, partition int32) (protocol.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.group[TopicPartition{topic, partition}]
	return at, ok
}

// fakeSink is the destination cluster's control side. What is attached waits to join.
type fakeSink struct {
	*fakeCatalog
	mu        sync.Mutex
	attached  []*Pipeline // every call of Attach
	members   map[*Pipeline]bool
	detached  int
	readied   int
	kicks     int
	limits    Limits
	ends      int64
	pids      int64
	created   map[string]map[string]string
	refusals  map[string]error
	creations [][]NewTopic // every call
	onward    []Onward     // of every topic
	unseen    error        // of Onward
	looks     int          // calls of Onward
	whose     *Whose       // of Whose, ahead of the catalogue; nil: as there
}

func newFakeSink(topics map[string]TopicInfo) *fakeSink {
	return &fakeSink{fakeCatalog: newFakeCatalog("dest-cluster", topics), pids: 1000, created: map[string]map[string]string{}, members: map[*Pipeline]bool{}}
}

func (s *fakeSink) Attach(p *Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached = append(s.attached, p)
	s.members[p] = true
}

func (s *fakeSink) Detach(p *Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, p)
	s.detached++
}

func (s *fakeSink) Ready(*Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readied++
}

func (s *fakeSink) Kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kicks++
}

// joiners returns, once, the pipelines that were attached.
func (s *fakeSink) joiners() []*Pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.attached
	s.attached = nil
	return list
}

func (s *fakeSink) Limits(_ context.Context, topics []string) (map[string]Limits, error) {
	found := map[string]Limits{}
	for _, topic := range topics {
		found[topic] = s.limits
	}
	return found, nil
}

func (s *fakeSink) Ends(_ context.Context, _ string, partitions []int32) ([]End, error) {
	out := make([]End, len(partitions))
	for i := range out {
		out[i] = End{s.ends, 3}
	}
	return out, nil
}

func (s *fakeSink) Onward(_ context.Context, topics map[string][]int32) (map[string][]Onward, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	found := map[string][]Onward{}
	for topic := range topics {
		found[topic] = slices.Clone(s.onward)
	}
	return found, s.unseen
}

func (s *fakeSink) Whose(_ context.Context, topic string) (Whose, error) {
	to, _, _ := s.Catalog()
	return whose(s.whose, to, topic), nil
}

func whose(ahead *Whose, c *Catalog, topic string) Whose {
	if ahead != nil {
		return *ahead
	}
	return Whose{c.Cluster, c.Topics[topic].ID}
}

func (s *fakeSink) TimeBefore(_ context.Context, _ TopicPartition, offset int64) (time.Time, error) {
	return time.UnixMilli(500_000 + offset), nil
}

func (s *fakeSink) CreateTopics(_ context.Context, topics []NewTopic) (map[string]error, error) {
	s.creations = append(s.creations, topics)
	refused := map[string]error{}
	for _, t := range topics {
		if refused[t.Name] = s.refusals[t.Name]; refused[t.Name] != nil {
			continue
		}
		s.created[t.Name] = t.Settings
		s.set(t.Name, TopicInfo{ID: "new-" + t.Name, Partitions: max(t.Partitions, 1)})
	}
	return refused, nil
}

func (s *fakeSink) GrowTopic(_ context.Context, topic string, partitions int) error {
	to, _, _ := s.Catalog()
	s.set(topic, TopicInfo{ID: to.Topics[topic].ID, Partitions: partitions})
	return nil
}

func (s *fakeSink) NewProducerID(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pids++
	return s.pids, nil
}

func (s *fakeSink) CodeName(code int16) string { return fmt.Sprintf("code %d", code) }

// memStore is a Store. conflicts are that many updates to refuse, with what another member wrote instead.
type memStore struct {
	mu        sync.Mutex
	hang      map[string]bool          // topics of which reads do not return before their context ends
	hung      int                      // reads that have not returned for that or the next reason
	gates     map[string]chan struct{} // topics of which reads do not return before these are closed either
	topics    map[string]Identities
	conflicts []Identities
	updates   int
	refuse    error
}

func newMemStore() *memStore { return &memStore{topics: map[string]Identities{}} }

func (m *memStore) Read(ctx context.Context, _, topic string) (Identities, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gate := m.gates[topic]; m.hang[topic] || gate != nil {
		m.hung++
		m.mu.Unlock()
		err := waitFor(ctx, gate)
		m.mu.Lock()
		if m.hung--; err != nil {
			return Identities{}, err
		}
	}
	ids := m.topics[topic]
	ids.Partitions = maps.Clone(ids.Partitions)
	if ids.Partitions == nil {
		ids.Partitions = map[int32]protocol.Identity{}
	}
	return ids, nil
}

// waitFor waits until gate is closed or ctx ends, which is an error.
func waitFor(ctx context.Context, gate <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-gate:
		return nil
	}
}

// hungNow is how many reads have not returned.
func (m *memStore) hungNow() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hung
}

// hangs holds up reads of a topic, or lets them go on.
func (m *memStore) hangs(topic string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if on {
		m.gates = map[string]chan struct{}{topic: make(chan struct{})}
		return
	}
	close(m.gates[topic])
	delete(m.gates, topic)
}

// now returns what is stored of a topic, whatever holds reads up.
func (m *memStore) now(topic string) Identities {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics[topic]
}

func (m *memStore) Update(_ context.Context, _, topic string, ids Identities) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.updates++
	if m.refuse != nil {
		return m.refuse
	}
	if len(m.conflicts) > 0 {
		m.topics[topic] = m.conflicts[0]
		m.conflicts = m.conflicts[1:]
		return fmt.Errorf("write: %w", ErrConflict)
	}
	if m.topics[topic].Version != ids.Version {
		return fmt.Errorf("write: %w", ErrConflict)
	}
	m.topics[topic] = Identities{ids.Version + 1, maps.Clone(ids.Partitions)}
	return nil
}

// fakeLease is the ownership of everything, valid until the test says otherwise.
type fakeLease struct {
	Alone
	mu   sync.Mutex
	lost bool
}

func (l *fakeLease) Valid(Tenure) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.lost
}

func (l *fakeLease) lose(lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = lost
}

// testTenant is a tenant of topic clicks for pipelines that a test makes itself.
func testTenant(l *Link) *tenant {
	return newTenant(context.Background(), &topic{link: l, name: "clicks", dest: "clicks"}, new(Alone).Tenures("clicks")[0])
}

// fakeEvents keeps what it is told.
type fakeEvents struct {
	mu   sync.Mutex
	list []Event
}

func (f *fakeEvents) Record(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, e)
}

// kinds returns the kinds of the events there were.
func (f *fakeEvents) kinds() []EventKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []EventKind
	for _, e := range f.list {
		list = append(list, e.Kind)
	}
	return list
}

var errTest = errors.New("as the test wants it")

// bench is one pipeline with everything around it, driven by hand.
type bench struct {
	t      testing.TB
	source *fakeSource
	sink   *fakeSink
	lease  *fakeLease
	events *fakeEvents
	budget *Budget
	link   *Link
	p      *Pipeline
	intake *Intake
	id     protocol.Identity
}

const (
	testProducer = 42
	testEpoch    = 7 // source leader epoch of the test's batches
)

// newBench returns a bench whose pipeline has begun at offset 0 but not joined.
func newBench(t testing.TB, change func(*LinkConfig, *Limits, *protocol.Identity)) *bench {
	b := &bench{t: t, source: newFakeSource(nil), sink: newFakeSink(nil), lease: &fakeLease{}, events: &fakeEvents{}, budget: NewBudget(64 << 20)}
	cfg := LinkConfig{Name: "link", From: "edge", To: "region"}
	limits := Limits{MaxBatchBytes: 1 << 20}
	b.id = protocol.Identity{ProducerID: testProducer, SourceEpochs: testEpoch + 1, Base: protocol.Position{SourceEpoch: -1, ProducerID: testProducer, DestEpoch: -1}}
	if change != nil {
		change(&cfg, &limits, &b.id)
	}
	b.link = NewLink(cfg, b.source, b.sink, newMemStore(), b.lease, b.events, slog.New(slog.DiscardHandler))
	b.p = &Pipeline{source: TopicPartition{"clicks", 0}, dest: TopicPartition{"clicks", 0}, link: b.link, tenant: testTenant(b.link), limits: limits}
	b.intake = NewIntake(b.budget)
	b.p.begin(b.id, b.id.Begin(protocol.Position{}, false), false)
	return b
}

// join completes the join that the pipeline wants, as if the destination held tail records of ours beyond its position.
func (b *bench) join(tail ...protocol.Header) {
	b.t.Helper()
	plan, ok := b.p.Plan()
	if !ok {
		b.t.Fatal("pipeline does not want to join")
	}
	var found *protocol.Tail
	if plan.Count && plan.Need != protocol.Resend {
		found = protocol.NewTail(plan.Position, 0)
		for _, h := range tail {
			if err := found.Add(h); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.p.Joined(plan, found, 3)
}

// examine does what the link's examiner does with what is suspected.
func (b *bench) examine() {
	b.t.Helper()
	select {
	case p := <-b.link.suspects:
		b.link.examine(b.t.Context(), p)
	default:
		b.t.Fatal("nothing is suspected")
	}
}

// feed takes batches in as one fetch response, from where the pipeline wants to read.
func (b *bench) feed(log []entry, aborted ...Aborted) {
	b.t.Helper()
	_, _, generation, appetite := b.p.FetchFrom()
	if appetite != Hungry {
		b.t.Fatalf("got appetite %d", appetite)
	}
	b.respond(generation, log, aborted...)
}

// respond is feed for a fetch of an earlier time.
func (b *bench) respond(generation uint64, log []entry, aborted ...Aborted) {
	var raw [][]byte
	for _, e := range log {
		raw = append(raw, e.bytes())
	}
	stable := int64(0)
	if n := len(log); n > 0 {
		stable = log[n-1].next()
	}
	b.respondBytes(generation, stable, raw, aborted...)
}

func (b *bench) respondBytes(generation uint64, stable int64, raw [][]byte, aborted ...Aborted) {
	size := 0
	for _, r := range raw {
		size += len(r)
	}
	buf := b.budget.TryTake(int64(size)+1, nil)
	if buf == nil {
		b.t.Fatal("budget is used up")
	}
	defer buf.Release()
	buf.Grow(size)
	if b.intake.Begin(b.p, generation, Fetched{Stable: stable, Aborted: aborted}) {
		at := 0
		for _, r := range raw {
			copy(buf.Bytes[at:], r)
			if one := buf.Bytes[at : at+len(r) : at+len(r)]; batch.IsMessage(one) {
				b.intake.Message(batch.Message(one))
			} else {
				b.intake.Batch(one, buf)
			}
			at += len(r)
		}
		b.intake.End()
	}
	b.intake.Kick()
	b.intake.Done()
}

func (b *bench) position() protocol.Position {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	return b.p.position
}
