package mirror

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/mirror/protocol"
)

const (
	poolTick      = 20 * time.Millisecond
	poolIdleClose = 40 * time.Second // of the destination
	poolWait      = 10 * time.Second // the session time-out
	poolGrace     = 3 * time.Second
	poolLate      = 2500 * time.Millisecond // a request on a closed connection arrives within
)

// TestMembersCopyExactlyOnce lets two members mirror a topic by turns: units are handed over, taken from members that die,
// and from members that fall silent and are told late. Every record arrives once and in order.
func TestMembersCopyExactlyOnce(t *testing.T) {
	first, n := uint64(1), *seeds/100+4
	if *oneSeed > 0 {
		first, n = *oneSeed, 1
	}
	total := map[string]int{}
	for seed := first; seed < first+n; seed++ {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, seed)
				p.run()
				for what, n := range p.count {
					total[what] += n
				}
			})
		})
		if !ok {
			t.Fatalf("failed with seed %d: run with -mirror.seed=%d", seed, seed)
		}
	}
	t.Logf("%v", total)
	for _, what := range []string{"drained", "not drained", "dead", "silent", "refused out of order", "arrived after its owner", "waited", "settled", "broken", "wiped", "saved late", "stopped", "cut by 1", "cut by 2"} {
		if total[what] == 0 && n > 10 {
			t.Errorf("never happened: %s; there was %v", what, total)
		}
	}
}

// pool is a source, a destination, and members.
type pool struct {
	t       *testing.T
	rnd     *rand.Rand
	source  *fakeSource
	sink    *fakeSink
	store   *memStore
	logs    [][]entry // by partition
	come    []int     // by partition: how many batches the source has by now
	brokers []*broker // by partition
	members []*member
	units   []*poolUnit
	flights []*flight
	late    []lateNews
	count   map[string]int // what happened
	trace   []event
	ended   sync.WaitGroup
	calm    bool // no more faults
	cutting bool // the topic is to be cut into other units

	lateSaves atomic.Int64
}

// poolUnit is what the coordination service knows of a unit.
type poolUnit struct {
	Unit
	owner  *member
	tenure Tenure
	wait   bool
	going  bool // it is being handed over
	ended  bool // nobody has it, until the topic is cut anew
	before Predecessor
	fate   int       // what happens to it as soon as something of it is on the wire; 0 nothing
	since  time.Time // of fate
}

// lateNews is a loss that a member does not know of yet.
type lateNews struct {
	at   time.Time
	m    *member
	lost Tenure
}

// member is one process: a link, and lanes that carry its pipelines.
type member struct {
	pool   *pool
	name   string
	own    *fakeOwnership
	view   map[Unit]Tenure
	link   *Link
	stop   context.CancelFunc
	intake *Intake
	budget *Budget

	mu      sync.Mutex
	reads   map[*Pipeline]bool
	sends   map[*Pipeline]*sender
	crashed bool
}

// sender is the produce lane's side of a pipeline.
type sender struct {
	calm     time.Time // a calm scan under way ends then
	last     time.Time // nothing overtakes on a connection
	answered time.Time // nor among the answers
	at       int       // number, which makes the order of a map's elements one
}

// flight is a batch on the wire.
type flight struct {
	m        *member
	p        *Pipeline
	taken    Taken
	bytes    []byte
	sent     time.Time
	arrives  time.Time
	answers  time.Time
	arrived  bool
	orphan   bool // nobody waits for the answer
	code     int16
	base     int64
	term     int64
	released bool
}

// memberSource, memberSink and memberStore are the clusters and the store as one member has them.
type memberSource struct {
	*fakeSource
	m *member
}

func (s memberSource) Attach(p *Pipeline) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.reads[p] = true
}

func (s memberSource) Detach(p *Pipeline) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	delete(s.m.reads, p)
}

