package probe

import (
	"bytes"
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

// A question that is never answered takes no time from those after it, nor from those about settings.
func TestEachQuestionHasItsOwnTime(t *testing.T) {
	t.Parallel() // it waits for a question to be given up
	b := newBed(t)
	b.write(t, 0, time.Now(), 3)
	released := make(chan struct{})
	asked := make(chan struct{}, 100)
	b.fake.ControlKey(int16(kmsg.DescribeLogDirs), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		asked <- struct{}{}
		b.fake.SleepControl(func() { <-released })
		return nil, context.Canceled, true
	})
	defer close(released)
	b.prober.round(t.Context())
	if len(asked) == 0 {
		t.Fatal("nobody asked for the directories")
	}
	got := b.prober.Answer()
	if p := got.Topic("clicks").Partition(0); p == nil || p.End != 3 || !p.Sized.IsZero() {
		t.Errorf("the log: got %+v", p)
	}
	if got.Topic("clicks").Settings == nil || got.Topic("copy").Settings == nil {
		t.Errorf("settings: got %+v", got.Topics)
	}
	if !got.Success.IsZero() || !strings.Contains(got.Problem, "log directories") {
		t.Errorf("got success %v, problem %q", got.Success, got.Problem)
	}
}

// A cluster that tells the settings of one topic to nobody is asked about them as rarely as about others, and the others' are read.
func TestRefusedSettingsAreAskedForAsRarely(t *testing.T) {
	b := newBed(t)
	asked := map[string]int{}
	refuse := true
	b.fake.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
			asked[r.ResourceName]++
			out := kmsg.NewDescribeConfigsResponseResource()
			out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
			if refuse && r.ResourceName == "copy" {
				out.ErrorCode = codeTopicAuthorization
			} else {
				out.Configs = configs("cleanup.policy=delete", "retention.ms=60000", "retention.bytes=-1")
			}
			resp.Resources = append(resp.Resources, out)
		}
		return resp, nil, true
	})
	for range 3 {
		b.prober.round(t.Context())
	}
	got := b.prober.Answer()
	if asked["copy"] != 1 || asked["clicks"] != 1 {
		t.Errorf("asked %v within a minute, want once each", asked)
	}
	if got.Topic("clicks").Settings == nil || got.Topic("copy").Settings != nil || !strings.Contains(got.Problem, "DESCRIBE_CONFIGS") || got.Success.IsZero() {
		t.Errorf("got %+v", got)
	}
	refuse = false
	for _, topic := range b.prober.topics {
		topic.settled = topic.settled.Add(-settingsEvery)
	}
	b.prober.round(t.Context())
	if got := b.prober.Answer(); got.Topic("copy").Settings == nil || got.Problem != "" {
		t.Errorf("granted: got %+v", got)
	}
}

func configs(all ...string) []kmsg.DescribeConfigsResponseResourceConfig {
	var out []kmsg.DescribeConfigsResponseResourceConfig
	for _, one := range all {
		name, value, _ := strings.Cut(one, "=")
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Value = name, &value
		out = append(out, c)
	}
	return out
}

// Settings of which a part is missing are not known; those that were known stand.
func TestSettingsThatAreToldInPart(t *testing.T) {
	b := newBed(t)
	told := configs("retention.ms=60000", "retention.bytes=-1")
	b.fake.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
			out := kmsg.NewDescribeConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.Configs = r.ResourceType, r.ResourceName, told
			resp.Resources = append(resp.Resources, out)
		}
		return resp, nil, true
	})
	look := func() *Answer {
		for _, topic := range b.prober.topics {
			topic.settled = time.Time{}
		}
		b.prober.round(t.Context())
		return b.prober.Answer()
	}
	if got := look(); got.Topic("clicks").Settings != nil || !strings.Contains(got.Problem, "clicks: no cleanup.policy") {
		t.Errorf("without a policy: got %+v, problem %q", got.Topic("clicks").Settings, got.Problem)
	}
	told = configs("cleanup.policy=delete", "retention.ms=60000", "retention.bytes=-1")
	if got := look(); got.Topic("clicks").Settings == nil || got.Problem != "" {
		t.Fatalf("all told: got %+v, problem %q", got.Topic("clicks"), got.Problem)
	}
	told = configs("cleanup.policy=delete", "retention.bytes=-1")
	got := look()
	if age, ok := got.Topic("clicks").Settings.ByAge(); !ok || age != time.Minute || !strings.Contains(got.Problem, "clicks: no number as retention.ms") {
		t.Errorf("without a retention: got %v, %v, problem %q", age, ok, got.Problem)
	}
}

