package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/IBM/sarama"
)

// What ApiVersions tells brokers about us; they show it in their connection metrics.
const (
	softwareName    = "tributary"
	softwareVersion = "1"
)

// Dial opens and authenticates one connection to the broker at addr (host:port) and hands it to the
// caller, who closes it; Close of the Cluster does not. It gives up when ctx ends. A refused login has
// the code 58 where the broker says so; others just hang up.
func (c *Cluster) Dial(ctx context.Context, addr string) (*Conn, error) {
	conn, err := c.dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%s: connect to %s: %w", c.name, addr, err)
	}
	c.log.Debug("connection opened", "addr", addr)
	return conn, nil
}

func (c *Cluster) dial(ctx context.Context, addr string) (*Conn, error) {
	// Outside sarama, which dials under a lock of its own.
	sock, err := openSocket(ctx, addr, c.cfg)
	if err != nil {
		return nil, whyFailed(ctx, err)
	}
	sess := newSession(sock)
	release := context.AfterFunc(ctx, sock.abort) // reports whether ctx had not used it
	broker := sarama.NewBroker(addr)
	conn := &Conn{addr: addr, sock: sock, session: sess, broker: broker, turn: make(chan struct{}, 1), counted: c.counted}
	handOver := func(string, string) (net.Conn, error) { return sess, nil }
	if err = broker.Open(saramaConfig(c.cfg.SASL, handOver, c.counted)); err != nil {
		err = fmt.Errorf("set up connection: %w", err)
	} else if _, err = broker.Connected(); err != nil && c.cfg.SASL != nil {
		err = c.loginError(err)
	}
	if err == nil {
		err = conn.askVersions()
	}
	if !release() {
		err = whyFailed(ctx, err)
	}
	if err == nil {
		err = sess.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// whyFailed returns ctx's cause if ctx has ended, as then err is only what that did to the socket.
func whyFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// loginError names who was refused, and gives sarama's error its Kafka code.
func (c *Cluster) loginError(err error) error {
	err = withCode(err)
	return fmt.Errorf("log in as %q by %s: %w", c.cfg.SASL.Username, c.cfg.SASL.Mechanism, err)
}

// codedError is an error of sarama that stands for a Kafka code.
type codedError struct {
	error
	code Error
}

// Unwrap returns both.
func (e codedError) Unwrap() []error { return []error{e.code, e.error} }

// withCode adds the Kafka code to an error of sarama that stands for one.
func withCode(err error) error {
	// With the broker's words around it this code can be asked for, but not taken out.
	if errors.Is(err, sarama.ErrSASLAuthenticationFailed) {
		return codedError{err, Error{codeSASLAuthentication}}
	}
	if known, ok := errors.AsType[sarama.KError](err); ok && known > 0 {
		return codedError{err, Error{int16(known)}}
	}
	return err
}

// askVersions learns which versions of each request the broker speaks.
func (c *Conn) askVersions() error {
	answer, err := c.broker.ApiVersions(versionsRequest())
	if err != nil {
		return fmt.Errorf("ask for versions: %w", withCode(err))
	}
	if answer.ErrorCode != 0 {
		return fmt.Errorf("ask for versions: %w", Error{answer.ErrorCode})
	}
	c.versions = make(map[int16]versionRange, len(answer.ApiKeys))
	for _, key := range answer.ApiKeys {
		c.versions[key.ApiKey] = versionRange{oldest: key.MinVersion, newest: key.MaxVersion}
	}
	return nil
}

func versionsRequest() *sarama.ApiVersionsRequest {
	return &sarama.ApiVersionsRequest{
		Version: 3, ClientSoftwareName: softwareName, ClientSoftwareVersion: softwareVersion,
	}
}