func (s memberSource) SavePositions(ctx context.Context, group string, positions map[TopicPartition]protocol.Position, to map[string]protocol.Place) error {
	if s.m.gone() {
		return errTest
	}
	p, at := s.m.pool, time.Now().Unix()
	switch at % 11 { // by the clock, which a seed repeats
	case 3:
		return errTest
	case 7: // it lands when nobody waits for it any more, after the next owner's too
		p.lateSaves.Add(1)
		late := maps.Clone(positions)
		p.ended.Go(func() {
			time.Sleep(time.Duration(1+at/11%9) * time.Second)
			_ = p.source.SavePositions(context.Background(), group, late, to) // a fake that does not fail
		})
		return errTest
	}
	return s.fakeSource.SavePositions(ctx, group, positions, to)
}

type memberSink struct {
	*fakeSink
	m *member
}

func (s memberSink) Attach(p *Pipeline) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.sends[p] == nil {
		s.m.sends[p] = &sender{at: int(p.source.Partition)}
	}
}

func (s memberSink) Detach(p *Pipeline) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	delete(s.m.sends, p)
}

type memberStore struct {
	*memStore
	m *member
}

func (s memberStore) Update(ctx context.Context, link, topic string, ids Identities) error {
	if s.m.gone() {
		return errTest
	}
	return s.memStore.Update(ctx, link, topic, ids)
}

func (m *member) sender(one *Pipeline) *sender {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sends[one]
}

func (m *member) gone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crashed
}

func newPool(t *testing.T, seed uint64) *pool {
	p := &pool{t: t, rnd: rand.New(rand.NewPCG(seed, 9)), store: newMemStore(), count: map[string]int{}}
	parts := 2
	p.source = newFakeSource(map[string]TopicInfo{"clicks": {"source-id", parts}})
	p.sink = newFakeSink(map[string]TopicInfo{"clicks": {"dest-id", parts}})
	p.sink.limits = Limits{MaxBatchBytes: 1 << 20, OldAge: testExpiry / 2, IdleClose: poolIdleClose}
	ages := p.rnd.IntN(3) // 0: all young, 1: all old, 2: mixed
	for range parts {
		p.brokers = append(p.brokers, newBroker(func(stamp int64) bool { return stamp < time.Now().Add(-testExpiry).UnixMilli() }))
		p.logs = append(p.logs, p.newLog(ages))
		p.come = append(p.come, 0)
	}
	of := 1 + p.rnd.IntN(2)
	for part := range of {
		p.units = append(p.units, &poolUnit{Unit: Unit{"clicks", part, of}})
	}
	for i := range 2 {
		p.members = append(p.members, p.newMember(fmt.Sprint("m", i)))
	}
	return p
}

func (p *pool) newLog(ages int) []entry {
	var log []entry
	next := int64(0)
	for range 600 {
		stamp := time.Now().Add(time.Hour) // young to the end of the test
		if ages == 1 || ages == 2 && p.rnd.IntN(6) == 0 {
			stamp = time.Now().Add(-2 * testExpiry)
		}
		n := 1 + p.rnd.IntN(3)
		log = append(log, entry{base: next, ids: idRange(next, n), producer: -1, attrs: gzipCodec, stamp: stamp.UnixMilli()})
		next += int64(n)
	}
	return log
}

func (p *pool) newMember(name string) *member {
	m := &member{pool: p, name: name, own: newFakeOwnership(), view: map[Unit]Tenure{}, budget: NewBudget(16 << 20), reads: map[*Pipeline]bool{}, sends: map[*Pipeline]*sender{}}
	m.intake = NewIntake(m.budget)
	cfg := config()
	cfg.Rename = func(topic string) (string, error) { return topic, nil }
	m.link = NewLink(cfg, memberSource{p.source, m}, memberSink{p.sink, m}, memberStore{p.store, m}, m.own, &fakeEvents{}, discard())
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	p.ended.Go(func() { _ = m.link.Run(ctx) }) // a crash has no result
	return m
}

func (p *pool) note(format string, args ...any) {
	p.trace = append(p.trace, event{"%s " + format, append([]any{time.Now()}, args...)})
}

