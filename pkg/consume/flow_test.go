package consume

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/mirror"
)

func (r *rig) flow() mirror.Flow { return r.link.Status().Flow }

func TestWaitsForMemoryAreCounted(t *testing.T) {
	fake := newFake(t, 1, 1)
	r := start(t, fake, 1)
	fill(t, fake, 1, 0, 10)
	r.wantAll(1, 10)
	all, err := r.budget.Take(t.Context(), r.budget.Total(), nil) // as soon as no fetch has memory
	if err != nil {
		t.Fatal(err)
	}
	before := r.flow().Backpressure[mirror.SideSource]
	r.eventually("a fetch waits", func() bool { return r.flow().Backpressure[mirror.SideSource] > before })
	fill(t, fake, 1, 10, 20)
	all.Release()
	r.wantAll(1, 20)
	after := r.flow()
	if after.Backpressure[mirror.SideTarget] != 0 {
		t.Errorf("the target held back too: %v", after.Backpressure)
	}
	r.stop()
	if ended := r.flow(); ended != r.flow() {
		t.Errorf("a wait goes on after the end: %+v", ended)
	}
}

func TestErrorsOfTheSourceAreCounted(t *testing.T) {
	fake := newFake(t, 1, 2)
	r := start(t, fake, 2)
	fill(t, fake, 2, 0, 10)
	r.wantAll(2, 10)
	if got := r.flow().Errors[mirror.SideSource][mirror.ErrorAuthorization]; got != 0 {
		t.Errorf("%d errors before there was any", got)
	}
	fault := fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topicName, Partitions: []int32{0}, Err: kerr.TopicAuthorizationFailed, Count: 3})
	fill(t, fake, 2, 10, 20)
	r.wantAll(2, 20)
	errors := r.flow().Errors
	if got := errors[mirror.SideSource][mirror.ErrorAuthorization]; got < 3 || fault.Hits() != 3 {
		t.Errorf("%d errors, want the %d that there were; all: %v", got, fault.Hits(), errors)
	}
}
