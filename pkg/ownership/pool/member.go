package pool

import (
	"context"
	"sync"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
)

// member is the state of a Pool. Its methods run with the pool's mu held; they never wait. What is of one incarnation is in
// life and is replaced by the next.
type member struct {
	*Pool
	jobs sync.WaitGroup
	work context.Context // of Run: what jobs may take

	session coord.Session
	expired int
	life    *life
	next    time.Time // when the next turn is due though nothing happens; zero: never

	// What outlives an incarnation.
	offered   map[string]int          // nil: the link has not said yet
	link      mirror.Report           // how the link gets on
	draining  bool                    // an operator asked for it
	asked     []chan error            // who waits for the pool to know
	quitting  bool                    // the process ends: units are given back that nobody asked for
	given     map[plan.Unit]bool      // such units: not to be taken again
	terms     map[plan.Unit]int64     // the greatest terms seen
	evictions map[string]time.Time    // newest, by instance
	dead      map[string]*death       // members whose processes are proven dead
	unowned   map[plan.Unit]time.Time // since when nobody has them
	longest   time.Duration           // session timeout of any member that was seen: each goes by its own
	listed    bool                    // owners were, once
	stats     stats
	problems  problems
	news      news
}

// life is an incarnation: what is known and under way since the member began to join. Its own name is known later.
type life struct {
	ctx    context.Context // ends with it
	cancel context.CancelFunc
	clock  uint64 // grows with everything that is asked and answered, to tell what was asked before from what came after

	self    string // incarnation; "" before the member has joined
	joining bool
	joinDue time.Time
	joins   int // attempts

	queue   queue
	members *folder
	owners  *folder
	pins    *folder
	reports *folder // followed by the leader alone
	gone    map[string]departure
	since   map[string]time.Time // when members were first seen

	plan      planView
	shapes    map[string][]string // names of terms of parts of topics, by topic
	shapesAt  uint64              // clock at which they were asked for
	shaping   bool
	shapesDue time.Time

	tenures  map[plan.Unit]*tenure
	claims   map[plan.Unit]*claim // under way
	attempts map[plan.Unit][]attempt
	doubts   map[plan.Unit]uint64 // claims with an unknown outcome: clock behind which the owners are to be listed
	retry    map[plan.Unit]time.Time
	refused  map[plan.Unit]string // why a unit is not claimed though it should be
	releases map[plan.Unit]*release
	settles  map[plan.Unit]*settlement
	failing  map[plan.Unit]error
	dropping map[plan.Unit]bool // owner nodes of the own session that nobody stands behind, while they are removed
	mended   time.Time          // when missing nodes were made last
	counted  time.Time          // when unowned units were

	lead   lead
	report reporter
	own    ownNode
}

func newMember(p *Pool) *member {
	m := &member{Pool: p, given: map[plan.Unit]bool{}, terms: map[plan.Unit]int64{}, evictions: map[string]time.Time{},
		dead: map[string]*death{}, unowned: map[plan.Unit]time.Time{}, stats: newStats(), problems: problems{}}
	m.begin(context.Background()) // nothing is done before Run
	return m
}

func (m *member) begin(work context.Context) {
	m.work = work
	m.renew()
}

// renew forgets everything of the incarnation so far, and begins another.
func (m *member) renew() {
	if m.life != nil {
		m.life.cancel()
	}
	ctx, cancel := context.WithCancel(m.work)
	l := &life{ctx: ctx, cancel: cancel, gone: map[string]departure{}, since: map[string]time.Time{},
		tenures: map[plan.Unit]*tenure{}, claims: map[plan.Unit]*claim{}, attempts: map[plan.Unit][]attempt{}, doubts: map[plan.Unit]uint64{},
		retry: map[plan.Unit]time.Time{}, refused: map[plan.Unit]string{}, releases: map[plan.Unit]*release{}, settles: map[plan.Unit]*settlement{},
		failing: map[plan.Unit]error{}, dropping: map[plan.Unit]bool{}}
	m.life = l
	l.members = newFolder(m.paths.Members(), m.memberRead, m.memberGone)
	l.owners = newFolder(m.paths.Owners(), m.ownerRead, func(string, *entry) {})
	l.pins = newFolder(m.paths.Pins(), func(string, *entry) { m.planSoon(planAfterWish) }, func(string, *entry) { m.planSoon(planAfterWish) })
	l.reports = newFolder(m.paths.Reports(), m.reportRead, func(string, *entry) {})
	l.plan.stale = true
	m.publish()
}