func (p *pool) fail(format string, args ...any) {
	p.t.Helper()
	for _, line := range p.trace[max(0, len(p.trace)-80):] {
		line.args[0] = line.args[0].(time.Time).Format("04:05.000")
		p.t.Logf(line.format, line.args...)
	}
	p.t.Errorf(format, args...)
	for _, m := range p.members {
		m.stop()
	}
	p.ended.Wait() // a bubble ends with all that runs in it
	p.t.FailNow()
}

// tell shows a member what it owns.
func (m *member) tell() {
	var list []Tenure
	for _, t := range m.view {
		list = append(list, t)
	}
	m.own.set("clicks", list...)
}

// grant gives a unit to a member.
func (p *pool) grant(u *poolUnit, m *member, before Predecessor, wait bool) {
	u.owner, u.going, u.wait = m, false, wait
	u.tenure = Tenure{Unit: u.Unit, Term: u.tenure.Term + 1, Since: time.Now(), Before: before, Wait: poolWait}
	m.view[u.Unit] = u.tenure
	p.note("%s gets %s, term %d, before %d", m.name, u.Unit, u.tenure.Term, before)
	m.tell()
}

// move gives a unit whose owner ended it in some way to another member, or the same.
func (p *pool) move(u *poolUnit, ended string) {
	p.count[ended]++
	before, wait := PredecessorUnknown, u.wait || ended != "drained"
	switch {
	case u.wait:
	case ended == "drained":
		before = PredecessorNone
	case ended == "dead":
		before = PredecessorDead
	}
	if p.cutting {
		u.ended, u.before, u.wait = true, before, wait
		p.cut()
		return
	}
	p.grant(u, p.members[p.rnd.IntN(len(p.members))], before, wait)
}

func (p *pool) run() {
	time.Sleep(time.Second)
	for _, u := range p.units {
		p.grant(u, p.members[0], PredecessorNone, false)
	}
	for i := range 9000 { // three minutes
		p.tick()
		switch fate := p.rnd.IntN(8000); {
		case i < 1500 || p.cutting:
		case fate < 2:
			p.wipe()
		case fate < 6:
			p.recut()
		case fate < 8:
			p.restart(p.members[p.rnd.IntN(len(p.members))])
		}
	}
	p.count["saved late"] = int(p.lateSaves.Load())
	p.calm = true
	p.note("no more faults")
	for until := time.Now().Add(5 * time.Minute); !p.complete(); p.tick() {
		if time.Now().After(until) {
			p.fail("the destination has %d and %d records, want all: %+v", len(p.brokers[0].records), len(p.brokers[1].records), p.members[0].link.Status())
		}
	}
	for _, m := range p.members {
		m.stop()
	}
	p.ended.Wait()
	for _, f := range p.flights {
		f.free()
	}
	for _, m := range p.members {
		if used := m.budget.Used(); used != 0 {
			p.t.Errorf("%d bytes of %s's budget are still used", used, m.name)
		}
	}
}

func (p *pool) complete() bool {
	for i, k := range p.brokers {
		if p.come[i] < len(p.logs[i]) || len(k.records) < int(p.logs[i][len(p.logs[i])-1].next()) {
			return false
		}
	}
	return true
}

// tick is one step of the world.
func (p *pool) tick() {
	time.Sleep(poolTick)
	synctest.Wait()
	for i := range p.come {
		if p.come[i] < len(p.logs[i]) && p.rnd.IntN(5) == 0 {
			p.come[i]++
		}
		if p.rnd.IntN(10) == 0 {
			p.brokers[i].forget()
		}
	}
	p.carry()
	for _, m := range p.members {
		m.work()
	}
	for _, u := range p.units {
		p.coordinate(u)
	}
	p.late = slices.DeleteFunc(p.late, func(l lateNews) bool {
		if time.Now().Before(l.at) {
			return false
		}
		if l.m.view[l.lost.Unit].Term == l.lost.Term {
			delete(l.m.view, l.lost.Unit)
			l.m.tell()
		}
		return true
	})
}

