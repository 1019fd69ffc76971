package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// keyPoll is how long a look for keys lasts, and so by how much the end is put off.
const keyPoll = 100 * time.Millisecond

// readKeys passes on what is typed until ctx ends or the terminal is gone, which is told as the key that ends.
func readKeys(ctx context.Context, in *os.File, keys chan<- byte) {
	typed := make([]byte, 32)
	for ctx.Err() == nil {
		ready := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, int(keyPoll/time.Millisecond))
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		read := 0
		if err == nil {
			read, err = in.Read(typed)
		}
		for _, key := range typed[:max(0, read)] {
			send(ctx, keys, key)
		}
		if err != nil || read == 0 {
			send(ctx, keys, 'q')
			return
		}
	}
}

func send(ctx context.Context, keys chan<- byte, key byte) {
	select {
	case <-ctx.Done():
	case keys <- key:
	}
}
