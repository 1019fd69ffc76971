package lag

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/probe"
)

// told is an observer that told of a topic, one record of which waits since an hour, and wrote that down.
func told(t *testing.T, h *holder) (path string, deadline time.Time) {
	t.Helper()
	o, _ := newObserver(t, h)
	o.cfg.Path = filepath.Join(t.TempDir(), "outlook.json")
	o.cfg.Probes = map[string]Probes{"up": {Source: func() *probe.Answer {
		return &probe.Answer{Topics: map[string]*probe.Topic{"clicks": {Settings: kept(), Partitions: []*probe.Partition{
			{At: second(0), End: 10, Heads: []probe.Head{{Offset: 4, Max: second(-3600).UnixMilli()}}}}}}}
	}}}
	h.set(link(topic("clicks", partition(0, mirror.StateCaughtUp, 4, 4)), topic("views")))
	o.recall()
	o.observe(second(0))
	h.set(link(topic("clicks", partition(0, mirror.StateWaiting, 4, 10)), topic("views")))
	o.observe(second(1))
	got := o.Snapshot().Links[0].Topics[0]
	if got.LossDeadline == nil || got.ReplicatedThrough == nil {
		t.Fatalf("got %+v", got)
	}
	remember(o, second(1))
	return o.cfg.Path, *got.LossDeadline
}

// remember writes what the observer tells, and returns when it is written.
func remember(o *Observer, at time.Time) {
	disk := o.newSaver()
	o.remember(at, disk)
	o.end(disk)
}

// A disk that hangs keeps the observer neither from looking, by which it is judged to be alive, nor from ending.
func TestALookWaitsForNoDisk(t *testing.T) {
	h := &holder{}
	o, _ := newObserver(t, h)
	o.cfg.Path = filepath.Join(t.TempDir(), "outlook.json")
	pipe := o.cfg.Path + ".new"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil { // to open it waits for a reader
		t.Fatal(err)
	}
	h.set(link(topic("clicks", partition(0, mirror.StateCaughtUp, 4, 4))))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	var first *Snapshot
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if s := o.Snapshot(); first == nil {
			first = s
		} else if s != first {
			break
		}
		if time.Now().After(until) {
			t.Fatal("no second look")
		}
	}
	stop()
	select {
	case <-ended:
	case <-time.After(lastSave + 20*time.Second):
		t.Error("it does not end")
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // whoever writes goes on, and fails: a pipe is no file
	if err != nil {
		t.Fatalf("nobody was to write: %v", err)
	}
	defer reader.Close()
	awaitSavers(t)
}

// awaitSavers waits until nobody writes a file any more.
func awaitSavers(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		if stacks = stacks[:runtime.Stack(stacks, true)]; !bytes.Contains(stacks, []byte("durable.(*Saver)")) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("somebody still writes:\n%s", stacks)
		}
	}
}

// A topic that was there, and goes while another one has a problem of its own, does not come back with what was told before.
func TestWhatWasThereIsNotRecalledAgain(t *testing.T) {
	h := &holder{}
	path, _ := told(t, h)
	o, _ := newObserver(t, h)
	o.cfg.Path = path
	o.recall()
	troubled := func(topics ...mirror.TopicStatus) mirror.LinkStatus {
		s := link(topics...)
		s.Problem = "topic views: cannot be made"
		return s
	}
	h.set(troubled(topic("clicks", partition(0, mirror.StateCopying, 4, 10))))
	o.observe(second(3600))
	h.set(troubled())
	o.observe(second(3601))
	if got := o.Snapshot().Links[0].Topics; len(got) != 0 {
		t.Errorf("it came back: %+v", got)
	}
}