// turn reads all letters, and does what follows.
func (m *member) turn(session coord.Session) {
	m.observe(session)
	for _, letter := range m.mail.take() {
		letter()
	}
	m.next = time.Time{}
	if m.session.Phase != coord.Connected {
		m.problems.set("session", m.phaseProblem())
		m.announce()
		return
	}
	m.problems.set("session", "")
	if m.life.self == "" {
		m.join()
		m.pump()
		m.announce()
		return
	}
	m.follow()
	m.decide()
	m.pump()
	m.announce()
	m.again()
}

// again makes a turn due for what this one found out after it had asked for what it knew of.
func (m *member) again() {
	l := m.life
	if l.self == "" {
		if !l.joining && !m.quitting {
			m.wakeAt(l.joinDue)
		}
		return
	}
	for _, f := range []*folder{l.members, l.owners, l.pins} {
		if f.stale && !f.listing {
			m.wakeAt(f.due)
		}
	}
	if l.plan.stale && !l.plan.reading {
		m.wakeAt(l.plan.due)
	}
}

// follow reads what is not up to date.
func (m *member) follow() {
	l := m.life
	m.refresh(l.members)
	m.refresh(l.owners)
	m.refresh(l.pins)
	if m.leads() {
		m.refresh(l.reports)
	}
	m.refreshPlan()
	m.refreshShapes()
}

// decide does what follows from what is known. A step that finds the own member node gone replaces life, and the rest finds
// nothing to do.
func (m *member) decide() {
	for _, step := range []func(){m.checkSelf, m.checkTwins, m.checkTenures, m.markLeaving, m.doReleases, m.doSettles, m.doEvictions, m.dropOrphans, m.takeUnits,
		m.writeOwn, m.plan, m.writeReport} {
		if m.life.self == "" {
			return
		}
		step()
	}
}

// observe takes note of the session. That it ended is known when another one is there, or already when one is sought.
func (m *member) observe(s coord.Session) {
	was := m.session
	m.session = s
	ended := was.Generation != 0 && was.Phase != coord.Connecting && (s.Generation != was.Generation || s.Phase == coord.Connecting)
	switch {
	case ended:
		m.expired++
		m.log.Warn("session of the pool ended; everything is dropped", "tenures", len(m.life.tenures))
		m.lose(ChangeLost)
		m.renew()
	case s.Generation != was.Generation:
		m.renew()
	case s.Phase == was.Phase:
	case s.Phase == coord.Suspended:
		m.log.Warn("coordination service lost; going on with what this member has", "tenures", len(m.life.tenures))
	case s.Phase == coord.Connected:
		m.log.Info("coordination service found again") // what changed meanwhile is learnt by the watches
	}
}

// ownGone starts anew after the own member node vanished though the session may live: by an eviction, or because somebody
// emptied the tree.
func (m *member) ownGone() {
	if m.life.self == "" {
		return
	}
	m.log.Warn("own member node is gone; rejoining", "incarnation", m.life.self, "tenures", len(m.life.tenures))
	m.lose(ChangeLost)
	joins := m.life.joins
	m.renew()
	m.life.joinDue = time.Now().Add(joinRetry(joins))
	m.life.joins = joins + 1
}

// lose drops all tenures at once.
func (m *member) lose(why Change) {
	m.stats.count(why, len(m.life.tenures))
	clear(m.life.tenures)
	m.publish()
}

// drop ends everything that is held.
func (m *member) drop() {
	m.lose(ChangeReleased)
	m.life.cancel()
	if m.peers != nil {
		m.peers.Set("", nil)
	}
}

// wakeAt makes a turn due at that time, at once where it is past.
func (m *member) wakeAt(t time.Time) {
	if t.IsZero() {
		t = time.Now()
	}
	if m.next.IsZero() || t.Before(m.next) {
		m.next = t
	}
}

// ripe says whether a time has come; if not, a turn is due then.
func (m *member) ripe(due time.Time) bool {
	if time.Now().Before(due) {
		m.wakeAt(due)
		return false
	}
	return true
}

// callTime is how long a call may take before its outcome is called unknown.
func (m *member) callTime() time.Duration {
	return min(max(m.session.Timeout/2, 500*time.Millisecond), 5*time.Second)
}
