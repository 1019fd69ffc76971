package lag

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/pool"
)

// poolRig is an observer of one link of a pool, whose view a test sets.
type poolRig struct {
	holder holder
	view   pool.View
	o      *Observer
	log    *logged
	events []mirror.Event
}

func (r *poolRig) Record(e mirror.Event) { r.events = append(r.events, e) }

func newPoolRig(t *testing.T) *poolRig {
	t.Helper()
	r := &poolRig{log: &logged{}, view: joined()}
	r.holder.set(link())
	o, err := New(Config{Instance: "a", Links: []func() mirror.LinkStatus{r.holder.get}, Pools: map[string]func() pool.View{"up": func() pool.View { return r.view }}, Events: r}, r.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	r.o = o
	return r
}

// look observes and returns the events of that, as kind and text.
func (r *poolRig) look(at int) []string {
	r.events = nil
	r.o.observe(second(at))
	var told []string
	for _, e := range r.events {
		told = append(told, string(e.Kind)+": "+e.Text)
	}
	return told
}

// joined is the view of member a, which has b beside it and nothing to mirror.
func joined() pool.View {
	return pool.View{Phase: pool.Connected, Since: second(-5), Timeout: 6 * time.Second, Instance: "a", Incarnation: "a-1", Leader: "a-1",
		Members: []pool.Member{{Incarnation: "a-1", Instance: "a", Zone: "z1"}, {Incarnation: "b-2", Instance: "b", Zone: "z2"}}}
}

func owned(topic, owner string, term int64) pool.Unit {
	return pool.Unit{Unit: mirror.Unit{Topic: topic, Of: 1}, Owner: owner, Zone: "z-" + owner, Standby: "s-" + owner, Term: term, Since: second(int(term)), Mine: owner == "a"}
}

func TestTopicsOfAPool(t *testing.T) {
	r := newPoolRig(t)
	shared := owned("wide", "b", 4)
	shared.Unit = mirror.Unit{Topic: "wide", Part: 1, Of: 2}
	half := owned("wide", "a", 3)
	half.Unit = mirror.Unit{Topic: "wide", Part: 0, Of: 2}
	r.view.Units = []pool.Unit{owned("clicks", "a", 7), owned("far", "b", 2), owned("fresh", "a", 1), half, shared}
	r.view.Unowned = []pool.Unowned{{Unit: mirror.Unit{Topic: "lone", Of: 1}, Since: second(-3), Planned: "c", Why: "c does not answer"}}
	r.holder.set(link(topic("clicks", partition(0, copying, 5, 9)), topic("far"), topic("wide", partition(0, caughtUp, 5, 5))))
	r.look(0)
	got := r.o.Snapshot().Links[0]
	type row struct {
		topic, dest, owner, zone, standby string
		term                              int64
		state                             mirror.State
		partitions                        int
	}
	var rows []row
	for _, topic := range got.Topics {
		rows = append(rows, row{topic.Topic, topic.Dest, topic.Owner, topic.Zone, topic.Standby, topic.Term, topic.State, len(topic.Partitions)})
	}
	want := []row{
		{"clicks", "clicks", "a", "z-a", "s-a", 7, copying, 1},
		{"far", "far", "b", "z-b", "s-b", 2, StateElsewhere, 0},
		{"fresh", "", "a", "z-a", "s-a", 1, mirror.StateStarting, 0},
		{"lone", "", "", "", "", 0, StateUnowned, 0},
		{"wide", "wide", "a, b", "z-a, z-b", "s-a, s-b", 4, caughtUp, 1},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("got\n%+v\nwant\n%+v", rows, want)
	}
	if got.State != StateUnowned || got.Pool == nil || !got.Topics[0].OwnedSince.Equal(second(7)) {
		t.Errorf("state %s, pool %v, owned since %v", got.State, got.Pool, got.Topics[0].OwnedSince)
	}
	if why := got.Topics[3].Problem; !strings.Contains(why, "planned for c: c does not answer") {
		t.Errorf("the topic without an owner says %q", why)
	}
}

// TestWithoutAMembershipNobodyIsAccused pins that topics of which this process does not know who has them do not count as
// unowned: the other members may have them.
func TestWithoutAMembershipNobodyIsAccused(t *testing.T) {
	r := newPoolRig(t)
	r.view = pool.View{Phase: pool.Connecting, Since: second(-60), Instance: "a", Unowned: []pool.Unowned{{Unit: mirror.Unit{Topic: "c", Of: 1}, Since: second(-50)}}}
	told := r.look(0)
	got := r.o.Snapshot().Links[0]
	if len(got.Topics) != 1 || got.Topics[0].State != waiting || !got.Topics[0].Away || got.State != waiting {
		t.Errorf("got %+v", got)
	}
	if len(told) > 0 {
		t.Errorf("events: %q", told)
	}
}

// TestATopicThatMovedAwayIsForgotten pins that a watermark does not outlive the tenure: another member knows better by then.
func TestATopicThatMovedAwayIsForgotten(t *testing.T) {
	r := newPoolRig(t)
	r.view.Units = []pool.Unit{owned("clicks", "a", 1)}
	r.holder.set(link(topic("clicks", partition(0, caughtUp, 5, 5))))
	r.look(0)
	if r.o.Snapshot().Links[0].Topics[0].ReplicatedThrough == nil {
		t.Fatal("no watermark while it is mirrored here")
	}
	r.view.Units = []pool.Unit{owned("clicks", "b", 2)}
	r.holder.set(link(topic("clicks")))
	r.look(1)
	if got := r.o.Snapshot().Links[0].Topics[0]; got.ReplicatedThrough != nil || got.LagRecords != nil || got.Owner != "b" {
		t.Errorf("got %+v", got)
	}
}

func TestALinkWithoutASessionWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*pool.View)
		want   string // "" none
	}{
		{"joined", func(*pool.View) {}, ""},
		{"suspended", func(v *pool.View) { v.Phase = pool.Suspended }, ""},
		{"never connected", func(v *pool.View) {
			v.Phase, v.Incarnation, v.Problems = pool.Connecting, "", []string{"zk-1:2181 refuses"}
		}, "no session with ZooKeeper since 2023-11-14T22:13:15Z; check the servers, the network and the credentials"},
		{"expired", func(v *pool.View) { v.Phase, v.Expired = pool.Connecting, 1 }, "no session with ZooKeeper"},
		{"joining", func(v *pool.View) { v.Incarnation = "" }, "joining the pool"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newPoolRig(t)
			test.change(&r.view)
			r.look(0)
			got := r.o.Snapshot().Links[0]
			if !strings.HasPrefix(got.Problem, test.want) || (got.Problem == "") != (test.want == "") || (got.State == waiting) != (test.want != "") {
				t.Errorf("problem %q, state %s; want %q", got.Problem, got.State, test.want)
			}
		})
	}
}

