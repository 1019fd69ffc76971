package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

const (
	heartbeatTopic    = "mirror.heartbeats"
	heartbeatInterval = 500 * time.Millisecond
	heartbeatSilence  = 5 * time.Second // without news, after which such an origin is silent
	heartbeatPatience = time.Minute
	silentEdge        = "beats-edge"
	middleRegion      = "beats-region"
)

// originStatus is what a mirror shows of an origin of heartbeats.
type originStatus struct {
	Origin         string    `json:"origin"`
	State          string    `json:"state"`
	Why            string    `json:"why"`
	Time           time.Time `json:"time"`
	Sequence       int64     `json:"sequence"`
	Lost           int64     `json:"lost"`
	Missing        int64     `json:"missing"`
	LatencySeconds *float64  `json:"latency_seconds"`
	Summary        *struct {
		State        string     `json:"state"`
		LossDeadline *time.Time `json:"loss_deadline"`
	} `json:"summary"`
}

// origin asks for what the running mirror shows of an origin.
func (h *host) origin(ctx context.Context, name string) (found originStatus, err error) {
	var report struct {
		Heartbeats []originStatus  `json:"heartbeats"`
		Clusters   json.RawMessage `json:"heartbeat_clusters"`
	}
	if err := h.ask(ctx, "/api/v1/status", func(body io.Reader) error { return json.NewDecoder(body).Decode(&report) }); err != nil {
		return found, err
	}
	for _, o := range report.Heartbeats {
		if o.Origin == name {
			return o, nil
		}
	}
	return found, fmt.Errorf("origin %s is not shown: %+v, %s", name, report.Heartbeats, report.Clusters)
}

// awaitOrigin waits until what is shown of an origin is as wanted.
func (h *host) awaitOrigin(t *testing.T, name, what string, want func(originStatus) bool) (last originStatus) {
	t.Helper()
	eventually(t, heartbeatPatience, name+" "+what, func(ctx context.Context) (err error) {
		if last, err = h.origin(ctx, name); err == nil && !want(last) {
			err = fmt.Errorf("shown is %+v, %+v", last, last.Summary)
		}
		return err
	})
	return last
}

// tiers are an edge, a region and a home with the mirrors between them, and one at home that reads only.
type tiers struct{ edge, region, home *host }

// An edge whose mirror stands still is at home only silence: nothing newer of it is shown, the way that it shares is not
// blamed, and the time until it loses something goes on falling, also across a restart of the reader; when it wakes every
// heartbeat arrives.
func TestHeartbeatsOfASilentEdge(t *testing.T) {
	t.Parallel() // its clusters are its own, and it is waiting for the most part
	m := startTiers(t)
	before := m.home.awaitOrigin(t, silentEdge, "is heard", func(o originStatus) bool {
		return o.State == "ok" && o.Sequence >= 3 && o.LatencySeconds != nil && o.Summary != nil && o.Summary.LossDeadline != nil
	})
	m.home.awaitOrigin(t, middleRegion, "is heard", func(o originStatus) bool { return o.State == "ok" })
	if *before.LatencySeconds < 0 || *before.LatencySeconds > 30 {
		t.Errorf("latency from the edge to home: %v s", *before.LatencySeconds)
	}

	must(t, m.edge.run.freeze(within(t, time.Minute)))
	frozen := time.Now()
	silent := m.home.awaitOrigin(t, silentEdge, "is silent", func(o originStatus) bool { return o.State == "silent" })
	if took := time.Since(frozen); took < heartbeatSilence-heartbeatInterval-time.Second {
		t.Errorf("it was called silent after %v already", took)
	}
	m.requireSilence(t, silent, frozen)

	m.home.restart(t)
	again := m.home.awaitOrigin(t, silentEdge, "is silent after a restart of the reader", func(o originStatus) bool { return o.State == "silent" })
	if !again.Time.Equal(silent.Time) || again.Sequence != silent.Sequence || again.Summary == nil || again.Summary.LossDeadline == nil || !again.Summary.LossDeadline.Equal(*silent.Summary.LossDeadline) {
		t.Errorf("after a restart of the reader: %+v, %+v, before it %+v", again, again.Summary, silent)
	}
	m.requireSilence(t, again, frozen)

	must(t, m.edge.run.thaw())
	thawed := time.Now()
	awake := m.home.awaitOrigin(t, silentEdge, "is heard again", func(o originStatus) bool {
		return o.State == "ok" && o.Time.After(thawed) && o.Sequence > silent.Sequence+3
	})
	if awake.Lost != 0 || awake.Missing != 0 {
		t.Errorf("after it woke %d heartbeats are lost, %d missing, want none", awake.Lost, awake.Missing)
	}
	if !awake.Summary.LossDeadline.After(*silent.Summary.LossDeadline) {
		t.Errorf("the deadline stays at %v", silent.Summary.LossDeadline)
	}
}

