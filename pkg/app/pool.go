package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"tributary/pkg/config"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/peer"
	"tributary/pkg/ownership/pool"
	"tributary/pkg/ownership/zookeeper"
)

// connector opens a session of its own with a coordination service, which may come about later.
type connector func(zk config.ZooKeeper, log *slog.Logger) (coord.Client, error)

// connect is the connector of ZooKeeper.
func connect(zk config.ZooKeeper, log *slog.Logger) (coord.Client, error) {
	c := zookeeper.Config{Servers: zk.Servers, SessionTimeout: zk.SessionTimeout}
	if zk.Auth != nil {
		c.Auth = &zookeeper.Auth{Username: zk.Auth.Username, Password: zookeeper.Secret(zk.Auth.Password)}
	}
	if zk.TLS != nil {
		c.TLS = &zookeeper.TLS{CA: zk.TLS.CA, Cert: zk.TLS.Cert, Key: zk.TLS.Key, ServerName: zk.TLS.ServerName}
	}
	return zookeeper.Connect(c, log)
}

// member is this process in the pool of one link.
type member struct {
	client  coord.Client
	streams *peer.Streams
	pool    *pool.Pool
}

// newMember listens for peers and opens the session of a link. Nothing is joined before run; one that does not run is
// abandoned.
func newMember(cfg *config.Config, l config.Link, connect connector, log *slog.Logger) (*member, error) {
	zk := l.Ownership.ZooKeeper
	c := peer.Config{Listen: zk.Peer, Pool: l.Name + " " + zk.Root}
	if zk.PeerTLS != nil {
		c.TLS = &peer.TLS{CA: zk.PeerTLS.CA, Cert: zk.PeerTLS.Cert, Key: zk.PeerTLS.Key}
	}
	named := log.With("link", l.Name) // a pool names its link by itself
	streams, err := peer.New(c, named)
	if err != nil {
		return nil, err
	}
	client, err := connect(*zk, named)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to ZooKeeper: %w", err), streams.Close())
	}
	m := &member{client: client, streams: streams}
	own := pool.Config{Link: l.Name, Root: zk.Root, Instance: cfg.Instance, Zone: cfg.Zone, Capacity: zk.Capacity, PeerAddress: streams.Addr(), Evict: zk.Evict}
	if m.pool, err = pool.New(own, client, peers{streams}, log); err != nil {
		return nil, errors.Join(err, m.abandon())
	}
	return m, nil
}

// run takes part in the pool until ctx ends, and leaves it. The streams end last: who leaves says so on them, and is not taken
// for dead.
func (m *member) run(ctx context.Context) error {
	joined, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	streaming, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var streams errgroup.Group
	streams.Go(func() error {
		err := m.streams.Run(streaming)
		leave(err)
		return err
	})
	err := m.pool.Run(joined)
	stop()
	return errors.Join(err, streams.Wait())
}

// abandon frees what a member took that never runs.
func (m *member) abandon() error { return errors.Join(m.streams.Close(), m.client.Close()) }

// peers gives a pool its streams as it wants to see them.
type peers struct{ streams *peer.Streams }

// Set implements pool.Peers.
func (p peers) Set(self string, addresses map[string]string) { p.streams.Set(self, addresses) }

// Dead implements pool.Peers.
func (p peers) Dead() <-chan string { return p.streams.Dead() }

// Streams implements pool.Peers.
func (p peers) Streams() map[string]pool.Stream {
	streams := map[string]pool.Stream{}
	for _, s := range p.streams.Status() {
		switch {
		case s.State == peer.Connected && s.Silent:
			streams[s.Incarnation] = pool.StreamSilent
		case s.State == peer.Connected:
			streams[s.Incarnation] = pool.StreamOpen
		case s.State == peer.Left:
			streams[s.Incarnation] = pool.StreamNone
		default:
			streams[s.Incarnation] = pool.StreamBroken
		}
	}
	return streams
}
