package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Do sends req and returns the broker's answer, which owns its memory. It takes turns with other calls
// of Do and must not overlap with the use of the socket.
//
// The version is the newest that the broker and kmsg both know. A version above 0 set in req is an
// upper bound; 0, where every kmsg request starts, is none. req is left as it was, the answer carries
// the version used. A request the broker lacks gives the code 35, and c stays usable.
//
// It waits until ctx ends, at most 15 s longer than the request lets the broker wait and the broker
// throttles this connection. After any other error than that code, including the end of ctx in
// mid-request, c is broken and stays so: its stream is out of step.
func (c *Conn) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := c.brokenBy(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	version, err := c.negotiate(req)
	if err != nil {
		return nil, err
	}
	resp, err := c.roundTrip(ctx, req, version)
	if err != nil {
		return nil, c.fail(fmt.Errorf("ask %s for %s: %w", c.addr, apiName(req), err))
	}
	if throttled, ok := resp.(kmsg.ThrottleResponse); ok {
		millis, _ := throttled.Throttle()
		c.mutedUntil = time.Now().Add(time.Duration(millis) * time.Millisecond)
	}
	return resp, nil
}

// negotiate returns the version to send req in.
func (c *Conn) negotiate(req kmsg.Request) (int16, error) {
	known, ok := c.versions[req.Key()]
	newest := min(known.newest, req.MaxVersion())
	if limit := req.GetVersion(); limit > 0 {
		newest = min(newest, limit)
	}
	if !ok || newest < known.oldest {
		return 0, fmt.Errorf("ask %s for %s: broker has no version that this client speaks: %w",
			c.addr, apiName(req), Error{codeUnsupportedVersion})
	}
	return newest, nil
}

// roundTrip sends req and reads its answer, within the patience for it. The end of ctx closes the socket.
func (c *Conn) roundTrip(ctx context.Context, req kmsg.Request, version int16) (kmsg.Response, error) {
	if err := c.sock.SetDeadline(time.Now().Add(c.patience(req))); err != nil {
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	release := context.AfterFunc(ctx, c.sock.abort)
	resp, err := c.exchange(req, version)
	if !release() {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := c.sock.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("clear deadline: %w", err)
	}
	return resp, nil
}

func (c *Conn) exchange(req kmsg.Request, version int16) (kmsg.Response, error) {
	c.correlation++
	limit := req.GetVersion()
	req.SetVersion(version)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(ClientID)).AppendRequest(nil, req, c.correlation)
	req.SetVersion(limit)
	begun := time.Now()
	c.counted.inFlight.Inc(1)
	defer c.counted.inFlight.Dec(1)
	if _, err := c.sock.Write(frame); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	c.counted.sent(len(frame))
	c.WakeAt(1)
	answer, err := readAnswer(c.sock)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	c.counted.received(len(answer)+4, time.Since(begun))
	if got := int32(binary.BigEndian.Uint32(answer)); got != c.correlation {
		return nil, fmt.Errorf("read answer: it belongs to request %d, not %d", got, c.correlation)
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	if err := decodeAnswer(answer, resp); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	return resp, nil
}

// patience is how long the answer to req may take: what req allows the broker, what is left of the
// time that the broker ignores us for having used up a quota, and answerTimeout.
func (c *Conn) patience(req kmsg.Request) time.Duration {
	patience := answerTimeout + max(0, time.Until(c.mutedUntil))
	switch r := req.(type) {
	case *kmsg.FetchRequest:
		patience += time.Duration(r.MaxWaitMillis) * time.Millisecond
	case kmsg.TimeoutRequest:
		patience += time.Duration(r.Timeout()) * time.Millisecond
	}
	return patience
}

func apiName(req kmsg.Request) string { return kmsg.NameForKey(req.Key()) }