// coordinate lets something happen to a unit.
func (p *pool) coordinate(u *poolUnit) {
	if u.ended {
		return
	}
	m := u.owner
	m.own.mu.Lock()
	settled := slices.Clone(m.own.settled)
	m.own.mu.Unlock()
	for _, s := range settled {
		if s.Unit == u.Unit && s.Term == u.tenure.Term && u.wait {
			u.wait = false
			p.count["settled"]++
		}
	}
	if u.going {
		for _, r := range m.own.given() {
			if r.Unit == u.Unit && r.Term == u.tenure.Term {
				delete(m.view, u.Unit)
				m.tell()
				p.move(u, map[bool]string{true: "drained", false: "not drained"}[r.drained])
				return
			}
		}
		return
	}
	if p.calm {
		return
	}
	if u.fate == 0 {
		u.fate, u.since = p.rnd.IntN(3000), time.Now() // 60 s
		if u.fate > 9 {
			u.fate = 0
		}
	}
	busy := slices.ContainsFunc(p.flights, func(f *flight) bool { return f.m == m && !f.arrived && u.Has(f.p.source.Partition) })
	if !busy && time.Since(u.since) < 5*time.Second {
		return
	}
	fate := u.fate
	u.fate = 0
	switch {
	case fate == 0:
	case fate < 4:
		p.note("%s hands %s over", m.name, u.Unit)
		u.going = true
		if p.rnd.IntN(3) == 0 {
			p.hold(m, u, 8*time.Second) // longer than the drain time
		}
		m.view[u.Unit] = leaving(u.tenure)
		m.tell()
	case fate < 5:
		p.silence(u)
	case fate < 6:
		p.kill(m)
	default:
		for _, one := range m.ordered() {
			if u.Has(one.source.Partition) {
				p.breakOff(m, one)
			}
		}
	}
}

// silence has the owner lose a unit without a word: its lease ends, what it sent last is held up, and it learns of it late.
func (p *pool) silence(u *poolUnit) {
	m, lost := u.owner, u.tenure
	p.note("%s falls silent with %s", m.name, u.Unit)
	m.own.mu.Lock()
	m.own.invalid[u.Unit] = lost.Term
	m.own.mu.Unlock()
	if p.rnd.IntN(2) == 0 {
		p.hold(m, u, time.Duration(p.rnd.Int64N(int64(poolIdleClose)*9/10)))
	}
	p.late = append(p.late, lateNews{time.Now().Add(time.Duration(p.rnd.Int64N(int64(time.Minute)))), m, lost})
	p.move(u, "silent")
}

// wipe empties the store, with all that the coordination service knew: everybody loses everything, and some learn of it late.
func (p *pool) wipe() {
	p.note("the tree is wiped")
	p.store.mu.Lock()
	clear(p.store.topics)
	p.store.mu.Unlock()
	for _, u := range p.units {
		m, lost := u.owner, u.tenure
		m.own.mu.Lock()
		m.own.invalid[u.Unit] = lost.Term
		m.own.mu.Unlock()
		learns := time.Now()
		if p.rnd.IntN(2) == 0 {
			p.hold(m, u, time.Duration(p.rnd.Int64N(int64(poolIdleClose)*9/10)))
			learns = learns.Add(time.Duration(p.rnd.Int64N(int64(time.Minute))))
		}
		p.late = append(p.late, lateNews{learns, m, lost})
		p.count["wiped"]++
		p.grant(u, p.members[p.rnd.IntN(len(p.members))], PredecessorNone, false)
	}
}

// hold holds up what a member has on the wire for a unit.
func (p *pool) hold(m *member, u *poolUnit, d time.Duration) {
	for _, f := range p.flights {
		if f.m == m && !f.orphan && u.Has(f.p.source.Partition) {
			if !f.arrived {
				f.arrives = f.arrives.Add(d)
			}
			f.answers = f.answers.Add(d)
			if s := m.sender(f.p); s != nil {
				s.last, s.answered = f.arrives, f.answers
			}
		}
	}
}

