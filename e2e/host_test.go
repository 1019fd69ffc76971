package e2e_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// host is a machine for one mirror: a configuration, a state directory and a log that outlive the process, and at most
// one process at a time. Not safe for concurrent use.
type host struct {
	settings settings
	dir      string
	config   string // path of the configuration
	log      string // path of the log
	run      *process
	wrap     []string // the start of the command line: a shell that sets limits and then becomes the mirror
	binary   string   // the program; "" is the one under test
}

const (
	readyTimeout = 20 * time.Second // until a mirror says that it started
	stopTimeout  = 30 * time.Second // until it ends after SIGTERM
)

// newHost makes a host. Its process ends with the test; where the test failed, the log is kept and its end is shown.
func newHost(t *testing.T, s settings) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "tributary-host-")
	must(t, err)
	h := &host{dir: dir, log: filepath.Join(dir, "mirror.log")}
	s.StateDir = filepath.Join(dir, "state")
	h.settings, h.config = s, s.write(t, dir)
	t.Cleanup(func() { h.close(t) })
	return h
}

func (h *host) close(t *testing.T) {
	if h.run != nil {
		if err := h.run.kill(); err != nil {
			t.Errorf("end the mirror: %v", err)
		}
	}
	if t.Failed() {
		t.Logf("configuration, state and log are kept in %s; the log ends with\n%s", h.dir, h.logTail(15))
		return
	}
	if err := os.RemoveAll(h.dir); err != nil {
		t.Error(err)
	}
}

// launch starts a process and returns at once.
func (h *host) launch() error {
	argv := append(slices.Clone(h.wrap), cmp.Or(h.binary, stage.binary), "run", "-c", h.config)
	run, err := startProcess(h.log, argv...)
	if err != nil {
		return err
	}
	h.run = run
	return nil
}

// start starts a process and returns when it says that it started.
func (h *host) start(t *testing.T) {
	t.Helper()
	must(t, h.launch())
	must(t, h.awaitStarted(within(t, readyTimeout)))
}

// awaitStarted waits until the present process has said where it listens.
func (h *host) awaitStarted(ctx context.Context) error {
	return poll(ctx, readyTimeout, func(context.Context) error {
		if h.run.ended() {
			return fmt.Errorf("the mirror ended: %w; its log:\n%s", h.run.exit, h.logTail(15))
		}
		_, err := h.address()
		return err
	})
}

// address returns where the present process listens.
func (h *host) address() (string, error) {
	for _, line := range h.run.logLines("mirror started") {
		if listen, ok := line["listen"].(string); ok {
			return listen, nil
		}
	}
	return "", errors.New("no log line says where the mirror listens")
}

// restart ends the process as kill does and starts another.
func (h *host) restart(t *testing.T) {
	t.Helper()
	must(t, h.run.kill())
	h.start(t)
}

// stop ends the process with SIGTERM, which must make it exit with 0.
func (h *host) stop(t *testing.T) {
	t.Helper()
	code, err := h.run.terminate(stopTimeout)
	must(t, err)
	if code != 0 {
		t.Fatalf("exit code after SIGTERM: got %d, want 0; the log ends with\n%s", code, h.logTail(15))
	}
}

// copyTo gives another host, whose mirror is not running, the files of the state directory as they are now. A socket is
// none: it cannot be copied.
func (h *host) copyTo(t *testing.T, other *host) {
	t.Helper()
	from, to := h.settings.StateDir, other.settings.StateDir
	must(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case entry.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		return nil
	}))
}

func (h *host) logTail(lines int) string {
	text, err := os.ReadFile(h.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// process is one run of the program. It dies with the tests, however those end.
type process struct {
	cmd  *exec.Cmd
	log  string
	from int64         // size of the log when it started
	done chan struct{} // closed when it was reaped
	exit error         // set before done closes
}

// startProcess starts a command whose output is appended to log.
func startProcess(log string, argv ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer out.Close() // the child has its own copy
	info, err := out.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), log: log, from: info.Size(), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = out, out, childAttributes()
	started := make(chan error)
	go p.live(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return p, nil
}

// live starts the process and reaps it. It keeps its thread for as long: the death signal of a child is tied to the
// thread that forked it, and the runtime may end an idle thread at any time.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.exit = p.cmd.Wait()
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process with SIGKILL, if it is still there, and returns when it is gone.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// killed says whether SIGKILL ended the process: that a kill came before it ended by itself.
func (p *process) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// terminate ends the process with SIGTERM and returns its exit code.
func (p *process) terminate(patience time.Duration) (int, error) {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	return p.exitCode(patience)
}

// exitCode waits until the process has ended.
func (p *process) exitCode(patience time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("process %d still runs after %v", p.pid(), patience)
	}
}

// freeze stops the process with SIGSTOP and returns when it stands still.
func (p *process) freeze(ctx context.Context) error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return poll(ctx, 5*time.Second, func(context.Context) error {
		if !isStopped(p.pid()) {
			return errors.New("the process still runs after SIGSTOP")
		}
		return nil
	})
}

// thaw lets a frozen process go on.
func (p *process) thaw() error { return p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to process %d: %w", s, p.pid(), err)
	}
	return nil
}

// logLines returns the log lines of this run with a message.
func (p *process) logLines(message string) []map[string]any {
	text, err := os.ReadFile(p.log)
	if err != nil || int64(len(text)) < p.from {
		return nil
	}
	var lines []map[string]any
	in := bufio.NewScanner(bytes.NewReader(text[p.from:]))
	in.Buffer(nil, len(text)+1)
	for in.Scan() {
		var line map[string]any
		if json.Unmarshal(in.Bytes(), &line) == nil && line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}
