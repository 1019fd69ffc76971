package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

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
	row.requireDiagnosed(t)
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

// logged returns an error unless there were as many lines of level ERROR since the fault began, or with none of them a warning, and
// no warning came more often than every ten seconds.
func (row *standstill) logged(begun time.Time) error {
	severe := row.r.host.run.logSince(begun, "ERROR")
	most := row.errors
	if most > 0 {
		most += int(time.Since(begun) / time.Minute)
	}
	if n := len(severe); n > most || n < row.errors && !row.wavers {
		return fmt.Errorf("%d lines of level ERROR in %v, want %d, and one a minute at most after it: %v", n, time.Since(begun).Round(time.Second), row.errors, severe)
	}
	if row.errors == 0 && len(row.r.host.run.logSince(begun, "WARN")) == 0 {
		return errors.New("the log says nothing")
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

// requireNoAlarm proves that every check is content with a mirror that is well, whatever it looks like. What is asked for lies within
// the defaults: for a second after a start the lag is known to half a minute only.
func (r *route) requireNoAlarm(t *testing.T, looks string) {
	t.Helper()
	for _, check := range [][]string{{"check", "lag"}, {"check", "daemon"}, {"check", "watchers"}, headroom()} {
		if code, text := r.host.judge(t.Context(), append(check, "--timeout", "20s")...); code != 0 {
			t.Errorf("%s: %v: exit %d: %s", looks, check, code, text)
		}
	}
}

// requirePool proves that an operator can keep new traffic away from a host, and end that.
func (r *route) requirePool(t *testing.T) {
	t.Helper()
	for _, step := range []struct {
		mode string
		in   bool
	}{{"drain", false}, {"auto", true}} {
		if got, err := r.host.command(t.Context(), "pool", step.mode); err != nil || got.code != 0 {
			t.Errorf("pool %s: %v, %+v", step.mode, err, got)
		}
		if err := r.host.ask(t.Context(), "/poolz", drained); (err == nil) != step.in {
			t.Errorf("after pool %s: /poolz says %v, want in: %v", step.mode, err, step.in)
		}
	}
}

// judge runs a check on the host; -1 where it could not be run.
func (h *host) judge(ctx context.Context, args ...string) (code int, text string) {
	if !slices.Contains(args, "--timeout") {
		args = append(slices.Clone(args), "--timeout", "2s")
	}
	got, err := h.command(ctx, args...)
	if err != nil {
		return -1, err.Error()
	}
	return got.code, strings.TrimSpace(got.stdout + got.stderr)
}
