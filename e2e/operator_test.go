package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/e2e/load"
)

// A loss is told with its exact range by the status, the metrics, the events and the command that accepts it; nothing is
// passed over before an operator says so on the host itself, by a command that the journal has before it is done and
// after, across kills; the partition then goes on, and its sibling never stopped.
func TestOperatorAcceptsALoss(t *testing.T) {
	r := newRoute(t, "operator", stage.edge.get(t), stage.home.get(t), 2)
	r.host.start(t)
	r.produce(t, load.Spec{Partitions: 2, Records: 400, BatchRecords: []int{10}, Seed: 21})
	r.awaitCopied(t, 30*time.Second)
	must(t, r.host.run.kill()) // leaves its socket behind
	from := r.sourceEnds(t)[0]
	r.produce(t, load.Spec{Partitions: 2, Records: 400, BatchRecords: []int{10}, Seed: 22})
	ends := r.sourceEnds(t)
	to := from + 105 // in the middle of a batch
	must(t, r.from.DeleteRecords(within(t, 30*time.Second), r.topic, 0, to))

	r.host.start(t)
	o := operator{r, from, to}
	eventually(t, 30*time.Second, "the partition halts and its sibling arrives", func(ctx context.Context) error { return o.expectHalt(ctx, ends[1]) })
	o.requireTold(t)
	o.requireRefusals(t)
	o.accept(t)
	eventually(t, 30*time.Second, "the rest arrives", func(ctx context.Context) error { return o.expectArrived(ctx, ends) })
	eventually(t, 10*time.Second, "the status follows", func(ctx context.Context) error { return r.host.expectState(ctx, r.topic, "caught_up") })

	r.host.restart(t)
	eventually(t, 30*time.Second, "it stays decided", func(ctx context.Context) error { return r.host.expectState(ctx, r.topic, "caught_up") })
	o.requireJournal(t)
	r.host.stop(t)
	must(t, o.expectArrived(t.Context(), ends))
}

// operator is who decides about the loss of the offsets from up to but without to of partition 0.
type operator struct {
	*route
	from, to int64
}

func (r *route) sourceEnds(t *testing.T) map[int32]int64 {
	t.Helper()
	ends, err := r.from.EndOffsets(within(t, 30*time.Second), r.topic)
	must(t, err)
	return ends
}

// expectHalt returns an error unless partition 0 is halted and all of partition 1 has arrived.
func (o *operator) expectHalt(ctx context.Context, siblingEnd int64) error {
	got, err := o.host.topic(ctx, o.topic)
	if err != nil {
		return err
	}
	if len(got.Partitions) != 2 || got.Partitions[0].State != "halted" || got.Partitions[0].Reason != "retention" {
		return fmt.Errorf("partition 0 is not halted by retention: %+v", got.Partitions)
	}
	ends, err := o.route.to.EndOffsets(ctx, o.topic)
	if err == nil && (ends[0] != o.from || ends[1] != siblingEnd) {
		err = fmt.Errorf("the destination ends at %v, want %d and %d", ends, o.from, siblingEnd)
	}
	return err
}

// expectArrived returns an error unless the destination has exactly what is left.
func (o *operator) expectArrived(ctx context.Context, sourceEnds map[int32]int64) error {
	ends, err := o.route.to.EndOffsets(ctx, o.topic)
	if want := sourceEnds[0] - (o.to - o.from); err == nil && (ends[0] != want || ends[1] != sourceEnds[1]) {
		err = fmt.Errorf("the destination ends at %v, want %d and %d", ends, want, sourceEnds[1])
	}
	return err
}

// toldLoss is a loss as the status, the events and the answer to a skip have it.
type toldLoss struct {
	From    *int64     `json:"from"`
	To      *int64     `json:"to"`
	Records *int64     `json:"records"`
	Since   *time.Time `json:"since"`
	Until   *time.Time `json:"until"`
}

func (o *operator) requireLoss(t *testing.T, where string, l *toldLoss) {
	t.Helper()
	if l == nil || l.From == nil || l.To == nil || l.Records == nil || *l.From != o.from || *l.To != o.to || *l.Records != o.to-o.from {
		text, _ := json.Marshal(l)
		t.Errorf("%s has the loss %s, want %d to %d", where, text, o.from, o.to)
		return
	}
	if l.Since == nil || l.Until == nil || l.Until.Before(*l.Since) {
		t.Errorf("%s has the loss without its time span: %v to %v", where, l.Since, l.Until)
	}
}

