package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// floorTimeout bounds one run of a floor.
const floorTimeout = 5 * time.Minute

// brokerFloor measures what no mirror of this topic avoids on real brokers: see peer floor.
func (b *bed) brokerFloor(ctx context.Context, row filled) (m measurement, err error) {
	j := b.newJob(findProgram(programFloor), row.Topic, row.Codec.String(), false)
	if err := b.destination.CreateTopic(ctx, j.target, partitions, 1, nil); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, remove(ctx, b.destination, j.target)) }()
	m.Parts, err = b.runFloor(ctx, j.name+"-floor", "floor", "-from", b.source.Direct()[0], "-to", b.destination.Direct()[0],
		"-source", j.source, "-destination", j.target, "-partitions", fmt.Sprint(partitions), "-bytes", fmt.Sprint(row.LogBytes))
	m.addParts(row)
	return m, err
}

// warm lets the brokers compile their own code before anything is measured: else the first programs run beside a
// compiler.
func (b *bed) warm(ctx context.Context, out io.Writer) error {
	rows := b.rows()
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(out, "warming the brokers up")
	const times = 3
	for range times {
		if _, err := b.brokerFloor(ctx, rows[0]); err != nil { // one topic will do
			return fmt.Errorf("warm the brokers up: %w", err)
		}
	}
	return nil
}

// relayFloor measures a relay of as many bytes as the topic has, between two ends that cost it nothing.
func (b *bed) relayFloor(ctx context.Context, row filled) (m measurement, err error) {
	source, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, fmt.Errorf("listen: %w", err)
	}
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, errors.Join(fmt.Errorf("listen: %w", err), source.Close())
	}
	var ends sync.WaitGroup
	ends.Go(func() { serve(source, sendZeros) })
	ends.Go(func() { serve(sink, discardAll) })
	m.Parts, err = b.runFloor(ctx, b.name()+"-relay", "relay", "-from", source.Addr().String(), "-to", sink.Addr().String(),
		"-bytes", fmt.Sprint(row.LogBytes))
	err = errors.Join(err, source.Close(), sink.Close())
	ends.Wait() // the peer is gone, and with it both connections
	m.addParts(row)
	return m, err
}

// serve handles one connection, or none where the listener is closed first.
func serve(l net.Listener, handle func(net.Conn)) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	handle(conn)
}

// sendZeros writes until the reader is gone, from one buffer that stays in the cache.
func sendZeros(conn net.Conn) {
	buffer := make([]byte, 256<<10)
	for {
		if _, err := conn.Write(buffer); err != nil {
			return
		}
	}
}

func discardAll(conn net.Conn) {
	// The peer reports how much it wrote; how the connection ends is of no interest.
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 256<<10))
}

// runFloor runs a floor of the peer binary to its end.
func (b *bed) runFloor(ctx context.Context, name string, args ...string) ([]part, error) {
	c, err := startChild(b.dir, name, b.peer, args...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, floorTimeout)
	defer cancel()
	select {
	case <-c.Done():
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), c.Stop())
	}
	if c.exit != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, c.exit, logTail(c.log))
	}
	var parts []part
	if err := json.Unmarshal(c.out.Bytes(), &parts); err != nil {
		return nil, fmt.Errorf("read the report of %s: %w", name, err)
	}
	return parts, nil
}

// addParts sums up a floor: each part per byte that it handled itself.
func (m *measurement) addParts(row filled) {
	const gb = 1e9
	perByte := 0.0
	for _, p := range m.Parts {
		perByte += p.CPUSeconds / float64(p.Bytes)
	}
	m.SteadyWireCPU = perByte * gb
	m.SteadyValueCPU = m.SteadyWireCPU * float64(row.LogBytes) / float64(row.TotalBytes)
}
