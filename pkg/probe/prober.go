package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/kafka"
)

const (
	// interval is the time from the begin of one round to that of the next.
	interval = 10 * time.Second
	// questionTimeout bounds each question of a round by itself: one that is answered late, or never, takes no time from those
	// after it. A broker that answers nothing at all makes a round last three of them; what the others said then is not stale.
	questionTimeout = 5 * time.Second
	// settingsEvery is how often settings are read again: one that was lowered shortens deadlines.
	settingsEvery = time.Minute
	// saveEvery is how often what is remembered is written.
	saveEvery = 5 * time.Minute
)

// Wants are what a prober is to find out.
type Wants struct {
	// Sources are the topics that are read from the cluster, with the offsets of the first records that are not mirrored;
	// several of a partition where several links read it.
	Sources map[string][]Offset
	// Settings are topics of which nothing but settings is wanted: those that are written.
	Settings []string
}

// Offset is an offset of a partition.
type Offset struct {
	Partition int32
	Offset    int64
}

// Config says what a prober asks and where it remembers.
type Config struct {
	// Wants is called once a round, from the goroutine of Run. It must answer from memory.
	Wants func() Wants
	// Path is the file that keeps a week of traffic. "": nothing is kept.
	Path string
}

// Prober asks one cluster. Create with New.
type Prober struct {
	cfg     Config
	cluster *kafka.Cluster
	log     *slog.Logger

	// All below but latest is owned by Run.
	id       string // of the cluster, "" until it is known
	topics   map[string]*topic
	asked    map[string]bool // the topics that this round asks about
	disks    map[DiskID]*growth
	volumes  map[DiskID]Disk // as answered last
	saved    time.Time
	success  time.Time
	troubles map[string]string // what is being complained about: by kind, the words

	latest atomic.Pointer[Answer]
}

// topic is what is remembered of one topic.
type topic struct {
	id         kafka.TopicID
	settings   *Settings
	settled    time.Time    // when the cluster said last what the settings are, or that it does not tell
	untold     error        // why the settings were not told then, nil when they were
	partitions []*partition // empty where only settings are wanted
}

// partition is what is remembered of one partition.
type partition struct {
	volume volume
	speed  speed
	answer Partition // as published last; zero At: never
}

// New returns a prober that is not running. The cluster is its own, and is closed by whoever made it.
func New(cfg Config, cluster *kafka.Cluster, log *slog.Logger) *Prober {
	return &Prober{cfg: cfg, cluster: cluster, log: log.With("cluster", cluster.Name()), topics: map[string]*topic{},
		disks: map[DiskID]*growth{}, volumes: map[DiskID]Disk{}, troubles: map[string]string{}}
}

// Run asks at once and every ten seconds until ctx ends, remembers, and returns nil. Call it once.
func (p *Prober) Run(ctx context.Context) error {
	p.load()
	disk := p.newSaver()
	defer p.end(disk)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	p.saved = time.Now()
	for {
		p.round(ctx)
		if time.Since(p.saved) >= saveEvery {
			p.save(disk)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Once asks one round and returns what is known then, nil when ctx ended before. It writes no file. It is called in place of Run.
func (p *Prober) Once(ctx context.Context) *Answer {
	p.round(ctx)
	return p.Answer()
}

// Answer returns what is known now, nil before the first round has ended. It may be called at any time from any goroutine.
func (p *Prober) Answer() *Answer { return p.latest.Load() }

// round asks everything once, takes in what was answered, and publishes.
func (p *Prober) round(ctx context.Context) {
	began := time.Now()
	err := p.ask(ctx, p.cfg.Wants())
	if ctx.Err() != nil {
		return // what failed then says nothing
	}
	if err == nil {
		p.success = began
	}
	p.complain("ask", err)
	p.publish()
}

// ask goes through the questions of a round. It returns why not all were answered.
func (p *Prober) ask(ctx context.Context, wants Wants) error {
	var md *kafka.Metadata
	err := bounded(ctx, func(ctx context.Context) (err error) {
		md, err = p.cluster.Metadata(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if p.id != "" && md.ClusterID != p.id {
		p.topics, p.disks, p.volumes = map[string]*topic{}, map[DiskID]*growth{}, map[DiskID]Disk{}
	}
	p.id = md.ClusterID
	missing := p.arrange(md, wants)
	settings, brokers := p.unsettled(time.Now()), p.spread(md, wants)
	var wg sync.WaitGroup
	wg.Go(func() { settings.ask(ctx, p.cluster) })
	for _, b := range brokers {
		wg.Go(func() { b.ask(ctx, p.cluster) })
	}
	wg.Wait()
	p.complain("settings", p.settle(settings))
	p.prune(md, brokers)
	return errors.Join(missing, p.takeBrokers(brokers, wants))
}

// bounded puts one question, which has its own time.
func bounded(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	return question(ctx)
}

// complain logs when a kind of trouble begins and ends, and keeps its words for the answer.
func (p *Prober) complain(kind string, err error) {
	was := p.troubles[kind]
	switch {
	case err == nil && was != "":
		p.log.Info("cluster answers the prober again", "what", kind)
	case err != nil && was == "":
		p.log.Warn("cluster does not tell all that the time until loss depends on", "what", kind, "err", err)
	}
	delete(p.troubles, kind)
	if err != nil {
		p.troubles[kind] = err.Error()
	}
}

// rights says what is missing for an error about rights.
func rights(err error, right string) error {
	return fmt.Errorf("%w; grant the mirror's user %s", err, right)
}
