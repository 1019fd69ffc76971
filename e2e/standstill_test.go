package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

const (
	standsWithin = time.Minute      // from a fault until everything tells of it, on a machine that has much else to do
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
// loss, a quota, its own freeze: lag rises or is unknown and never 0, states and readiness are right, exactly one line of
// level ERROR tells of it, `mirror check` ends with the right code while it lasts and with 0 after it; and for what is idle,
// was just restarted or catches up, it never ends with another code than 0.
func TestStandstill(t *testing.T) {
	t.Parallel()
	s := newStandstills(t)
	rows := s.rows(t)
	idle := s.route(t, "still-idle", s.from.Direct(), s.to.Direct())
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
	idle.requireNoAlarm(t, "idle")
	for _, row := range faulty { // all at once: some get in each other's way
		t.Run(row.name+"/ends", row.end)
	}
	for _, row := range faulty {
		t.Run(row.name+"/is over", func(t *testing.T) {
			took := eventually(t, healsWithin, "all is well again", row.allWell)
			t.Logf("all is well again after %v", took.Round(100*time.Millisecond))
		})
	}
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
}

func newStandstills(t *testing.T) *standstills {
	t.Helper()
	keep := map[string]string{"log.retention.ms": "-1"}
	return &standstills{from: kafka.New(t, kafka.Options{Lanes: 2, Properties: keep}), to: kafka.New(t, kafka.Options{Nodes: 3, Lanes: 2, Properties: poolProperties(keep)}),
		strict: newSecured(t, time.Hour), zk: kafka.NewZooKeeper(t, kafka.ZooKeeperOptions{Nodes: 1})}
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
	for _, name := range []string{"still-idle", "still-backlog", "still-down", "still-silent", "still-source", "still-halted", "still-frozen", "still-pool", "still-pool-old"} {
		s.make(t, name)
	}
	rows := []*standstill{
		s.away(s.route(t, "still-down", from, s.to.Lane(1)), "destination down", lane(s.to, 1), (*kafka.Proxy).Cut),
		s.away(s.route(t, "still-silent", from, s.to.Lane(2)), "destination silent", lane(s.to, 2), (*kafka.Proxy).BlackHole),
		s.away(s.route(t, "still-source", s.from.Lane(1), to), "source down", lane(s.from, 1), (*kafka.Proxy).Cut),
		s.forbidden(s.route(t, "still-acl", from, nil, func(c *settings) { c.Clusters[toName] = s.strict.settings() })),
		s.withoutReplicas(t),
		s.throttled(s.route(t, "still-quota", from, s.strict.Direct())),
		s.halted(s.route(t, "still-halted", s.from.Lane(2), to)),
		s.frozen(s.route(t, "still-frozen", from, to)),
		s.alone(t),
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

// allWell returns an error unless all that tells of a trouble tells of none.
func (row *standstill) allWell(ctx context.Context) error {
	for _, check := range [][]string{row.check, {"check", "daemon"}} {
		if code, text := row.r.host.judge(ctx, check...); code != 0 {
			return fmt.Errorf("%v: exit %d: %s", check, code, text)
		}
	}
	topic, err := row.r.host.topic(ctx, row.r.topic)
	if err != nil {
		return err
	}
	if topic.LagRecords == nil || topic.ReplicatedThrough == nil || topic.State != "copying" && topic.State != "caught_up" {
		return fmt.Errorf("the topic is %+v", topic)
	}
	return row.r.host.ask(ctx, "/readyz", drained)
}

// requireTold proves that all that tells of a trouble tells of this one, and the log once.
func (row *standstill) requireTold(t *testing.T, begun time.Time) {
	t.Helper()
	took := eventually(t, standsWithin, "the fault takes place", row.fired)
	var line string
	took += eventually(t, standsWithin, "the check tells", func(ctx context.Context) error {
		code, text := row.r.host.judge(ctx, row.check...)
		if line, _, _ = strings.Cut(text, "\n"); code != row.code || !strings.Contains(line, row.says) {
			return fmt.Errorf("exit %d, want %d with %q: %s", code, row.code, row.says, text)
		}
		return nil
	})
	t.Logf("after %v: %s", took.Round(100*time.Millisecond), line)
	if row.mute {
		row.requireMute(t)
		return
	}
	eventually(t, standsWithin, "status and log tell", func(ctx context.Context) error {
		return errors.Join(row.stands(ctx), row.readiness(ctx), row.logged(begun))
	})
	must(t, row.r.host.ask(t.Context(), "/livez", drained))
	// A second line would come with the next thing that notices.
	must(t, pause(t.Context(), 2*time.Second))
	must(t, row.logged(begun))
}

// stands returns an error unless the status says that the topic stands, and how far behind it is, or that this is unknown.
func (row *standstill) stands(ctx context.Context) error {
	topic, err := row.r.host.topic(ctx, row.r.topic)
	if err != nil {
		return err
	}
	if row.state != "" && topic.State != row.state {
		return fmt.Errorf("the topic is %s, want %s: %+v", topic.State, row.state, topic.Partitions)
	}
	if row.flows {
		return nil
	}
	if topic.LagRecords != nil && *topic.LagRecords == 0 {
		return errors.New("the status says that nothing is behind")
	}
	if through := topic.ReplicatedThrough; through != nil && time.Since(*through) < 5*time.Second {
		return fmt.Errorf("the status says that all was there %v ago", time.Since(*through))
	}
	values, err := row.r.host.metrics(ctx)
	if err != nil {
		return err
	}
	series := fmt.Sprintf(`{link=%q,topic=%q}`, row.r.topic, row.r.topic)
	if lag, ok := values["mirror_lag_records"+series]; ok && lag == 0 {
		return errors.New("the metrics say that nothing is behind")
	}
	if through, ok := values["mirror_replicated_through_timestamp_seconds"+series]; !ok || time.Since(time.UnixMilli(int64(through*1000))) < 5*time.Second {
		return fmt.Errorf("mirror_replicated_through_timestamp_seconds is %v, %v", through, ok)
	}
	return nil
}

func (row *standstill) readiness(ctx context.Context) error {
	err := row.r.host.ask(ctx, "/readyz", drained)
	if ready := err == nil; ready != row.ready {
		return fmt.Errorf("ready: %v, want %v: %w", ready, row.ready, err)
	}
	return nil
}

// logged returns an error unless there were as many lines of level ERROR since the fault began, and no warning came more often
// than every ten seconds.
func (row *standstill) logged(begun time.Time) error {
	severe := row.r.host.run.logSince(begun, "ERROR")
	most := row.errors
	if most > 0 {
		most += int(time.Since(begun) / time.Minute)
	}
	if n := len(severe); n > most || n < row.errors && !row.wavers {
		return fmt.Errorf("%d lines of level ERROR in %v, want %d, and one a minute at most after it: %v", n, time.Since(begun).Round(time.Second), row.errors, severe)
	}
	count := map[string]int{}
	for _, line := range row.r.host.run.logSince(begun, "WARN") {
		count[line]++
	}
	for line, n := range count {
		if most := 1 + int(time.Since(begun)/(10*time.Second)); n > most {
			return fmt.Errorf("%d warnings in %v: %s", n, time.Since(begun).Round(time.Second), line)
		}
	}
	return nil
}

// requireMute proves that a scraper sees no old numbers either.
func (row *standstill) requireMute(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if values, err := row.r.host.metrics(ctx); err == nil {
		t.Errorf("the metrics are served: %d of them", len(values))
	}
}

// requireNoAlarm proves that every check is content with a mirror that is well, whatever it looks like.
func (r *route) requireNoAlarm(t *testing.T, looks string) {
	t.Helper()
	for _, check := range [][]string{{"check", "lag", "-w", "5s", "-c", "10s"}, {"check", "daemon"}, {"check", "watchers"}} {
		if code, text := r.host.judge(t.Context(), append(check, "--timeout", "20s")...); code != 0 {
			t.Errorf("%s: %v: exit %d: %s", looks, check, code, text)
		}
	}
}

// judge runs a check on the host.
func (h *host) judge(ctx context.Context, args ...string) (code int, text string) {
	timeout := []string{"--timeout", "2s"}
	if slices.Contains(args, "--timeout") {
		timeout = nil
	}
	cmd := exec.CommandContext(ctx, stage.binary, append(append(slices.Clone(args), "--config", h.config), timeout...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), strings.TrimSpace(out.String())
		}
		return -1, err.Error()
	}
	return 0, strings.TrimSpace(out.String())
}
