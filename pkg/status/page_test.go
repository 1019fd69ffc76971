package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

func TestPageShowsTheWorstFirst(t *testing.T) {
	s := full()
	s.Links[0].Topics = append([]lag.Topic{
		{Topic: "quiet", State: mirror.StateCaughtUp, ReplicatedThrough: moment(0)},
		{Topic: "slow", State: mirror.StateCopying, ReplicatedThrough: moment(-900)},
		{Topic: "slower", State: mirror.StateCopying, ReplicatedThrough: moment(-9000)},
		{Topic: "unknown", State: mirror.StateCopying},
		{Topic: "strange", State: "burning"},
	}, s.Links[0].Topics...)
	s.Links[1].Topics = []lag.Topic{{Topic: "lost", State: lag.StateUnowned}}
	v := newView(s, *moment(60))
	var got []string
	for _, row := range v.Rows {
		got = append(got, row.Topic)
	}
	if want := "strange clicks lost dark unknown slower slow quiet"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	clicks, dark := v.Rows[1], v.Rows[3]
	if clicks.Behind != "1h1m0s" || clicks.Lag != "1000" || clicks.Lost != 900 || clicks.Class != "bad" ||
		len(clicks.Choices) != 3 || clicks.Choices[0].Command != "mirror skip up clicks/3 --i-accept-loss" ||
		!strings.HasSuffix(clicks.Why, "; lost: source offsets 60000 to 60899 (900)") || !strings.HasPrefix(clicks.Why, "partition 3: the source deleted") {
		t.Errorf("clicks: %+v", clicks)
	}
	if clicks.LossIn != "22h59m0s (retention time)" || dark.LossIn != unknown && dark.LossIn != "-" || len(v.Disks) != 1 || v.Disks[0].FullIn != "30h59m0s" {
		t.Errorf("loss in %q and %q, disks %+v", clicks.LossIn, dark.LossIn, v.Disks)
	}
	if dark.Behind != unknown || dark.Lag != unknown || dark.Class != "warn" || dark.Choices != nil {
		t.Errorf("dark: %+v", dark)
	}
}

func TestPage(t *testing.T) {
	code, body := get(newServer(t, freshly(full())), "/")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	for _, want := range []string{"<title>halted - mirror ad-17</title>", `http-equiv="refresh" content="5"`, "partition 0: dial &lt;region-1:9093&gt;: refused",
		"memory 1.0 MiB of 64.0 MiB", "<caption>Disks of the sources</caption>", "<th>Loss in</th>", "at-least-once", "<code>mirror skip up clicks/3 --i-accept-loss</code> goes on at", "<br>or <code>mirror skip up clicks/3 --i-accept-loss --to OFFSET</code>"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "this process hangs", "the process hangs", "Starting:"} {
		if strings.Contains(body, never) {
			t.Errorf("%s is there", never)
		}
	}
}

func TestPageOfAnOldOrMissingSnapshot(t *testing.T) {
	if code, body := get(newServer(t, full), "/"); code != 200 || !strings.Contains(body, "the process hangs") || !strings.Contains(body, "clicks") {
		t.Errorf("old: %d\n%s", code, body)
	}
	if code, body := get(newServer(t, func() *lag.Snapshot { return nil }), "/"); code != 200 || !strings.Contains(body, "Starting:") || strings.Contains(body, "<table") {
		t.Errorf("missing: %d\n%s", code, body)
	}
	if _, body := get(newServer(t, freshly(&lag.Snapshot{})), "/"); !strings.Contains(body, "No links.") || !strings.Contains(body, "No topic is mirrored yet.") || !strings.Contains(body, "memory ? of") {
		t.Errorf("empty:\n%s", body)
	}
}

func TestBehind(t *testing.T) {
	now := *moment(0)
	for want, at := range map[string]*time.Time{unknown: nil, "0s": moment(3), "59s": moment(-59), "1h0m1s": moment(-3601)} {
		if got := behind(at, now); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
}

func TestPageIsBounded(t *testing.T) {
	var names []string
	for i := range maxRows + 7 {
		names = append(names, fmt.Sprint(i))
	}
	s := topicsNamed(names...)
	s.Links[0].Topics[maxRows+3].State = mirror.StateHalted
	v := newView(s, time.Now())
	if len(v.Rows) != maxRows || v.More != 7 || v.Rows[0].State != "halted" {
		t.Errorf("%d rows, %d more, the first %s", len(v.Rows), v.More, v.Rows[0].State)
	}
}

func TestWhyExplainsWithTheWorst(t *testing.T) {
	halted := lag.Partition{Partition: 1, State: mirror.StateHalted, Why: "gone"}
	waits := lag.Partition{Partition: 2, State: mirror.StateWaiting, Why: "refused"}
	for _, test := range []struct {
		name, problem string
		partitions    []lag.Partition
		want          string
	}{
		{"nothing", "", nil, ""},
		{"a problem of the topic", "no right", []lag.Partition{waits}, "no right"},
		{"a halt is worse than a problem", "no right", []lag.Partition{waits, halted}, "partition 1: gone"},
		{"the worst", "", []lag.Partition{waits, halted}, "partition 1: gone"},
		{"waiting", "", []lag.Partition{waits}, "partition 2: refused"},
	} {
		if got := newTopicRow(lag.Link{}, lag.Topic{Problem: test.problem, Partitions: test.partitions}, time.Now()).Why; got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestPageOfAPool(t *testing.T) {
	s := newServer(t, freshly(shared()))
	_, body := get(s, "/")
	for _, want := range []string{`<tr class="bad"><td>connected</td><td>up</td>`, "<td>ad-18</td><td class=\"n\">2</td><td class=\"n\">1</td><td class=\"n\">1</td><td>312ms, 4 units from ad-19,", "&lt;ad-18&gt; answers nothing",
		`<tr class="warn"><td>draining</td><td>up</td><td>ad-18</td><td>z2</td><td class="n">0.5</td><td>silent</td><td class="n">1</td></tr>`,
		`<tr class="ok"><td>elsewhere</td><td>up</td><td>far</td><td>ad-18</td>`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if _, body := get(newServer(t, freshly(full())), "/"); strings.Contains(body, "Pools") {
		t.Error("a process without a pool shows pools")
	}
}
