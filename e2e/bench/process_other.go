//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func cpuTime(int) (time.Duration, error) {
	return 0, errors.New("read the CPU time of another process: only Linux is supported")
}
