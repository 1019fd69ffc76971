// Package app wires one mirror process and holds its lifetime, so that run, demo and tests start the very same thing. It
// holds no logic of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rcrowley/go-metrics"

	"tributary/pkg/batch"
	"tributary/pkg/catalog"
	"tributary/pkg/config"
	"tributary/pkg/consume"
	"tributary/pkg/cores"
	"tributary/pkg/deadman"
	"tributary/pkg/eligible"
	"tributary/pkg/heartbeat"
	"tributary/pkg/journal"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
	"tributary/pkg/ownership"
	"tributary/pkg/ownership/pool"
	"tributary/pkg/park"
	"tributary/pkg/pause"
	"tributary/pkg/produce"
	"tributary/pkg/status"
	"tributary/pkg/systemd"
)

// process is one mirror with everything it runs.
type process struct {
	log      *slog.Logger  // over lines
	lines    *status.Lines // of the log
	acks     *status.AckDuration
	clusters map[string]*kafka.Cluster
	watchers map[string]*catalog.Watcher
	sources  map[string]*consume.Source
	sinks    map[string]*produce.Sink
	links    []*mirror.Link
	byName   map[string]*mirror.Link
	members  map[string]*member // by link; those that are shared
	heart    *heartbeat.Heart   // nil where no heartbeats are written or read
	asides   map[string]aside   // by cluster; of those that links name
	observer *lag.Observer
	server   *status.Server
	notifier *systemd.Notifier
	journal  *journal.Journal
	eligible *eligible.Keeper
	deadman  *deadman.Pinger // nil: nobody is pinged
	heard    *status.Watchers
	pauses   *pause.Pauses
	reloader *reloader // nil: there is no file to read again
}

// Run mirrors what cfg says until ctx ends, then drains. It returns nil when everything in flight was acknowledged, the
// positions are saved, and pools have been left.
func Run(ctx context.Context, cfg *config.Config, version string, log *slog.Logger, options ...Option) error {
	return run(ctx, cfg, version, connect, log, options...)
}

func run(ctx context.Context, cfg *config.Config, version string, connect connector, log *slog.Logger, options ...Option) error {
	if err := cfg.Validate(Supported); err != nil {
		return err
	}
	state, err := ownership.OpenStatic(cfg.StateDir)
	if err != nil {
		return err
	}
	p, err := newProcess(cfg, version, state, connect, log, options...)
	if err != nil {
		return errors.Join(err, state.Close())
	}
	log = p.log
	limitMemory(int64(cfg.Memory))
	adapting, stop := context.WithCancel(context.WithoutCancel(ctx)) // it drains on as many threads as that takes
	var adapted sync.WaitGroup
	adapted.Go(func() { cores.Run(adapting, log) })
	log.Info("mirror started", "instance", cfg.Instance, "version", version, "listen", p.server.Addr(), "state_dir", filepath.Clean(cfg.StateDir))
	err = p.journaled(ctx, version)
	stop()
	adapted.Wait()
	log.Info("mirror stopped", "err", err)
	return errors.Join(err, state.Close())
}

// besideBudget is what the heap needs beside the budget for records: connections, metadata, codecs. With the program's
// own pages the process stays below the budget and 48 MiB.
const besideBudget = 30 << 20

// limitMemory lets the collector run as often as it takes to stay near the budget, where it would otherwise let garbage
// grow to the size of all that is in use. GOMEMLIMIT in the environment wins.
func limitMemory(budget int64) {
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(budget + besideBudget)
	}
}

// Supported is a config.Check that finds what this version does not do yet.
func Supported(cfg *config.Config) []config.Problem {
	var found []config.Problem
	for i, l := range cfg.Links {
		refuse := func(asked bool, key, instead string) {
			if asked {
				found = append(found, config.Problem{Key: fmt.Sprintf("links[%d].%s", i, key), Text: "not available in this version; " + instead})
			}
		}
		refuse(l.Partitions == config.PartitionsKey, "partitions", "use same or spread")
	}
	return found
}

// holding says what of a link is this process's, and keeps the identities of that.
type holding struct {
	mirror.Store
	mirror.Ownership
}

