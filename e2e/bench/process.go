package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program under measurement. Stop ends it in order; it is an error if that is not how it ended.
type process interface {
	PID() int
	Done() <-chan struct{}
	Stop() error
	LogFile() string
}

// child is a process that was started here, and dies with this one.
type child struct {
	cmd  *exec.Cmd
	log  string
	out  bytes.Buffer  // stdout; complete once done is closed
	done chan struct{} // closed when the process was reaped
	exit error         // set before done closes
}

const stopGrace = 15 * time.Second

// startChild starts a program whose stderr goes to name.log in dir.
func startChild(dir, name, program string, args ...string) (*child, error) {
	c := &child{log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", name, err)
	}
	defer log.Close() // the child has its own copy
	c.cmd = exec.Command(program, args...)
	c.cmd.Dir = dir
	c.cmd.Stdout, c.cmd.Stderr = &c.out, log
	c.cmd.SysProcAttr = childAttributes()
	started := make(chan error)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// run starts and reaps the process. It keeps its thread for as long, because the child's death signal is tied to the
// thread that forked it. Whoever started the child waits for done.
func (c *child) run(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	c.exit = c.cmd.Wait()
	close(c.done)
}

// PID returns the process id.
func (c *child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the process has ended.
func (c *child) Done() <-chan struct{} { return c.done }

// LogFile returns the path of what the process wrote to stderr.
func (c *child) LogFile() string { return c.log }

// Stop sends SIGTERM and waits; a process that does not end is killed. The error is also how it ended, if not with 0.
func (c *child) Stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", c.cmd.Path, err)
	}
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		err := c.cmd.Process.Kill()
		<-c.done
		return errors.Join(fmt.Errorf("stop %s: still running after %v, killed", c.cmd.Path, stopGrace), err)
	}
	if c.exit != nil {
		return fmt.Errorf("%s: %w: %s", c.cmd.Path, c.exit, logTail(c.log))
	}
	return nil
}

// peakRSS returns the largest resident size that a running process ever had, in bytes.
func peakRSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if text, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read the memory of a process: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("read the memory of process %d: no VmHWM", pid)
}

// logTail returns the end of a log for an error, or why there is none.
func logTail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}
