package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"tributary/e2e/load"
)

// rewrite changes the configuration on disk, which the running mirror does not know of yet.
func (h *host) rewrite(t *testing.T, change func(*settings)) {
	t.Helper()
	change(&h.settings)
	h.settings.write(t, h.dir)
}

// does runs a command that succeeds, and returns what it says.
func (h *host) does(t *testing.T, args ...string) string {
	t.Helper()
	got, err := h.command(within(t, time.Minute), args...)
	must(t, err)
	if got.code != 0 {
		t.Fatalf("mirror %s: exit code %d: %s", strings.Join(args, " "), got.code, got.stderr)
	}
	return got.stdout
}

// refuses runs a command that ends with a code and says why.
func (h *host) refuses(t *testing.T, code int, why string, args ...string) {
	t.Helper()
	got, err := h.command(within(t, time.Minute), args...)
	must(t, err)
	if got.code != code || !strings.Contains(got.stderr, why) {
		t.Errorf("mirror %s: exit code %d: %s; want %d and %q", strings.Join(args, " "), got.code, got.stderr, code, why)
	}
}

// without says that the status does not show a topic.
func (h *host) without(ctx context.Context, topic string) error {
	report, err := h.status(ctx)
	if err != nil {
		return err
	}
	for _, shown := range report.Links[0].Topics {
		if shown.Topic == topic {
			return fmt.Errorf("it is still there: %s", shown.State)
		}
	}
	return nil
}

// Topics come and go by a reload under load, a pause holds one back over a kill, and nothing is lost, doubled or reordered; a
// file that is wrong changes nothing and says why.
func TestReload(t *testing.T) {
	t.Parallel()
	r := newRoute(t, "reload", stage.edge.get(t), stage.home.get(t), 2)
	other := &route{from: r.from, to: r.to, topic: "reload-other", host: r.host}
	must(t, r.from.CreateTopic(within(t, time.Minute), other.topic, 2, 1, nil))
	r.host.start(t)
	spec := load.Spec{Partitions: 2, Rate: 500, Seed: 1}
	one, two := r.startTraffic(t, spec), other.startTraffic(t, spec)
	r.awaitMore(t, 500, time.Minute)

	r.host.rewrite(t, func(s *settings) { s.link().Topics.Include, s.Log.Level = []string{"reload*"}, "debug" })
	if got := r.host.does(t, "reload"); !strings.Contains(got, "log.level: info -> debug") || !strings.Contains(got, "topics.include: [reload] -> [reload*]") {
		t.Errorf("reload said %q", got)
	}
	other.awaitMore(t, 500, time.Minute)
	requireRefusals(t, r.host)

	for range 3 { // out and in again, while both are written to
		r.host.rewrite(t, func(s *settings) { s.link().Topics.Exclude = []string{r.topic} })
		must(t, r.host.run.signal(syscall.SIGHUP))
		eventually(t, time.Minute, "the excluded topic stops", func(ctx context.Context) error { return r.host.without(ctx, r.topic) })
		other.awaitMore(t, 200, time.Minute)
		r.host.rewrite(t, func(s *settings) { s.link().Topics.Exclude = nil })
		r.host.does(t, "reload")
		r.awaitMore(t, 200, time.Minute)
	}

	requirePaused(t, r, other)
	reports := []load.Report{one.end(t), two.end(t)}
	r.awaitCopied(t, time.Minute)
	other.awaitCopied(t, time.Minute)
	r.requireExact(t, reports[0])
	other.requireExact(t, reports[1])
}

// requireRefusals reloads what is wrong, or needs a restart. The mirror goes on as before, which its metric tells of.
func requireRefusals(t *testing.T, h *host) {
	t.Helper()
	sound, err := os.ReadFile(h.config)
	must(t, err)
	for _, bad := range []struct {
		text string
		code int
		why  string
	}{
		{strings.Replace(string(sound), "include:", "inclde:", 1), 78, "include"},
		{strings.Replace(string(sound), "instance: reload", "instance: another", 1), 1, "instance: reload -> another"},
	} {
		must(t, os.WriteFile(h.config, []byte(bad.text), 0o600))
		h.refuses(t, bad.code, bad.why, "reload")
		metrics, err := h.metrics(within(t, time.Minute))
		must(t, err)
		if got := metrics["mirror_config_last_reload_successful"]; got != 0 {
			t.Errorf("mirror_config_last_reload_successful is %v after a bad reload", got)
		}
	}
	must(t, os.WriteFile(h.config, sound, 0o600))
	h.does(t, "reload")
}

// requirePaused pauses a topic, kills the mirror, and resumes it, while another goes on.
func requirePaused(t *testing.T, r, other *route) {
	t.Helper()
	h := r.host
	eventually(t, time.Minute, "the status shows the topic", func(ctx context.Context) error { _, err := h.topic(ctx, r.topic); return err })
	h.does(t, "pause", h.settings.link().Name, r.topic, "--for", "1h")
	settled := int64(-1)
	eventually(t, time.Minute, "nothing more of the paused topic arrives", func(ctx context.Context) error {
		before := settled
		now, err := r.arrived(ctx)
		if settled = now; err != nil || now != before {
			return errors.Join(err, fmt.Errorf("%d arrived, %d before", now, before))
		}
		return h.expectState(ctx, r.topic, "paused")
	})
	h.restart(t)
	other.awaitMore(t, 300, time.Minute)
	eventually(t, time.Minute, "the topic is paused, and its lag grows", func(ctx context.Context) error {
		topic, err := h.topic(ctx, r.topic)
		if err == nil && (topic.State != "paused" || topic.LagRecords == nil || *topic.LagRecords < 100) {
			err = fmt.Errorf("it is %s with a lag of %v", topic.State, topic.LagRecords)
		}
		return err
	})
	if now, err := r.arrived(t.Context()); err != nil || now != settled {
		t.Errorf("%d records arrived, %d before: %v", now, settled, err)
	}
	h.does(t, "resume", h.settings.link().Name)
	r.awaitMore(t, 300, time.Minute)
}
