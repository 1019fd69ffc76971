package kafka

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(t *testing.T, script string) *Process {
	t.Helper()
	p, err := startProcess(processSpec{name: "sh", argv: []string{"sh", "-c", script}, log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestProcessEnds(t *testing.T) {
	ready := func(t *testing.T, p *Process) {
		until(t, "the trap is set", func() bool { return strings.Contains(logTail(p.LogFile()), "ready") })
	}
	tests := []struct {
		name, script string
		end          func(*testing.T, *Process) error
		wantErr      bool
		want         string
	}{
		{"killed", "echo ready; exec sleep 1000", func(_ *testing.T, p *Process) error { return p.Kill() }, false, "signal: killed"},
		{"stopped", "echo ready; exec sleep 1000", func(_ *testing.T, p *Process) error { return p.Stop() }, false, "signal: terminated"},
		{"frozen and stopped", "echo ready; exec sleep 1000", func(t *testing.T, p *Process) error {
			if err := p.Freeze(); err != nil {
				t.Fatal(err)
			}
			return p.Stop()
		}, false, "signal: terminated"},
		{"deaf to SIGTERM", "trap '' TERM; echo ready; while :; do sleep 1000; done", func(_ *testing.T, p *Process) error {
			return p.stop(50 * time.Millisecond)
		}, true, "signal: killed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := sh(t, test.script)
			ready(t, p)
			if err := test.end(t, p); (err != nil) != test.wantErr {
				t.Errorf("got %v, want an error: %t", err, test.wantErr)
			}
			if p.Alive() {
				t.Fatal("it is alive")
			}
			if got := p.exitError().Error(); got != test.want {
				t.Errorf("exit: got %q, want %q", got, test.want)
			}
			if err := errors.Join(p.Kill(), p.Stop()); err != nil {
				t.Errorf("ending it again: %v", err)
			}
		})
	}
}

func TestProcessThaws(t *testing.T) {
	p := sh(t, "exec sleep 1000")
	if isStopped(p.PID()) {
		t.Error("a running process counts as stopped")
	}
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := p.Thaw(); err != nil {
		t.Fatal(err)
	}
	until(t, "it runs again", func() bool { return !isStopped(p.PID()) })
}

func TestProcessThatCannotStart(t *testing.T) {
	_, err := startProcess(processSpec{name: "nothing", argv: []string{"/no/such/program"}, log: filepath.Join(t.TempDir(), "log")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not found", err)
	}
}

const orphanEnv = "TRIBUTARY_E2E_ORPHAN_HELPER"

// A test process that is killed takes its brokers with it. The helper is this test in another process.
func TestProcessDiesWithItsParent(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		p := sh(t, "exec sleep 1000")
		if _, err := os.Stdout.WriteString("child " + strconv.Itoa(p.PID()) + "\n"); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		return
	}
	helper := exec.Command(os.Args[0], "-test.run=^TestProcessDiesWithItsParent$")
	helper.Env = append(os.Environ(), orphanEnv+"=1")
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "child ")))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the child is not there: %v", err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // says that it was killed
	until(t, "the child is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}
