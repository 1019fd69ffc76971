package load

import (
	"context"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestProcessesOfOurselves(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	samples, err := Processes(ctx, os.Getpid(), 10*time.Millisecond)
	if err != nil || len(samples) < 2 {
		t.Fatalf("got %d samples, %v", len(samples), err)
	}
	for _, s := range samples {
		if s.RSSBytes < 1<<20 || s.FDs < 3 || s.CPU < 0 {
			t.Errorf("implausible sample %+v", s)
		}
	}
	if peak := samples.PeakRSSBytes(); peak < samples[0].RSSBytes {
		t.Errorf("peak %d is below the first sample", peak)
	}
}

func TestProcessesEndWithTheProcess(t *testing.T) {
	child := exec.Command("sleep", "0.2")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	samples, err := Processes(testContext(t), child.Process.Pid, 10*time.Millisecond) // sees a zombie at the end
	if err != nil || len(samples) == 0 {
		t.Errorf("got %d samples, %v", len(samples), err)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := Processes(t.Context(), child.Process.Pid, time.Millisecond); err == nil {
		t.Error("no error for a process that does not exist")
	}
}

func TestSlope(t *testing.T) {
	start := time.Unix(0, 0)
	var samples ProcessSamples
	for i := range 11 {
		wobble := int64(i%2) * 10
		samples = append(samples, ProcessSample{At: start.Add(time.Duration(i) * time.Second), RSSBytes: 1000 + int64(i)*50 + wobble, CPU: time.Duration(i) * time.Millisecond})
	}
	rss := func(s ProcessSample) float64 { return float64(s.RSSBytes) }
	if got := samples.Slope(rss); math.Abs(got-50) > 1 {
		t.Errorf("slope: got %v, want about 50", got)
	}
	if got := samples[:1].Slope(rss); got != 0 {
		t.Errorf("slope of one sample: got %v, want 0", got)
	}
	if got := samples.CPU(); got != 10*time.Millisecond {
		t.Errorf("cpu: got %v, want 10ms", got)
	}
	if got := len(samples.After(4 * time.Second)); got != 7 {
		t.Errorf("after 4 s: got %d samples, want 7", got)
	}
}
