package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

const (
	standsWithin = 90 * time.Second // from a fault until everything tells of it, on a machine that has much else to do
	healsWithin  = 90 * time.Second // from its end until nothing does
)

// standstill is a way in which a mirror stops, or seems to.
type standstill struct {
	name string
	r    *route

	begin func(t *testing.T)              // starts the fault
	fired func(ctx context.Context) error // nil once it did what its name says
	end   func(t *testing.T)              // heals it

	check  []string // the check that tells of it
	code   int      // its exit code meanwhile
	says   string   // what its line names
	state  string   // of the topic meanwhile, "" whatever it is
	flows  bool     // records get through all the same, so that there is no lag
	ready  bool     // readiness meanwhile
	errors int      // lines of level ERROR about it
	wavers bool     // it may pass for well now and then, so that there need not be as many
	mute   bool     // the process answers nothing
}

// Whatever stops a mirror, its destination gone, silent, without rights or replicas, its source gone, ZooKeeper gone, a
// loss, a quota, its own freeze, its prober's: lag rises or is unknown and never 0, states and readiness are right, exactly one line of
// level ERROR tells of it, `mirror check` ends with the right code while it lasts and with 0 after it, and `mirror doctor` names the cause; and for what is idle,
// was just restarted or catches up, it never ends with another code than 0.
func TestStandstill(t *testing.T) {
	t.Parallel()
	s := newStandstills(t)
	rows := s.rows(t)
	idle := s.route(t, "still-idle", s.from.Direct(), s.to.Direct(), func(c *settings) { c.Watchers = map[string]string{"prometheus": "1h", "sensu": "1h"} })
	idle.host.start(t)
	backlog := s.route(t, "still-backlog", s.from.Direct(), s.to.Direct())
	topics := []string{backlog.topic}
	for _, row := range rows {
		row.r.host.start(t)
		topics = append(topics, row.r.topic)
	}
	fleet := startFleet(t, s.from.Direct(), load.FleetSpec{Topics: topics, Records: 2, Every: 200 * time.Millisecond, Seed: 5})
	for _, row := range rows {
		eventually(t, standsWithin, row.name+": all is well before", row.allWell)
	}
	s.requirePings(t, "before")
	begun := time.Now()
	var faulty []*standstill // without those whose fault did not even begin
	for _, row := range rows {
		if t.Run(row.name+"/begins", row.begin) {
			faulty = append(faulty, row)
		}
	}
	for _, row := range faulty {
		t.Run(row.name+"/tells", func(t *testing.T) { row.requireTold(t, begun) })
	}
	s.requireNoPings(t)
	idle.requireNoAlarm(t, "idle")
	idle.requirePool(t)
	for _, row := range faulty { // all at once: some get in each other's way
		t.Run(row.name+"/ends", row.end)
	}
	for _, row := range faulty {
		t.Run(row.name+"/is over", func(t *testing.T) {
			took := eventually(t, healsWithin, "all is well again", row.allWell)
			t.Logf("all is well again after %v", took.Round(100*time.Millisecond))
		})
	}
	s.requirePings(t, "after")
	backlog.host.start(t)
	backlog.requireNoAlarm(t, "just started on a backlog")
	idle.host.restart(t)
	idle.requireNoAlarm(t, "just restarted")
	fleet.end(t)
}

// standstills are the clusters of the table: a source and a destination with ways that can be cut by themselves, a
// destination that asks for rights, and ZooKeeper.
type standstills struct {
	from, to *kafka.Cluster
	strict   *secured
	zk       *kafka.ZooKeeper

	deadman *httptest.Server // of the mirror whose destination goes down
	pings   atomic.Int64     // that it accepted
}