// newProcess wires a process. Its events and its socket are in the state directory, which is its alone. store is of the links
// that are not shared; connect opens the sessions of those that are.
func newProcess(cfg *config.Config, version string, store mirror.Store, connect connector, log *slog.Logger, options ...Option) (*process, error) {
	lines := status.CountLines(log.Handler())
	log = slog.New(lines)
	p := &process{log: log, lines: lines, acks: status.NewAckDuration(), journal: journal.New(cfg.StateDir, log), clusters: map[string]*kafka.Cluster{}, watchers: map[string]*catalog.Watcher{},
		sources: map[string]*consume.Source{}, sinks: map[string]*produce.Sink{}, members: map[string]*member{}, byName: map[string]*mirror.Link{}, asides: map[string]aside{}}
	for _, o := range options {
		o(p)
	}
	if err := p.wire(cfg, version, store, connect); err != nil {
		for _, m := range p.members {
			err = errors.Join(err, m.abandon())
		}
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *process) wire(cfg *config.Config, version string, store mirror.Store, connect connector) error {
	for _, name := range slices.Sorted(maps.Keys(cfg.Clusters)) {
		c, err := kafka.New(name, clusterConfig(cfg.Clusters[name]), p.log)
		if err != nil {
			return fmt.Errorf("%w; correct clusters.%s, or the files that it names", err, name)
		}
		p.clusters[name] = c
		p.watchers[name] = catalog.NewWatcher(c, p.log)
	}
	budget := mirror.NewBudget(int64(cfg.Memory))
	observed := lag.Config{Instance: cfg.Instance, Zone: cfg.Zone, Version: version, BudgetTotal: budget.Total(), BudgetUsed: budget.Used, Events: p.journal, Pools: map[string]func() pool.View{}}
	served := status.Config{Listen: cfg.Listen, Clients: map[string]metrics.Registry{}, Token: string(cfg.StatusToken), Socket: Socket(cfg.StateDir), Links: map[string]status.Link{}, Pools: map[string]status.Pool{}, Journal: p.journal, Logged: p.lines, AckDuration: p.acks,
		Series: status.Series{MaxTopics: cfg.Metrics.MaxTopics, Partitions: cfg.Metrics.Granularity == config.GranularityPartition}}
	for name, c := range p.clusters {
		served.Clients[name] = c.Traffic()
	}
	for _, l := range cfg.Links {
		own := holding{store, new(mirror.Alone)}
		if l.Ownership.ZooKeeper != nil {
			m, err := newMember(cfg, l, connect, p.log)
			if err != nil {
				return fmt.Errorf("link %s: %w; correct ownership.zookeeper of the link, or the files that it names", l.Name, err)
			}
			p.members[l.Name], observed.Pools[l.Name], served.Pools[l.Name] = m, m.pool.View, m.pool
			own = holding{m.pool, m.pool}
		}
		link, err := p.link(l, budget, own)
		if err != nil {
			return fmt.Errorf("link %s: %w", l.Name, err)
		}
		p.links, p.byName[l.Name] = append(p.links, link), link
		observed.Links = append(observed.Links, link.Status)
		served.Links[l.Name] = link
	}
	observed.Eligible = func() bool { return p.eligible.State().In }
	p.beat(cfg, &observed, &served)
	err := p.probe(cfg, &observed)
	if err != nil {
		return err
	}
	if p.observer, err = lag.New(observed, p.log); err != nil {
		return err
	}
	p.watch(cfg, &served)
	p.openPauses(cfg)
	served.Pauser = p.pauses
	if p.reloader != nil {
		p.reloader.begin(cfg)
		served.Reloader = p.reloader
	}
	if p.server, err = status.New(served, p.observer.Snapshot, prometheus.NewRegistry(), p.log); err != nil {
		return err
	}
	p.notifier, err = systemd.New(systemd.Config{Alive: p.server.Alive, Status: p.server.Line}, p.log)
	return err
}

func (p *process) link(l config.Link, budget *mirror.Budget, own holding) (*mirror.Link, error) {
	filter, err := l.Filter()
	if err != nil {
		return nil, err
	}
	c := mirror.LinkConfig{Name: l.Name, From: l.From, To: l.To, Match: filter.Match, Rename: filter.Rename,
		Create: l.Topics.Create, Replicas: l.Topics.ReplicationFactor, Mapping: mirror.Mapping(l.Partitions),
		Latest: l.Start == config.StartLatest, AtLeastOnce: l.Guarantee == config.AtLeastOnce, Rate: int64(l.Rate), Answered: p.acks.Of(l.Name)}
	if c.Replicas == 0 {
		c.Replicas = -1 // the destination's default
	}
	if l.OnBadRecord == config.BadRecordParks {
		c.Parking = park.NewLot(park.Config{Create: c.Create, Replicas: c.Replicas}, p.clusters[l.To])
	}
	if l.Compression != config.CompressionSource {
		c.Recompress = true
		if c.Codec, err = batch.ParseCodec(string(l.Compression)); err != nil {
			return nil, err
		}
	}
	if p.sources[l.From] == nil {
		p.sources[l.From] = consume.NewSource(p.clusters[l.From], p.watchers[l.From], budget, p.log)
	}
	if p.sinks[l.To] == nil {
		p.sinks[l.To] = produce.NewSink(p.clusters[l.To], p.watchers[l.To], p.log)
	}
	c.Equal = mirror.Equal{Names: l.Topics.ConfigSync, From: p.sources[l.From], To: p.sinks[l.To]}
	return mirror.NewLink(c, p.sources[l.From], p.sinks[l.To], own.Store, own.Ownership, p.journal, p.log), nil
}

func clusterConfig(c config.Cluster) kafka.Config {
	k := kafka.Config{Brokers: c.Brokers}
	if c.TLS != nil {
		k.TLS = &kafka.TLS{CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key, ServerName: c.TLS.ServerName}
	}
	if c.SASL != nil {
		k.SASL = &kafka.SASL{Mechanism: c.SASL.Mechanism, Username: c.SASL.Username, Password: kafka.Secret(c.SASL.Password), AllowPlaintext: c.SASL.AllowPlaintext}
	}
	return k
}
