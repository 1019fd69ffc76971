package main

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// cpuTime returns the user and system time of a running process: what /proc/PID/stat shows, but not cut to 10 ms, which
// is a tenth of what the smallest topics cost the mirror.
func cpuTime(pid int) (time.Duration, error) {
	const wholeProcess = 2 // CPUCLOCK_SCHED; with PERTHREAD_MASK it would be one thread
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|wholeProcess), &t); err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
