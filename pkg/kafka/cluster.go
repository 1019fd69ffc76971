package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"

	"github.com/rcrowley/go-metrics"
)

// Cluster is one Kafka cluster: its control plane, and the way to connections of one's own. Safe for
// concurrent use.
//
// Every control call connects when needed, goes on to another broker when one cannot be reached or
// hangs up, repeats what Kafka asks to repeat (all these requests may be repeated), and ends with ctx,
// after 30 s at the latest. Errors name the cluster and what was asked; Code gives Kafka's code.
type Cluster struct {
	name string
	cfg  Config
	log  *slog.Logger
	pool pool

	counted *traffic // set once

	mu           sync.Mutex        // guards the rest
	live         []string          // addresses of the brokers in the last metadata
	coordinators map[string]string // address by group; dropped when one does not answer for it
}

// New checks cfg and reads the certificates once to see that they are usable. It touches no network.
// The name is for errors and logs.
func New(name string, cfg Config, log *slog.Logger) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	if cfg.TLS != nil {
		if _, err := cfg.TLS.load(""); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return &Cluster{
		name:         name,
		cfg:          cfg,
		log:          log.With("cluster", name),
		counted:      newTraffic(),
		pool:         pool{idle: make(map[string][]idleConn)},
		coordinators: make(map[string]string),
	}, nil
}

// Name returns the name given to New.
func (c *Cluster) Name() string { return c.name }

// Traffic counts the logins of all connections, and the requests of the control plane: what Do sends. What lanes send and read
// by themselves is not in it. The names are sarama's, the same from the start to the end; reading is safe at any time.
func (c *Cluster) Traffic() metrics.Registry { return c.counted }

// Close closes the connections of the control plane, those in use when their call ends, and fails
// further control calls with ErrClosed. Connections made by Dial are their owner's.
func (c *Cluster) Close() error {
	if err := c.pool.close(); err != nil {
		return fmt.Errorf("%s: close connections: %w", c.name, err)
	}
	return nil
}

// call runs one control call under its time limit and names it in the error.
func (c *Cluster) call(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if err := persist(ctx, do); err != nil {
		return fmt.Errorf("%s: %s: %w", c.name, what, err)
	}
	return nil
}

// remember notes the brokers of a metadata answer.
func (c *Cluster) remember(brokers map[int32]string) {
	if len(brokers) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = c.live[:0]
	for addr := range maps.Values(brokers) {
		c.live = append(c.live, addr)
	}
}

func hostPort(host string, port int32) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
