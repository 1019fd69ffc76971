package kafka

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM before it is killed.
const stopGrace = 15 * time.Second

// freezeTimeout bounds the wait for the kernel to stop a process; it takes microseconds.
const freezeTimeout = 5 * time.Second

// Process is one child process. It dies with the process that started it. Its methods are safe for concurrent use.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process was reaped
	exit error         // set before done closes: what Wait said
}

// processSpec says what to run.
type processSpec struct {
	name string // for errors
	argv []string
	dir  string // working directory
	log  string // file that output is appended to
}

// startProcess starts a process in a process group of its own, so that a Ctrl-C at the terminal reaches the test
// alone and the test decides the order of the end.
func startProcess(spec processSpec) (*Process, error) {
	output, err := os.OpenFile(spec.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", spec.name, err)
	}
	defer output.Close() // the child has its own copy

	cmd := exec.Command(spec.argv[0], spec.argv[1:]...)
	cmd.Dir = spec.dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = childAttributes()
	p := &Process{name: spec.name, log: spec.log, cmd: cmd, done: make(chan struct{})}

	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.name, err)
	}
	return p, nil
}

// run starts the process and reaps it. It keeps its OS thread for as long: the death signal of the child is tied to
// the thread that forked it, and the Go runtime may end an idle thread at any time. Kill and Stop wait for it.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.exit = p.cmd.Wait()
	close(p.done)
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogFile returns the path of the file that has the output of the process.
func (p *Process) LogFile() string { return p.log }

// Done is closed when the process has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive reports whether the process has not ended; a frozen process is alive.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// exitError says how the process ended; it may be called once done is closed.
func (p *Process) exitError() error {
	if p.exit == nil {
		return errors.New("exit status 0")
	}
	return p.exit
}

// Kill ends the process with SIGKILL and returns when it is gone. A process that has ended already is no error.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Stop ends the process with SIGTERM and returns when it is gone. A frozen process is thawed for it. One that does not
// end within 15 s is killed, which is an error.
func (p *Process) Stop() error { return p.stop(stopGrace) }

func (p *Process) stop(grace time.Duration) error {
	if err := errors.Join(p.signal(syscall.SIGTERM), p.signal(syscall.SIGCONT)); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("stop %s: still running %v after SIGTERM, killed", p.name, grace), p.Kill())
	}
}

// Freeze stops the process with SIGSTOP and returns when the kernel has stopped it: its connections stay open and
// nothing answers.
func (p *Process) Freeze() error {
	if !p.Alive() {
		return fmt.Errorf("freeze %s: it is not running", p.name)
	}
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	deadline := time.NewTimer(freezeTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !isStopped(p.PID()) {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("freeze %s: it ended: %w", p.name, p.exitError())
		case <-deadline.C:
			return fmt.Errorf("freeze %s: still running %v after SIGSTOP", p.name, freezeTimeout)
		}
	}
	return nil
}

// Thaw lets a frozen process run on.
func (p *Process) Thaw() error {
	if !p.Alive() {
		return fmt.Errorf("thaw %s: it is not running", p.name)
	}
	return p.signal(syscall.SIGCONT)
}

func (p *Process) signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", sig, p.name, err)
	}
	return nil
}