// requireTold compares what the status, the metrics and the command say of the loss.
func (o *operator) requireTold(t *testing.T) {
	t.Helper()
	var status struct {
		Links []struct {
			Topics []struct {
				Partitions []struct {
					Lost     *toldLoss `json:"lost"`
					NextStep string    `json:"next_step"`
				} `json:"partitions"`
			} `json:"topics"`
		} `json:"links"`
	}
	_, body := o.request(t, http.MethodGet, "/api/v1/status")
	must(t, json.Unmarshal([]byte(body), &status))
	halted := status.Links[0].Topics[0].Partitions[0]
	o.requireLoss(t, "the status", halted.Lost)
	if want := "mirror skip operator operator/0 --i-accept-loss"; halted.NextStep != want {
		t.Errorf("next step: got %q, want %q", halted.NextStep, want)
	}
	_, metrics := o.request(t, http.MethodGet, "/metrics")
	for _, want := range []string{
		fmt.Sprintf(`mirror_records_lost_total{cause="retention",link="operator",topic="operator"} %d`, o.to-o.from),
		`mirror_records_skipped_total{link="operator",reason="operator",topic="operator"} 0`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	got := o.run(t, "skip", "operator", "operator/0")
	want := fmt.Sprintf("lost: %d records, offsets %d to %d, after ", o.to-o.from, o.from, o.to-1)
	if got.code != 64 || got.stdout != "" || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "--i-accept-loss --from beginning") {
		t.Errorf("skip without acceptance: exit code %d, %q, %q; want 64 and %q", got.code, got.stdout, got.stderr, want)
	}
}

// requireRefusals asks for what must not be done.
func (o *operator) requireRefusals(t *testing.T) {
	t.Helper()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"operator", "operator/1", "--i-accept-loss"}, "not halted"},
		{[]string{"operator", "operator/2", "--i-accept-loss"}, "does not mirror"},
		{[]string{"operator", "operator/0", "--i-accept-loss", "--to", fmt.Sprint(o.from)}, "does not have"},
	} {
		got := o.run(t, append([]string{"skip"}, test.args...)...)
		if got.code != 1 || !strings.Contains(got.stderr, test.want) {
			t.Errorf("skip %v: exit code %d, %q; want 1 and %q", test.args, got.code, got.stderr, test.want)
		}
	}
	if code, body := o.request(t, http.MethodPost, "/api/v1/links/operator/topics/operator/partitions/0/skip"); code != http.StatusNotFound {
		t.Errorf("a skip over the network: %d, %s", code, body)
	}
	if err := o.expectHalt(t.Context(), o.sourceEnds(t)[1]); err != nil {
		t.Errorf("what was refused changed something: %v", err)
	}
}

// accept lets the partition go on.
func (o *operator) accept(t *testing.T) {
	t.Helper()
	got := o.run(t, "skip", "operator", "operator/0", "--i-accept-loss", "-o", "json")
	if got.code != 0 {
		t.Fatalf("skip: exit code %d: %s", got.code, got.stderr)
	}
	var done struct {
		Reason    string    `json:"reason"`
		Lost      *toldLoss `json:"lost"`
		ResumesAt int64     `json:"resumes_at"`
	}
	must(t, json.Unmarshal([]byte(got.stdout), &done))
	o.requireLoss(t, "the answer", done.Lost)
	if done.ResumesAt != o.to || done.Reason != "retention" {
		t.Errorf("got %+v, want it to go on at %d", done, o.to)
	}
}

// requireJournal reads what happened, of this process and of those that were killed.
func (o *operator) requireJournal(t *testing.T) {
	t.Helper()
	var kinds []string
	last := uint64(0)
	for line := range strings.Lines(o.run(t, "events", "-n", "1000", "-o", "json").stdout) {
		var e struct {
			ID        uint64    `json:"id"`
			Kind      string    `json:"kind"`
			Partition *int32    `json:"partition"`
			Lost      *toldLoss `json:"lost"`
			ResumesAt *int64    `json:"resumes_at"`
			UID       *int      `json:"uid"`
		}
		must(t, json.Unmarshal([]byte(line), &e))
		if e.ID <= last {
			t.Errorf("event %d follows event %d", e.ID, last)
		}
		last = e.ID
		switch e.Kind {
		case "halted", "skip_done":
			o.requireLoss(t, "event "+e.Kind, e.Lost)
		}
		if asked := strings.HasPrefix(e.Kind, "skip_"); asked && (e.UID == nil || *e.UID != os.Getuid()) {
			t.Errorf("event %s does not say who asked: %s", e.Kind, line)
		}
		if slices.Contains([]string{"process_started", "halted", "skip_requested", "skipped", "skip_done", "skip_failed"}, e.Kind) {
			kinds = append(kinds, e.Kind)
		}
	}
	want := []string{"process_started", "process_started", "halted", "skip_requested", "skip_failed", "skip_requested", "skip_failed",
		"skip_requested", "skip_failed", "skip_requested", "skipped", "skip_done", "process_started"}
	if !slices.Equal(kinds, want) {
		t.Errorf("events:\ngot  %v\nwant %v", kinds, want)
	}
}

// run runs a command against the mirror.
func (o *operator) run(t *testing.T, args ...string) answer {
	t.Helper()
	got, err := o.host.command(within(t, 30*time.Second), args...)
	must(t, err)
	return got
}

// request asks the mirror over the network.
func (o *operator) request(t *testing.T, method, path string) (code int, body string) {
	t.Helper()
	address, err := o.host.address()
	must(t, err)
	var sent io.Reader
	if method == http.MethodPost {
		sent = strings.NewReader(`{"accept_loss":true}`)
	}
	request, err := http.NewRequestWithContext(within(t, 5*time.Second), method, "http://"+address+path, sent)
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(text)
}