// The disks of a broker that is not asked any more are forgotten, unless it is only down.
func TestDisksOfBrokersThatAreGone(t *testing.T) {
	const leads, idles, down, left = 0, 1, 2, 3
	md := &kafka.Metadata{Brokers: map[int32]string{leads: "a:1", idles: "b:1"}, Assigned: map[int32]bool{leads: true, idles: true, down: true}}
	p := newBed(t).prober
	for id := range int32(4) {
		p.volumes[DiskID{id, "/kafka"}] = Disk{DiskID: DiskID{id, "/kafka"}}
		p.disks[DiskID{id, "/kafka"}] = &growth{}
	}
	p.prune(md, []*broker{{id: leads}})
	brokers := func(ids []DiskID) []int32 {
		var out []int32
		for _, id := range ids {
			out = append(out, id.Broker)
		}
		slices.Sort(out)
		return out
	}
	if got, want := brokers(slices.Collect(maps.Keys(p.volumes))), []int32{leads, down}; !slices.Equal(got, want) {
		t.Errorf("disks of the brokers %v are shown, want %v", got, want)
	}
	if got, want := brokers(slices.Collect(maps.Keys(p.disks))), []int32{leads, idles, down}; !slices.Equal(got, want) {
		t.Errorf("the week of the brokers %v is kept, want %v", got, want)
	}
}

// A round shows the disks of brokers that lead, and no longer those that led.
func TestADiskGoesWithItsLeader(t *testing.T) {
	b := newBed(t, kfake.NumBrokers(2))
	for p := range int32(2) {
		if err := b.fake.MoveTopicPartition("clicks", p, 0); err != nil {
			t.Fatal(err)
		}
	}
	shown := func() []int32 {
		b.prober.round(t.Context())
		var ids []int32
		for _, d := range b.prober.Answer().Disks {
			ids = append(ids, d.Broker)
		}
		return ids
	}
	if got := shown(); !slices.Equal(got, []int32{0}) {
		t.Fatalf("got disks of %v, want of 0", got)
	}
	for p := range int32(2) {
		if err := b.fake.MoveTopicPartition("clicks", p, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := shown(); !slices.Equal(got, []int32{1}) {
		t.Errorf("got disks of %v, want of 1", got)
	}
	b.fake.Close()
	if got := shown(); !slices.Equal(got, []int32{1}) {
		t.Errorf("in an outage: got disks of %v, want of 1", got)
	}
}

// A disk that hangs keeps the prober neither from asking nor from ending.
func TestARoundWaitsForNoDisk(t *testing.T) {
	t.Parallel() // it waits for a disk to be given up
	b := newBed(t)
	pipe := b.path + ".new"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil { // to open it waits for a reader
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.prober.Run(ctx) }()
	for until := time.Now().Add(20 * time.Second); b.prober.Answer() == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("no round")
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(lastSave + 20*time.Second):
		t.Error("it does not end")
	}
	if !strings.Contains(b.lines.String(), "does not answer") {
		t.Errorf("nothing is said of the disk: %s", b.lines)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // whoever writes goes on, and fails: a pipe is no file
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		if stacks = stacks[:runtime.Stack(stacks, true)]; !bytes.Contains(stacks, []byte("durable.(*Saver)")) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("somebody still writes:\n%s", stacks)
		}
	}
}
