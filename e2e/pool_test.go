package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

const (
	poolLanes     = 4                      // members that run at the same moment
	poolTick      = 500 * time.Millisecond // of the ZooKeeper ensemble
	poolIdle      = 15 * time.Second       // after which a broker of the shared cluster closes an idle connection
	poolSession   = 2 * time.Second        // where a test asks for no other
	poolSettles   = 2 * time.Minute        // until every topic has an owner and the load is even
	killGap       = time.Second            // without records of a topic whose owner was killed, or handed it over
	rejoinWithin  = 5 * time.Second        // of one that woke
	recoverWithin = 30 * time.Second       // beside the session timeout, after anything
)

// poolOptions says what pool a test wants.
type poolOptions struct {
	topics    int // of one partition each
	members   int // to begin with, each in a zone of its own
	session   time.Duration
	noEvict   bool
	viaZK     bool   // the members reach ZooKeeper over proxies
	viaPeers  bool   // and each other; with viaZK
	lean      bool   // on two clusters of one broker each, which thousands of topics may burden
	root      string // "" is the default
	nameBytes int    // of each topic; 0 is as short as they come
}

// pool is a number of mirrors that share the topics of a link, with what a test watches them by. The methods are for the
// goroutine of the test.
type pool struct {
	poolOptions
	test     *testing.T // that it ends with
	link     string
	from, to *kafka.Cluster
	zk       *kafka.ZooKeeper
	tree     *tree
	topicsOf []string // names of the topics
	peers    *peerNet // nil where members reach each other directly
	members  []*member
	watch    *load.Watcher
	fleet    *fleetTraffic
	made     int
	noise    time.Duration // longest silence of a topic when nothing was wrong
}

// newPool makes the topics at both ends and starts the members, and returns when all topics have owners, evenly.
func newPool(t *testing.T, link string, o poolOptions) *pool {
	t.Helper()
	if o.session == 0 {
		o.session = poolSession
	}
	p := &pool{poolOptions: o, test: t, link: link, zk: stage.zk.get(t)}
	if o.lean {
		p.from, p.to = kafka.New(t, kafka.Options{Lanes: poolLanes}), kafka.New(t, kafka.Options{Lanes: poolLanes})
	} else {
		p.from, p.to = stage.edge.get(t), stage.shared.get(t)
	}
	p.topicsOf = poolTopics(link, o.topics, o.nameBytes)
	p.createTopics(t)
	p.tree = newTree(t, p.zk.Direct(), p.rootPath())
	t.Cleanup(func() { p.tree.conn.Close() })
	if o.viaPeers {
		p.peers = newPeerNet(t)
	}
	for lane := range o.members {
		p.start(t, lane+1)
	}
	p.awaitEven(t)
	return p
}

// poolTopics names the topics of a pool.
func poolTopics(link string, n, nameBytes int) []string {
	var all []string
	for i := range n {
		name := fmt.Sprintf("%s-%04d", link, i)
		if missing := nameBytes - len(name); missing > 0 {
			name += "-" + strings.Repeat("x", missing-1)
		}
		all = append(all, name)
	}
	return all
}

func (p *pool) rootPath() string {
	if p.root != "" {
		return p.root
	}
	return "/mirror/" + p.link
}

// createTopics makes them at both ends, and lets them go with the test: hundreds would burden the tests to come.
func (p *pool) createTopics(t *testing.T) {
	t.Helper()
	for _, c := range []*kafka.Cluster{p.from, p.to} {
		replicas := min(len(c.Nodes()), 3)
		answers, err := c.Admin().CreateTopics(within(t, time.Minute), 1, int16(replicas), nil, p.topicsOf...)
		must(t, err)
		must(t, answers.Error())
		must(t, c.WaitInSync(within(t, 2*time.Minute), p.topicsOf...))
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if answers, err := c.Admin().DeleteTopics(ctx, p.topicsOf...); err != nil || answers.Error() != nil {
				t.Errorf("delete topics: %v %v", err, answers.Error())
			}
		})
	}
}

