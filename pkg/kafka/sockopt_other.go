//go:build !linux

package kafka

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing here; keep-alive finds dead peers.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }

// setLowWater does nothing here: the reader wakes at every segment.
func setLowWater(syscall.RawConn, int) {}

// unacknowledged knows nothing here: patience counts from the last request on.
func unacknowledged(syscall.RawConn) int { return 0 }