// startTiers starts three clusters with their mirrors, each of which copies a topic of an hour's retention and the heartbeats.
func startTiers(t *testing.T) tiers {
	t.Helper()
	var clusters [3]*kafka.Cluster
	var wg sync.WaitGroup
	for i := range clusters {
		wg.Go(func() { clusters[i] = kafka.New(t, kafka.Options{}) })
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	must(t, clusters[0].CreateTopic(within(t, time.Minute), "beats", 1, 1, map[string]string{"retention.ms": "3600000"}))
	up := between(silentEdge, clusters[0], clusters[1], "beats", heartbeatTopic)
	up.Heartbeat = &heartbeatSettings{Produce: []string{fromName}, Interval: heartbeatInterval.String()}
	on := between(middleRegion, clusters[1], clusters[2], "beats", heartbeatTopic)
	on.Heartbeat = up.Heartbeat
	at := between("beats-home", clusters[1], clusters[2])
	at.Links, at.Heartbeat = nil, &heartbeatSettings{Read: []string{toName}}
	m := tiers{newHost(t, up), newHost(t, on), newHost(t, at)}
	for _, h := range []*host{m.edge, m.region, m.home} {
		h.start(t)
	}
	return m
}

// requireSilence looks at the silent edge for a second: it stays as it is, the countdown goes on, all views say the same,
// and the region's mirror is heard on the same way.
func (m tiers) requireSilence(t *testing.T, silent originStatus, frozen time.Time) {
	t.Helper()
	if silent.Time.After(frozen) {
		t.Errorf("a heartbeat of %v is shown, and the mirror was frozen at %v", silent.Time, frozen)
	}
	deadline := silent.Summary.LossDeadline
	left, begun := time.Until(*deadline), time.Now()
	if left <= 0 || left > time.Hour+time.Minute {
		t.Errorf("time until loss: %v, want up to the hour that the topic is kept", left)
	}
	must(t, pause(t.Context(), time.Second))
	now := m.home.awaitOrigin(t, silentEdge, "is still silent", func(o originStatus) bool { return o.State == "silent" })
	if !now.Time.Equal(silent.Time) || now.Sequence != silent.Sequence || now.Lost != 0 {
		t.Errorf("what is silent changed: %+v, before %+v", now, silent)
	}
	if fell := left - time.Until(*now.Summary.LossDeadline); fell < time.Since(begun)-100*time.Millisecond {
		t.Errorf("in %v the time until loss fell by %v", time.Since(begun), fell)
	}
	m.home.awaitOrigin(t, middleRegion, "is heard beside it", func(o originStatus) bool { return o.State == "ok" && o.Time.After(begun) })
	m.requireViews(t, silent)
}

// requireViews holds the metrics and the commands at home against what the API shows of the silent edge.
func (m tiers) requireViews(t *testing.T, silent originStatus) {
	t.Helper()
	ctx := within(t, time.Minute)
	metrics, err := m.home.metrics(ctx)
	must(t, err)
	label := fmt.Sprintf(`{origin="%s"}`, silentEdge)
	for name, want := range map[string]float64{
		"mirror_heartbeat_origin_timestamp_seconds" + label:        float64(silent.Time.UnixMilli()) / 1000,
		"mirror_heartbeat_loss_deadline_timestamp_seconds" + label: float64(silent.Summary.LossDeadline.UnixMilli()) / 1000,
		"mirror_heartbeat_lost_total" + label:                      0,
		"mirror_heartbeat_expected_origins":                        2,
		"mirror_heartbeat_missing_origins":                         1,
	} {
		if got, ok := metrics[name]; !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, ok, want)
		}
	}
	address, err := m.home.address()
	must(t, err)
	for _, args := range [][]string{{"heartbeat"}, {"status"}} {
		got, err := command(ctx, append(args, "--address", address)...)
		if err == nil && got.code != 0 {
			err = errors.New(got.stderr)
		}
		must(t, err)
		line := lineOf(got.stdout, silentEdge)
		if !strings.Contains(line, "SILENT") || !strings.Contains(line, "59m") && !strings.Contains(line, "1h00m") {
			t.Errorf("mirror %s says %q of the silent edge, in\n%s", args[0], line, got.stdout)
		}
	}
}

// lineOf returns the first line that names something.
func lineOf(text, name string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, name) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
