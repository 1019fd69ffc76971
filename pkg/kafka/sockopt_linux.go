package kafka

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout bounds the time that sent data may stay unacknowledged by the peer's kernel.
func setUserTimeout(raw syscall.RawConn, timeout time.Duration) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return set
}

// setLowWater sets SO_RCVLOWAT. Its failure is of no consequence: the reader wakes more often, or the
// socket is closed and the next read says so.
func setLowWater(raw syscall.RawConn, n int) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, n)
	})
}

// unacknowledged asks for SIOCOUTQ. A socket that cannot be asked is closed, and reading it will say so.
func unacknowledged(raw syscall.RawConn) int {
	n := 0
	_ = raw.Control(func(fd uintptr) {
		if queued, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = queued
		}
	})
	return n
}
