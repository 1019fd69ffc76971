package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"
)

// relayBytes is the size of the one buffer: large enough for few system calls, small enough for the core's own cache.
const relayBytes = 256 << 10

// runRelay reads r.bytes from one connection, checks them and writes them to another, through one buffer that stays in
// the cache. Both ends are synthetic: there is no request, no answer and no page cache.
func runRelay(ctx context.Context, r route) error {
	in, err := dial(ctx, r.from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := dial(ctx, r.to)
	if err != nil {
		return err
	}
	defer out.Close()
	return report(func() (part, error) {
		return measure("relay", func() (int64, error) { return relay(in, out, r.bytes) })
	})
}

func relay(in io.Reader, out io.Writer, limit int64) (int64, error) {
	table, buffer := crc32.MakeTable(crc32.Castagnoli), make([]byte, relayBytes)
	var copied int64
	var sum uint32
	for copied < limit {
		n, err := in.Read(buffer[:min(int64(len(buffer)), limit-copied)])
		if n > 0 {
			sum = crc32.Update(sum, table, buffer[:n])
			if _, err := out.Write(buffer[:n]); err != nil {
				return copied, fmt.Errorf("write: %w", err)
			}
			copied += int64(n)
		}
		if err != nil && copied < limit {
			return copied, fmt.Errorf("read: %w", err)
		}
	}
	return copied, nil
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	// The end of ctx ends what is blocked on the connection.
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, nil
}