func newStandstills(t *testing.T) *standstills {
	t.Helper()
	keep := map[string]string{"log.retention.ms": "-1"}
	s := &standstills{from: kafka.New(t, kafka.Options{Lanes: 3, Properties: keep}), to: kafka.New(t, kafka.Options{Nodes: 3, Lanes: 2, Properties: poolProperties(keep)}),
		strict: newSecured(t, time.Hour), zk: kafka.NewZooKeeper(t, kafka.ZooKeeperOptions{Nodes: 1})}
	s.deadman = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.pings.Add(1) }))
	t.Cleanup(s.deadman.Close)
	return s
}

// requirePings proves that the dead-man's service hears of the mirror.
func (s *standstills) requirePings(t *testing.T, when string) {
	t.Helper()
	from := s.pings.Load()
	eventually(t, standsWithin, "a dead-man's ping "+when, func(context.Context) error {
		if s.pings.Load() == from {
			return errors.New("none came")
		}
		return nil
	})
}

// requireNoPings proves that it hears no more.
func (s *standstills) requireNoPings(t *testing.T) {
	t.Helper()
	from := s.pings.Load()
	must(t, pause(t.Context(), 7*time.Second))
	if n := s.pings.Load() - from; n != 0 {
		t.Errorf("%d dead-man's pings of a mirror that stands", n)
	}
}

// make makes a topic at the destination, at a broker that no fault takes away from all.
func (s *standstills) make(t *testing.T, topic string) {
	t.Helper()
	must(t, s.to.CreateTopicOn(within(t, time.Minute), topic, 1, []int32{1}, nil))
}

// route makes a topic at the source and a host for a mirror of it, which knows the clusters by those addresses.
func (s *standstills) route(t *testing.T, name string, from, to []string, tune ...func(*settings)) *route {
	t.Helper()
	ways := func(c *settings) {
		c.Clusters[fromName], c.Clusters[toName] = clusterSettings{Brokers: from}, clusterSettings{Brokers: to}
		c.link().Topics.ReplicationFactor = 1
	}
	return newRoute(t, name, s.from, s.to, 1, append([]func(*settings){ways}, tune...)...)
}

// rows is the table.
func (s *standstills) rows(t *testing.T) []*standstill {
	from, to := s.from.Direct(), s.to.Direct()
	lag := []string{"check", "lag", "-w", "5s", "-c", "10s"}
	for _, name := range []string{"still-idle", "still-backlog", "still-down", "still-silent", "still-source", "still-halted", "still-frozen", "still-prober", "still-pool", "still-pool-old"} {
		s.make(t, name)
	}
	rows := []*standstill{
		s.away(s.route(t, "still-down", from, s.to.Lane(1), func(c *settings) {
			c.Deadman = &deadmanSettings{URL: s.deadman.URL + "/secret", Interval: "5s"}
		}), "destination down", lane(s.to, 1), (*kafka.Proxy).Cut),
		s.away(s.route(t, "still-silent", from, s.to.Lane(2)), "destination silent", lane(s.to, 2), (*kafka.Proxy).BlackHole),
		s.away(s.route(t, "still-source", s.from.Lane(1), to), "source down", lane(s.from, 1), (*kafka.Proxy).Cut),
		s.forbidden(s.route(t, "still-acl", from, nil, func(c *settings) { c.Clusters[toName] = s.strict.settings() })),
		s.withoutReplicas(t),
		s.throttled(s.route(t, "still-quota", from, s.strict.Direct())),
		s.halted(s.route(t, "still-halted", s.from.Lane(2), to)),
		s.frozen(s.route(t, "still-frozen", from, to)),
		s.alone(t),
		s.deaf(s.route(t, "still-prober", s.from.Lane(3), to)),
	}
	for _, row := range rows {
		if row.check == nil {
			row.check = lag
		}
	}
	return rows
}

// lane returns the proxies of one way to a cluster.
func lane(c *kafka.Cluster, number int) []*kafka.Proxy {
	var all []*kafka.Proxy
	for _, n := range c.Nodes() {
		all = append(all, n.Lane(number))
	}
	return all
}