// kill ends a member's process; another takes its place, and its units go on.
func (p *pool) kill(m *member) {
	p.note("%s dies", m.name)
	m.mu.Lock()
	m.crashed = true
	m.mu.Unlock()
	m.stop()
	for _, one := range m.ordered() {
		p.abandon(m, one, poolWait*9/10)
	}
	at := slices.Index(p.members, m)
	p.members[at] = p.newMember(m.name + "'")
	for _, u := range p.units {
		if u.owner == m && !u.ended {
			p.move(u, "dead")
		}
	}
}

// restart ends a member as SIGTERM does, while another takes its place. What it gives back goes to somebody.
func (p *pool) restart(m *member) {
	p.note("%s is stopped", m.name)
	p.count["stopped"]++
	m.stop()
	p.members[slices.Index(p.members, m)] = p.newMember(m.name + "+")
	for _, u := range p.units {
		if u.owner == m && !u.ended {
			u.going = true
		}
	}
}

// recut has all units drained, to be made anew by halves, or as a whole.
func (p *pool) recut() {
	p.note("the topic is to be cut anew")
	p.cutting = true
	for _, u := range p.units {
		if !u.going {
			u.going = true
			u.owner.view[u.Unit] = leaving(u.tenure)
			u.owner.tell()
		}
	}
}

// cut makes the new units once nobody has any of the former.
func (p *pool) cut() {
	was := p.units
	if slices.ContainsFunc(was, func(u *poolUnit) bool { return !u.ended }) {
		return
	}
	p.cutting, p.units = false, nil
	of := 3 - len(was)
	p.count[fmt.Sprint("cut by ", of)]++
	for part := range of {
		u := &poolUnit{Unit: Unit{"clicks", part, of}}
		before, wait := PredecessorNone, false
		for _, former := range was {
			if former.Of == 1 || of == 1 || former.Part == part {
				before, wait, u.tenure.Term = max(before, former.before), wait || former.wait, max(u.tenure.Term, former.tenure.Term)
			}
		}
		p.units = append(p.units, u)
		p.grant(u, p.members[p.rnd.IntN(len(p.members))], before, wait)
	}
}

// breakOff closes the connection that carries a pipeline.
func (p *pool) breakOff(m *member, one *Pipeline) {
	p.count["broken"]++
	p.abandon(m, one, poolLate)
	one.Broken(time.Now())
}

// abandon leaves what is on the wire to fate: some of it arrives within a time.
func (p *pool) abandon(m *member, one *Pipeline, within time.Duration) {
	lost := false
	at, end := time.Now(), time.Now().Add(within)
	for _, f := range p.flights {
		if f.m != m || f.p != one || f.orphan {
			continue
		}
		f.orphan = true
		if lost = lost || p.rnd.IntN(3) == 0; lost && !f.arrived {
			f.arrived = true
			f.free()
			continue
		}
		if at = at.Add(time.Duration(p.rnd.Int64N(1 + int64(end.Sub(at))))); !f.arrived {
			f.arrives = at
		}
	}
	if s := m.sender(one); s != nil {
		s.last, s.answered, s.calm = time.Time{}, time.Time{}, time.Time{}
	}
}

func (f *flight) free() {
	if !f.released {
		f.released = true
		f.taken.Hold().Release()
	}
}

// carry moves what is on the wire.
func (p *pool) carry() {
	now := time.Now()
	for _, f := range slices.Clone(p.flights) {
		if !f.arrived && !now.Before(f.arrives) {
			f.arrived = true
			p.append(f)
			f.free()
		}
		if f.arrived && !f.orphan && !now.Before(f.answers) {
			f.orphan = true
			switch f.p.Answer(f.taken.Flight, f.code, f.base, now) {
			case Hangup, Leave:
				p.breakOff(f.m, f.p)
			}
		}
	}
	p.flights = slices.DeleteFunc(p.flights, func(f *flight) bool { return f.arrived && f.orphan })
}

