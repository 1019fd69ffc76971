package mirror

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBackpressureCountsTimeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Link{}
		expect := func(when string, source, target time.Duration) {
			t.Helper()
			got := l.flow.at(time.Now()).Backpressure
			if want := [...]time.Duration{source, target}; got != want {
				t.Errorf("%s: got %v, want %v", when, got, want)
			}
		}
		expect("at first", 0, 0)
		l.HoldBack(SideSource)
		time.Sleep(time.Second)
		expect("while one waits", time.Second, 0)
		l.HoldBack(SideSource)
		l.HoldBack(SideTarget)
		time.Sleep(time.Second)
		expect("while two wait", 2*time.Second, time.Second)
		l.GoAhead(SideSource)
		l.GoAhead(SideTarget)
		time.Sleep(time.Second)
		expect("while one is left", 3*time.Second, time.Second)
		l.GoAhead(SideSource)
		time.Sleep(time.Hour)
		expect("after all", 3*time.Second, time.Second)
		l.HoldBack(SideSource)
		time.Sleep(time.Second)
		l.GoAhead(SideSource)
		expect("after another", 4*time.Second, time.Second)
	})
}

func TestErrorsAreCountedBySideAndClass(t *testing.T) {
	l := &Link{}
	l.CountError(SideTarget, ErrorReplicas)
	l.CountError(SideTarget, ErrorReplicas)
	l.CountError(SideSource, ErrorOther)
	got := l.Status().Flow.Errors
	var want [sides][errorClasses]int64
	want[SideTarget][ErrorReplicas], want[SideSource][ErrorOther] = 2, 1
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	names := map[string]bool{}
	for _, class := range ErrorClasses() {
		names[class.String()] = true
	}
	if len(names) != int(errorClasses) || names[""] {
		t.Errorf("names of the classes: %v", names)
	}
}
