package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

func zooKeeperReady(addr string) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		_, err := zooKeeperMode(ctx, addr)
		return err
	}
}

// zooKeeperMode asks a server what it is: leader, follower or standalone. One without a quorum gives an error.
func zooKeeperMode(ctx context.Context, addr string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("ask ZooKeeper: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", fmt.Errorf("ask ZooKeeper: %w", err)
		}
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return "", fmt.Errorf("ask ZooKeeper: %w", err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("ask ZooKeeper: %w", err)
	}
	_, rest, found := strings.Cut(string(answer), "Mode: ")
	if !found {
		return "", fmt.Errorf("ask ZooKeeper %s: no mode in %q", addr, answer)
	}
	mode, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(mode), nil
}

// zooKeeperModeWithin is zooKeeperMode for servers that may never answer.
func zooKeeperModeWithin(ctx context.Context, patience time.Duration, addr string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return zooKeeperMode(ctx, addr)
}

// brokerGone returns a function that waits until the session of a killed broker has expired: while its node is there,
// Kafka 2.8 does not start again.
func (z *ZooKeeper) brokerGone(id int32) func(context.Context) error {
	path := "/brokers/ids/" + strconv.Itoa(int(id))
	return func(ctx context.Context) error {
		conn, _, err := zk.Connect(z.Direct(), 5*time.Second, zk.WithLogger(silent{}))
		if err != nil {
			return fmt.Errorf("connect to ZooKeeper: %w", err)
		}
		defer conn.Close()
		return waitFor(ctx, path+" is gone", func(context.Context) error {
			exists, _, err := conn.Exists(path)
			if err == nil && exists {
				err = errors.New("it is still there")
			}
			return err
		})
	}
}

// silent is the logger of a ZooKeeper client that must not write to the output of a test.
type silent struct{}

func (silent) Printf(string, ...any) {}
