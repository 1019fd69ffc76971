package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestChildReportsOutputAndEnd(t *testing.T) {
	c, err := startChild(t.TempDir(), "talker", "/bin/sh", "-c", "echo out; echo err >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if got := c.out.String(); got != "out\n" {
		t.Errorf("stdout: got %q, want %q", got, "out\n")
	}
	if got := logTail(c.LogFile()); got != "err" {
		t.Errorf("log: got %q, want %q", got, "err")
	}
	if err := c.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want exit status 3", err)
	}
}

func TestChildStopsInOrder(t *testing.T) {
	c, err := startChild(t.TempDir(), "polite", "/bin/sh", "-c", "trap 'exit 0' TERM; echo ready >&2; while :; do sleep 0.01; done")
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for logTail(c.LogFile()) != "ready" && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if rss, err := peakRSS(c.PID()); err != nil || rss <= 0 {
		t.Errorf("peak RSS: got %d and %v, want a size", rss, err)
	}
	if err := c.Stop(); err != nil {
		t.Errorf("got %v, want a good end", err)
	}
}

func TestStartChildFails(t *testing.T) {
	if _, err := startChild(t.TempDir(), "absent", "/does/not/exist"); err == nil {
		t.Error("got no error")
	}
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 20*time.Millisecond; {
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("got %v after %v, want more", after, before)
	}
	if _, err := cpuTime(1 << 23); err == nil {
		t.Error("a process that is not has a CPU time")
	}
}
