package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// persist repeats call while Kafka asks for that, and once more after a lost connection (the cluster
// may have moved what was asked for), until ctx ends.
func persist(ctx context.Context, call func(context.Context) error) error {
	backoff := Backoff{Max: time.Second}
	lost := false
	for {
		err := call(ctx)
		if err == nil {
			return nil
		}
		if code, ok := Code(err); ok {
			if !passing(code) {
				return err
			}
		} else {
			if lost || !Retriable(err) {
				return err
			}
			lost = true
		}
		if cause := backoff.Wait(ctx); cause != nil {
			return fmt.Errorf("%w; gave up: %w", err, cause)
		}
	}
}

// passing reports whether code tells of a state of the cluster that passes, whatever was asked.
func passing(code int16) bool {
	switch code {
	case codeLeaderNotAvailable, codeNotLeader, codeRequestTimedOut, codeBrokerNotAvailable,
		codeCoordinatorLoading, codeCoordinatorNotAvailable, codeNotCoordinator, codeNotController,
		codeConcurrentTransactions:
		return true
	}
	return false
}

// askAny sends req to one broker after the other until one answers.
func (c *Cluster) askAny(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	var errs []error
	for _, addr := range c.candidates() {
		resp, err := c.askAt(ctx, addr, req)
		if err == nil {
			return resp, nil
		}
		if _, coded := Code(err); coded || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// candidates returns all known brokers in the order to try them: first where a connection waits, then
// those that were alive lately, then the configured ones, each group in random order.
func (c *Cluster) candidates() []string {
	c.mu.Lock()
	live := slices.Clone(c.live)
	c.mu.Unlock()
	var addrs []string
	for _, group := range [][]string{c.pool.addrs(), live, slices.Clone(c.cfg.Brokers)} {
		rand.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		for _, addr := range group {
			if !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// askAt sends req to the broker at addr. A kept connection may have died unnoticed: if it fails, req
// goes out once more on a new one.
func (c *Cluster) askAt(ctx context.Context, addr string, req kmsg.Request) (kmsg.Response, error) {
	kept, err := c.pool.take(addr)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		resp, err := c.askOn(ctx, kept, req)
		if err == nil || kept.brokenBy() == nil || ctx.Err() != nil {
			return resp, err
		}
	}
	conn, err := c.dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c.log.Debug("control connection opened", "addr", addr)
	return c.askOn(ctx, conn, req)
}

func (c *Cluster) askOn(ctx context.Context, conn *Conn, req kmsg.Request) (kmsg.Response, error) {
	defer c.pool.put(conn)
	if err := conn.Reauthenticate(); err != nil {
		return nil, err
	}
	return conn.Do(ctx, req)
}