func TestEventsOfAPool(t *testing.T) {
	r := newPoolRig(t)
	for _, step := range []struct {
		name   string
		change func(v *pool.View)
		want   []string
	}{
		{"start", func(*pool.View) {}, []string{"pool_joined: as a-1, with 2 members in all"}},
		{"nothing", func(*pool.View) {}, nil},
		{"first units", func(v *pool.View) { v.Units = []pool.Unit{owned("c", "a", 1), owned("d", "b", 1)} }, []string{"units_taken: 1 unit: c"}},
		{"a failover", func(v *pool.View) {
			v.Members, v.Units = v.Members[:1], []pool.Unit{owned("c", "a", 1), owned("d", "a", 2)}
			v.Evictions, v.LastEviction = 1, pool.Eviction{Instance: "b", Incarnation: "b-2", At: second(3)}
			v.Failover = pool.Failover{At: second(3), Duration: 312 * time.Millisecond, From: "b", Units: 1}
		}, []string{"member_left: b (b-2)", "member_evicted: b (b-2): its process was proven dead",
			"units_taken: 1 unit from b: d; b was gone, and the last of its 1 units was taken after 312ms"}},
		{"a return", func(v *pool.View) {
			v.Members, v.Draining = append(v.Members, pool.Member{Incarnation: "b-3", Instance: "b"}), true
		}, []string{"member_joined: b (b-3) in zone unknown", "draining: 2 units to hand over"}},
		{"handed over", func(v *pool.View) { v.Units = []pool.Unit{owned("c", "b", 2), owned("d", "b", 3)} },
			[]string{"units_given: 2 units to b: c, d", "drained: nothing is left to hand over"}},
		{"drained for longer", func(*pool.View) {}, nil},
		{"undone", func(v *pool.View) { v.Draining = false }, []string{"drain_ended: units are taken again"}},
		{"cut off", func(v *pool.View) { v.Phase, v.Since = pool.Suspended, second(8) }, []string{"session_lost: nothing is taken over or given up; young records flow on"}},
		{"still", func(*pool.View) {}, nil},
		{"back", func(v *pool.View) { v.Phase, v.Since = pool.Connected, second(10) }, []string{"session_back: after 2s"}},
		{"expired", func(v *pool.View) { v.Phase, v.Incarnation, v.Expired, v.Members = pool.Connecting, "", 1, nil }, []string{"session_expired: all units were dropped; it joins again as a new member"}},
		{"again", func(v *pool.View) { v.Phase, v.Incarnation = pool.Connected, "a-9" }, []string{"pool_joined: as a-9, with 0 members in all"}},
		{"a problem", func(v *pool.View) { v.Problems = []string{"no right"} }, []string{"pool_problem: no right"}},
		{"the same problem", func(*pool.View) {}, nil},
	} {
		step.change(&r.view)
		if got := r.look(0); !slices.Equal(got, step.want) {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}

// TestAFailoverIsToldInItsOrder pins the times of its events, which are all seen at one look a while later.
func TestAFailoverIsToldInItsOrder(t *testing.T) {
	r := newPoolRig(t)
	r.look(0)
	r.view.Members, r.view.Units = r.view.Members[:1], []pool.Unit{owned("d", "a", 7)}
	r.view.Failover = pool.Failover{At: second(7), Duration: time.Second, From: "b", Units: 1}
	r.look(9)
	var times []int64
	for _, e := range r.events {
		times = append(times, e.Time.Unix()-second(0).Unix())
	}
	if want := []int64{6, 7}; !slices.Equal(times, want) { // the member left, its unit was taken
		t.Errorf("events of %v: at %v, want %v", r.events, times, want)
	}
}

func TestUnitsWithoutAnOwnerAreToldOfOnce(t *testing.T) {
	r := newPoolRig(t)
	r.look(0)
	r.view.Unowned = []pool.Unowned{{Unit: mirror.Unit{Topic: "c", Of: 1}, Since: second(0), Why: "no member has room"}}
	var told []string
	for at := 1; at < 30; at++ {
		told = append(told, r.look(at)...)
	}
	r.view.Unowned = nil
	told = append(told, r.look(30)...)
	want := []string{"unowned: 1 unit for more than 10s: c; no member has room", "owned: every unit has an owner"}
	if !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}

// TestManyTopicsAreFewLines pins that a thousand topics that come at once, beside one that was there, do not fill log and
// journal.
func TestManyTopicsAreFewLines(t *testing.T) {
	r := newPoolRig(t)
	all := []mirror.TopicStatus{topic("a-first", partition(0, caughtUp, 5, 5))}
	r.view.Units = []pool.Unit{owned("a-first", "a", 1)}
	r.holder.set(link(all...))
	r.look(0)
	r.log.take()
	for i := range 1000 {
		name := fmt.Sprintf("t%04d", i)
		p := partition(0, copying, 5, 9)
		p.Source.Topic = name
		all = append(all, topic(name, p))
		r.view.Units = append(r.view.Units, owned(name, "a", 1))
	}
	r.holder.set(link(all...))
	told := r.look(1)
	if got, want := r.log.take(), `level=INFO msg="mirroring started" link=up topics=1000 first=t0000 partitions=1000`; got != want {
		t.Errorf("log:\n%s\nwant\n%s", got, want)
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "units_taken: 1000 units: t0000, t0001,") || !strings.HasSuffix(told[0], "t0009 and 990 more") {
		t.Errorf("events: %q", told)
	}
}