func (p *pool) append(f *flight) {
	partition := f.p.dest.Partition
	k := p.brokers[partition]
	had := len(k.records)
	var err error
	if f.code, f.base, err = k.append(f.bytes); err != nil {
		p.fail("broker cannot read a batch: %v", err)
	}
	u := p.units[slices.IndexFunc(p.units, func(u *poolUnit) bool { return u.Has(partition) })]
	p.note("partition %d: from %s of term %d: sequence %d, %d records, code %d", partition, f.m.name, f.term, f.taken.Sequence, f.taken.Records, f.code)
	if f.code == 45 {
		p.count["refused out of order"]++
	}
	if f.term < u.tenure.Term && len(k.records) > had {
		p.count["arrived after its owner"]++
	}
	for i, id := range k.records[had:] {
		if id != int64(had+i) {
			p.fail("partition %d: record %d is %d", partition, had+i, id)
		}
	}
}

// ordered returns the member's pipelines at its produce lane in an order that a seed repeats.
func (m *member) ordered() []*Pipeline {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*Pipeline
	for p := range m.sends {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *Pipeline) int {
		return int(a.source.Partition-b.source.Partition)*1_000_000 + int(a.tenant.Term-b.tenant.Term)
	})
	return list
}

// work is what the member's lanes do in a moment.
func (m *member) work() {
	p, now := m.pool, time.Now()
	for _, one := range m.ordered() {
		m.mu.Lock()
		s, reads := m.sends[one], m.reads[one]
		m.mu.Unlock()
		if s == nil {
			continue
		}
		m.join(one, s, now)
		if reads {
			m.feed(one)
		}
		for p.rnd.IntN(4) > 0 {
			taken, step := one.Take(now)
			if step != protocol.Send {
				break
			}
			f := &flight{m: m, p: one, taken: taken, bytes: slices.Clone(taken.Bytes), sent: now, term: one.tenant.Term}
			f.arrives = now.Add(time.Duration(p.rnd.IntN(200)) * time.Millisecond)
			if f.arrives.Before(s.last) {
				f.arrives = s.last
			}
			s.last = f.arrives
			f.answers = f.arrives.Add(time.Duration(p.rnd.IntN(60)) * time.Millisecond)
			if f.answers.Before(s.answered) {
				f.answers = s.answered
			}
			s.answered = f.answers
			p.flights = append(p.flights, f)
		}
	}
}

func (m *member) join(one *Pipeline, s *sender, now time.Time) {
	plan, ok := one.Plan()
	if !ok {
		return
	}
	if plan.NotBefore.After(now) {
		m.pool.count["waited"]++
		return
	}
	if plan.Need == protocol.ScanCalm {
		if s.calm.IsZero() {
			s.calm = now.Add(poolGrace)
		}
		if now.Before(s.calm) {
			return
		}
	}
	s.calm = time.Time{}
	var tail *protocol.Tail
	if plan.Count && plan.Need != protocol.Resend {
		var err error
		if tail, err = m.pool.brokers[one.dest.Partition].scan(plan.Position); err != nil {
			m.pool.fail("%s scans partition %d: %v", m.name, one.dest.Partition, err)
		}
		m.pool.note("%s of term %d joins partition %d by %d: %d records beyond %+v", m.name, one.tenant.Term, one.dest.Partition, plan.Need, tail.Records, plan.Position)
	}
	one.Joined(plan, tail, 3)
}

// feed reads some batches.
func (m *member) feed(one *Pipeline) {
	from, _, generation, appetite := one.FetchFrom()
	log := m.pool.logs[one.source.Partition]
	come := m.pool.come[one.source.Partition]
	if appetite != Hungry || come == 0 || from >= log[come-1].next() {
		return
	}
	var raw [][]byte
	for i := range come {
		if log[i].next() > from && len(raw) < 3 {
			raw = append(raw, log[i].bytes())
		}
	}
	b := &bench{t: m.pool.t, budget: m.budget, p: one, intake: m.intake}
	b.respondBytes(generation, log[come-1].next(), raw)
}