// A topic that is not there while nothing is wrong is gone, also where the link has no other.
func TestTheLastTopicIsForgotten(t *testing.T) {
	h := &holder{}
	path, _ := told(t, h)
	o, _ := newObserver(t, h)
	o.cfg.Path = path
	o.recall()
	h.set(link())
	for _, at := range []int{3600, 3600 + int(recallFor/time.Second)} {
		o.observe(second(at))
		if got := o.Snapshot().Links[0].Topics; len(got) != 1 {
			t.Fatalf("at %d: got %+v, want what was told", at, got)
		}
	}
	o.observe(second(3601 + int(recallFor/time.Second)))
	if got := o.Snapshot().Links[0].Topics; len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// A process that begins while a cluster does not answer tells what was told before, until it knows better.
func TestTheCountdownOutlivesARestart(t *testing.T) {
	h := &holder{}
	path, deadline := told(t, h)
	o, _ := newObserver(t, h)
	o.cfg.Path = path
	o.recall()
	h.set(mirror.LinkStatus{Name: "up", From: "edge", To: "region", Problem: "region cannot be asked"})
	o.observe(second(3600))
	topics := o.Snapshot().Links[0].Topics
	if len(topics) != 1 || topics[0].Topic != "clicks" {
		t.Fatalf("got %+v", topics)
	}
	got := topics[0]
	if got.LossDeadline == nil || !got.LossDeadline.Equal(deadline) || got.LossCause != CauseRetentionTime || got.State != mirror.StateWaiting || got.Problem == "" ||
		got.ReplicatedThrough == nil || !got.ReplicatedThrough.Equal(second(0)) || got.Used == nil || *got.Used < 2.0/24 || got.LagRecords != nil {
		t.Errorf("got %+v, %+v", got, got.Outlook)
	}
	o.remembered = time.Time{}
	remember(o, second(3600)) // and it is not forgotten by a second restart
	if again, _ := newObserver(t, h); true {
		again.cfg.Path = path
		again.recall()
		if again.observe(second(3700)); len(again.Snapshot().Links[0].Topics) != 1 {
			t.Error("forgotten by a second restart")
		}
	}

	h.set(link(topic("clicks", partition(0, mirror.StateWaiting, 4, 10))))
	o.observe(second(3700))
	if got := o.Snapshot().Links[0].Topics[0]; got.LossDeadline == nil || !got.LossDeadline.Equal(deadline) || got.Problem != "" || got.ReplicatedThrough == nil {
		t.Errorf("there, and nothing known of the source: %+v, %+v", got, got.Outlook)
	}
	h.set(link(topic("views", partition(0, mirror.StateCopying, 0, 0))))
	if o.observe(second(3701)); len(o.Snapshot().Links[0].Topics) != 1 || o.Snapshot().Links[0].Topics[0].Topic != "views" {
		t.Errorf("a topic that is gone: %+v", o.Snapshot().Links[0].Topics)
	}
}

// What was told by a clock that was ahead says nothing once it is set back: it would hide a standstill until the clock is there again.
func TestWhatIsOfATimeToComeIsNotRecalled(t *testing.T) {
	h := &holder{}
	path, deadline := told(t, h)
	away := mirror.LinkStatus{Name: "up", From: "edge", To: "region", Problem: "region cannot be asked"}
	before := func(seconds int) *Observer {
		o, _ := newObserver(t, h)
		o.cfg.Path = path
		o.recall()
		h.set(away)
		o.observe(second(-seconds))
		return o
	}
	if got := before(0).Snapshot().Links[0].Topics; len(got) != 1 || got[0].LossDeadline == nil || !got[0].LossDeadline.Equal(deadline) {
		t.Fatalf("at that time: %+v", got)
	}
	o := before(3600)
	got := o.Snapshot().Links[0].Topics
	if len(got) != 1 || got[0].LossDeadline != nil || got[0].ReplicatedThrough != nil || got[0].Used != nil || len(got[0].Unknown) == 0 || !strings.Contains(got[0].Problem, "set back") {
		t.Errorf("an hour before: %+v", got)
	}
	h.set(link(topic("clicks", partition(0, mirror.StateWaiting, 4, 10))))
	o.observe(second(-3599))
	if got := o.Snapshot().Links[0].Topics[0]; got.LossDeadline != nil || got.ReplicatedThrough != nil {
		t.Errorf("there, an hour before: %+v", got)
	}

	// Of a topic that was never mirrored there is no watermark; then the deadline tells.
	in := second(-3600)
	late := recalledOutlook{Deadlines: map[Cause]time.Time{CauseRetentionTime: deadline},
		Partitions: map[int32]map[Cause]recalledTime{0: {CauseRetentionTime: {deadline, deadline.Sub(in) - time.Second}, CauseDiskFull: {At: deadline}}}}
	if !late.ahead(in) || late.ahead(in.Add(time.Second)) {
		t.Errorf("a deadline later than that of what arrives now: %v, and a second later %v", late.ahead(in), late.ahead(in.Add(time.Second)))
	}
}

// A topic that a reload excludes while it is not there yet is shown no more, and not kept.
func TestAReloadForgetsWhatIsRecalled(t *testing.T) {
	h := &holder{}
	path, _ := told(t, h)
	o, _ := newObserver(t, h)
	o.cfg.Path = path
	o.SetWanted(func(link, topic string) bool { return link == "up" && topic == "clicks" })
	o.recall()
	h.set(mirror.LinkStatus{Name: "up", From: "edge", To: "region", Problem: "region cannot be asked"})
	o.observe(second(3600))
	if got := o.Snapshot().Links[0].Topics; len(got) != 1 {
		t.Fatalf("before: %+v", got)
	}
	o.SetWanted(func(string, string) bool { return false })
	o.observe(second(3601))
	if got := o.Snapshot().Links[0].Topics; len(got) != 0 {
		t.Errorf("excluded: %+v", got)
	}
	remember(o, second(3700))
	o.SetWanted(nil)
	o.recall()
	o.links[0] = &linkHistory{}
	o.observe(second(3701))
	if got := o.Snapshot().Links[0].Topics; len(got) != 0 {
		t.Errorf("kept: %+v", got)
	}
}

func TestWhatIsRecalledConcernsTheLink(t *testing.T) {
	h := &holder{}
	path, _ := told(t, h)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(o *Observer, s *mirror.LinkStatus){
		"another destination": func(_ *Observer, s *mirror.LinkStatus) { s.To = "elsewhere" },
		"another link":        func(_ *Observer, s *mirror.LinkStatus) { s.Name = "down" },
		"excluded now": func(o *Observer, _ *mirror.LinkStatus) {
			o.SetWanted(func(_, topic string) bool { return topic != "clicks" })
		},
		"damaged": func(o *Observer, _ *mirror.LinkStatus) { o.cfg.Path = spoil(t, string(text[:len(text)/2])) },
		"of the future": func(o *Observer, _ *mirror.LinkStatus) {
			o.cfg.Path = spoil(t, strings.Replace(string(text), `"version":1`, `"version":2`, 1))
		},
		"no file": func(o *Observer, _ *mirror.LinkStatus) { o.cfg.Path = filepath.Join(t.TempDir(), "outlook.json") },
	} {
		o, lines := newObserver(t, h)
		o.cfg.Path = path
		s := mirror.LinkStatus{Name: "up", From: "edge", To: "region", Problem: "region cannot be asked"}
		change(o, &s)
		h.set(s)
		o.recall()
		o.observe(second(10))
		if got := o.Snapshot().Links[0].Topics; len(got) != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
		if said := strings.Contains(lines.take(), "learned anew"); said != (name == "damaged" || name == "of the future") {
			t.Errorf("%s: said %v", name, said)
		}
	}
}

func spoil(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outlook.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