// flow lets records come in for all topics, and watches them arrive.
func (p *pool) flow(t *testing.T, spec load.FleetSpec) {
	t.Helper()
	spec.Topics = p.topicsOf
	var err error
	p.watch, err = load.NewWatcher(p.to.Direct(), p.topicsOf, 1)
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := p.watch.Run(ctx); err != nil {
			t.Errorf("watch the destination: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); watching.Wait() })
	p.fleet = startFleet(t, p.from.Direct(), spec)
	eventually(t, 2*time.Minute, "records of every topic arrive", func(context.Context) error {
		for _, topic := range p.topicsOf {
			if p.watch.Records(topic) == 0 {
				return fmt.Errorf("nothing of %s", topic)
			}
		}
		return nil
	})
}

// finish ends the flow, lets the pool copy the rest, ends the members in order, and proves that every topic is complete.
func (p *pool) finish(t *testing.T) {
	t.Helper()
	reports := p.fleet.end(t)
	p.awaitCopied(t, 3*time.Minute)
	p.stopAll(t)
	p.requireExact(t, reports)
}

// stopAll ends all members at once with SIGTERM.
func (p *pool) stopAll(t *testing.T) {
	t.Helper()
	var stops errgroup.Group
	for _, m := range p.members {
		stops.Go(func() error {
			code, err := m.run.terminate(stopTimeout + 5*time.Second)
			if err == nil && code != 0 {
				err = fmt.Errorf("exit code of %s after SIGTERM: got %d, want 0; the log ends with\n%s", m.settings.Instance, code, m.logTail(15))
			}
			return err
		})
	}
	must(t, stops.Wait())
}

// awaitCopied waits until the destination has as many records as the source, topic by topic.
func (p *pool) awaitCopied(t *testing.T, patience time.Duration) {
	t.Helper()
	eventually(t, patience, "the pool has copied everything", func(ctx context.Context) error {
		want, err := p.from.Admin().ListEndOffsets(ctx, p.topicsOf...)
		if err == nil {
			err = want.Error()
		}
		if err != nil {
			return err
		}
		got, err := p.to.Admin().ListEndOffsets(ctx, p.topicsOf...)
		if err != nil {
			return err
		}
		for _, topic := range p.topicsOf {
			if have, of := got[topic][0].Offset, want[topic][0].Offset; have < of {
				return fmt.Errorf("%s: %d of %d", topic, have, of)
			}
		}
		return nil
	})
}

// requireExact proves of every topic, or in the short form of some of hundreds, that the destination holds the source's
// records, each once and in order, and that they are those that were promised.
func (p *pool) requireExact(t *testing.T, reports []load.Report) {
	t.Helper()
	var comparing errgroup.Group
	comparing.SetLimit(3)
	var mu sync.Mutex
	var total int64
	step := size(1+len(p.topicsOf)/100, 1)
	for i := 0; i < len(p.topicsOf); i += step {
		comparing.Go(func() error {
			n, err := p.compare(t.Context(), p.topicsOf[i], reports[i])
			mu.Lock()
			defer mu.Unlock()
			total += n
			return err
		})
	}
	must(t, comparing.Wait())
	t.Logf("%d topics: %d records are equal and in order", (len(p.topicsOf)+step-1)/step, total)
}

func (p *pool) compare(ctx context.Context, topic string, report load.Report) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	to := load.Destination{Seeds: p.to.Direct(), Topic: topic}
	result, err := load.Compare(ctx, []load.Source{{Seeds: p.from.Direct(), Topic: topic}}, to, load.Same)
	if err = errors.Join(err, result.Err()); err != nil {
		return 0, fmt.Errorf("%s: destination and source differ: %w", topic, err)
	}
	if acked := report.Acked(); result.Matched < acked || acked == 0 {
		return 0, fmt.Errorf("%s: compared %d records, of which %d were acknowledged: too few", topic, result.Matched, acked)
	}
	audit, err := load.Audit(ctx, to.Seeds, topic, report)
	if err = errors.Join(err, audit.Err()); err != nil {
		return 0, fmt.Errorf("%s: destination and generator differ: %w", topic, err)
	}
	return result.Matched, nil
}

// fleetTraffic is a generator for many topics that runs beside a test.
type fleetTraffic struct {
	cancel  context.CancelFunc
	done    chan struct{}
	reports []load.Report // set before done closes, as err
	err     error
}

func startFleet(t *testing.T, seeds []string, spec load.FleetSpec) *fleetTraffic {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &fleetTraffic{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.reports, f.err = load.Fleet(ctx, seeds, spec)
	}()
	t.Cleanup(func() { cancel(); <-f.done })
	return f
}

// end stops the generator and returns what it wrote.
func (f *fleetTraffic) end(t *testing.T) []load.Report {
	t.Helper()
	f.cancel()
	<-f.done
	must(t, f.err)
	return f.reports
}

// wait returns what the generator wrote when it has written all that it was asked for.
func (f *fleetTraffic) wait(t *testing.T) []load.Report {
	t.Helper()
	<-f.done
	must(t, f.err)
	return f.reports
}
