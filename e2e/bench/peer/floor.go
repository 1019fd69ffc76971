package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
)

// runFloor measures three things on real brokers that a mirror cannot leave out, each alone and as cheaply as plain Go
// does it: receiving the batches (into one buffer that stays in the cache, and forgetting them), a CRC over as many
// bytes, and sending as many in Produce requests that are acknowledged by all replicas (one and the same request over
// and over, of one batch of each partition). What a mirror adds is cold memory, the rewriting and the bookkeeping.
func runFloor(ctx context.Context, r route) error {
	from, err := dial(ctx, r.from)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := dial(ctx, r.to)
	if err != nil {
		return err
	}
	defer to.Close()
	batches, err := sampleBatches(from, r)
	if err != nil {
		return fmt.Errorf("read a batch of each partition: %w", err)
	}
	return report(
		func() (part, error) {
			return measure("fetch", func() (int64, error) { return discard(from, r) })
		},
		func() (part, error) { return measure("crc", func() (int64, error) { return sumHot(r.bytes) }) },
		func() (part, error) {
			return measure("produce", func() (int64, error) { return produceHot(to, r, batches) })
		},
	)
}

// discard receives the topic from its beginning up to r.bytes of complete batches, and keeps nothing.
func discard(conn net.Conn, r route) (int64, error) {
	f := newFetcher(conn, r.source, r.partitions)
	var received int64
	for received < r.bytes {
		progress := received
		err := f.fetch(func(_ int32, size int) error {
			received += int64(size)
			return f.skip(size)
		})
		if err != nil {
			return received, err
		}
		if received == progress {
			return received, fmt.Errorf("the topic ends after %d of %d bytes", received, r.bytes)
		}
	}
	return received, nil
}

// sampleBatches returns a copy of the first batch of each partition, without its producer, as Produce takes it.
func sampleBatches(conn net.Conn, r route) (map[int32][]byte, error) {
	f := newFetcher(conn, r.source, r.partitions)
	batches := map[int32][]byte{}
	err := f.fetch(func(p int32, size int) error {
		if batches[p] != nil {
			return f.skip(size)
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(f.in, b); err != nil {
			return fmt.Errorf("read batch: %w", err)
		}
		batches[p] = anonymous(b)
		return nil
	})
	if err == nil && len(batches) < r.partitions {
		err = fmt.Errorf("only %d of %d partitions answered", len(batches), r.partitions)
	}
	return batches, err
}

// sumHot computes a CRC over n bytes that are in the cache.
func sumHot(n int64) (int64, error) {
	table, buffer := crc32.MakeTable(crc32.Castagnoli), bytes.Repeat([]byte("tributary"), relayBytes/9)
	var done int64
	var sum uint32
	for ; done < n; done += int64(len(buffer)) {
		sum = crc32.Update(sum, table, buffer)
	}
	return done, nil
}

// inFlight is how many Produce requests are under way; each has one batch of a partition, and brokers remember five.
const inFlight = 5

// produceHot sends the same request until r.bytes of batches are acknowledged. It takes turns: answers are read until
// half of the requests may be sent anew, which then go in one system call.
func produceHot(conn net.Conn, r route, batches map[int32][]byte) (int64, error) {
	request, payload := produceRequest(r.destination, batches)
	in := bufio.NewReaderSize(conn, 16<<10)
	count := (r.bytes + payload - 1) / payload
	for sent, answered := int64(0), int64(0); answered < count; {
		if free := min(inFlight-(sent-answered), count-sent); free > inFlight/2 || free == count-sent && free > 0 {
			var requests net.Buffers
			for range free {
				requests = append(requests, request)
			}
			if _, err := requests.WriteTo(conn); err != nil {
				return 0, fmt.Errorf("write: %w", err)
			}
			sent += free
		}
		if err := readProduceAnswer(in, r.destination, len(batches)); err != nil {
			return 0, err
		}
		answered++
	}
	return count * payload, nil
}
