package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// crashes says how often what is killed in a crash loop.
type crashes struct {
	mirror, brokers int
	lifeMin         time.Duration // of a mirror until it is killed; drawn at random for each
	lifeMax         time.Duration
	seed            uint64
	load            load.Spec
}

// Under load, mirrors and destination brokers die by kill -9 at random moments, and no record is lost, doubled or
// reordered: the broker remembers who wrote what.
func TestCrashLoopFresh(t *testing.T) {
	soak(t, func(t *testing.T, round int) {
		r := newRoute(t, fmt.Sprintf("crash-fresh-%d", round), stage.edge.get(t), stage.region.get(t), 4)
		crashLoop(t, r, crashes{
			mirror: size(24, 80), brokers: size(4, 16), lifeMax: 2500 * time.Millisecond, seed: uint64(round),
			load: load.Spec{Partitions: 4, Rate: 2000, BatchRecords: []int{0, 10}, Producers: 2, Shapes: load.Everything &^ load.OddTimes},
		})
	})
}

// The same holds for records so old that the destination has forgotten their producer.
func TestCrashLoopOld(t *testing.T) {
	soak(t, func(t *testing.T, round int) {
		region := stage.region.get(t)
		forgetProducersAfter(t, region, 20*time.Second)
		r := newRoute(t, fmt.Sprintf("crash-old-%d", round), stage.edge.get(t), region, 2)
		crashLoop(t, r, crashes{
			mirror: size(8, 40), brokers: size(2, 6), lifeMin: 2 * time.Second, lifeMax: 9 * time.Second, seed: uint64(round) + 1000,
			load: load.Spec{Partitions: 2, Rate: 1000, BatchRecords: []int{10}, Age: time.Hour},
		})
		requireForgotten(t, r)
	})
}

// soak runs a test once, or again and again for half of the time that the environment asks for: there are two loops.
func soak(t *testing.T, test func(t *testing.T, round int)) {
	var duration time.Duration
	if text := os.Getenv(soakEnv); text != "" {
		var err error
		duration, err = time.ParseDuration(text)
		must(t, err)
		duration /= 2
	}
	begun := time.Now()
	for round := 1; round == 1 || time.Since(begun) < duration && !t.Failed(); round++ {
		t.Run(fmt.Sprintf("round=%d", round), func(t *testing.T) { test(t, round) })
	}
}

// crashLoop kills as asked while records come in, then lets the mirror finish and compares.
func crashLoop(t *testing.T, r *route, c crashes) load.Result {
	t.Logf("seed %d", c.seed)
	c.load.Seed = c.seed
	generator := r.startTraffic(t, c.load)
	r.host.start(t) // makes the destination topic, which cannot be made while brokers are away
	r.awaitMore(t, 1, time.Minute)

	ctx, cancel := context.WithCancelCause(t.Context())
	var brokers sync.WaitGroup
	defer brokers.Wait() // none is left dying when this ends early
	defer cancel(nil)
	var failed error
	brokers.Go(func() {
		if failed = killBrokers(ctx, r, rand.New(rand.NewPCG(c.seed, 1)), c.brokers); failed != nil {
			cancel(failed)
		}
	})
	moved := killMirrors(ctx, t, r, rand.New(rand.NewPCG(c.seed, 2)), c)
	brokers.Wait()
	must(t, failed)
	if moved < c.mirror/3 {
		t.Errorf("only %d of %d killed mirrors had copied anything: the kills came too early to prove much", moved, c.mirror)
	}

	must(t, r.host.launch())
	must(t, r.host.awaitStarted(t.Context()))
	requireRegime(t, r, c.load.Age)
	report := generator.end(t)
	must(t, r.to.WaitInSync(within(t, time.Minute), r.topic))
	r.awaitCopied(t, 3*time.Minute)
	r.host.stop(t)
	return r.requireExact(t, report)
}

// killMirrors lets mirrors live and die, and returns how many of them had copied something.
func killMirrors(ctx context.Context, t *testing.T, r *route, random *rand.Rand, c crashes) (moved int) {
	before, _ := r.arrived(ctx) // while brokers are away there may be no answer: then this life counts for nothing
	for i := range c.mirror {
		if i > 0 {
			must(t, r.host.launch())
		}
		life := c.lifeMin + time.Duration(random.Float64()*float64(c.lifeMax-c.lifeMin))
		if err := pause(ctx, life); err != nil {
			t.Fatalf("kill mirrors: %v", err)
		}
		must(t, r.host.run.kill())
		if !r.host.run.killed() {
			t.Fatalf("mirror %d ended by itself after %v: %v", i, life, r.host.run.exit)
		}
		asked, cancel := context.WithTimeout(ctx, time.Second)
		now, err := r.arrived(asked)
		cancel()
		if err == nil && now > before {
			moved++
		}
		before = max(before, now)
	}
	t.Logf("killed %d mirrors, %d of which had copied something", c.mirror, moved)
	return moved
}

// killBrokers kills the destination's brokers in turn, each when the others have everything.
func killBrokers(ctx context.Context, r *route, random *rand.Rand, times int) error {
	nodes := r.to.Nodes()
	for i := range times {
		bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
		err := killBroker(bounded, r, nodes[i%len(nodes)], random)
		cancel()
		if err != nil {
			return fmt.Errorf("kill broker, time %d: %w", i+1, err)
		}
	}
	return nil
}

func killBroker(ctx context.Context, r *route, node *kafka.Node, random *rand.Rand) error {
	if err := r.to.WaitInSync(ctx, r.topic); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(random.Float64()*float64(2*time.Second))); err != nil {
		return err
	}
	if err := node.Kill(); err != nil {
		return err
	}
	if node.Alive() {
		return fmt.Errorf("broker %d survived", node.ID())
	}
	if err := pause(ctx, time.Duration(random.Float64()*float64(5*time.Second))); err != nil {
		return err
	}
	return node.Restart(ctx)
}

// requireRegime proves that what the loop tested is what its name says: records whose age is nil have a broker that
// remembers their producer, older ones have not.
func requireRegime(t *testing.T, r *route, age time.Duration) {
	t.Helper()
	want := "fresh"
	if age > 0 {
		want = "careful"
	}
	eventually(t, time.Minute, "the regime is "+want, func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		if len(topic.Partitions) == 0 {
			return errors.New("no partition is known")
		}
		for _, p := range topic.Partitions {
			if p.Regime != want || p.State != "copying" && p.State != "caught_up" {
				return fmt.Errorf("partition %d is %s, %s", p.Partition, p.State, p.Regime)
			}
		}
		return nil
	})
}

// forgetProducersAfter makes brokers forget producers whose last record is older, until the test ends.
func forgetProducersAfter(t *testing.T, c *kafka.Cluster, age time.Duration) {
	t.Helper()
	const key = "producer.id.expiration.ms"
	value := fmt.Sprint(age.Milliseconds())
	alter := func(ctx context.Context, change kadm.AlterConfig) error {
		answers, err := c.Admin().AlterBrokerConfigs(ctx, []kadm.AlterConfig{change})
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if answer.Err != nil {
				return answer.Err
			}
		}
		return nil
	}
	must(t, alter(t.Context(), kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := alter(ctx, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: key}); err != nil {
			t.Errorf("restore %s: %v", key, err)
		}
	})
}

// requireForgotten proves that the brokers hold no state of the producer any more, which they would for a day.
func requireForgotten(t *testing.T, r *route) {
	t.Helper()
	var partitions kadm.TopicsSet
	ends, err := r.to.EndOffsets(t.Context(), r.topic)
	must(t, err)
	for p := range ends {
		partitions.Add(r.topic, p)
	}
	eventually(t, 30*time.Second, "brokers forget the producers of "+r.topic, func(ctx context.Context) error {
		producers, err := r.to.Admin().DescribeProducers(ctx, partitions)
		if err != nil {
			return err
		}
		for _, p := range producers.SortedProducers() {
			return fmt.Errorf("%s/%d still knows producer %d", p.Topic, p.Partition, p.ProducerID)
		}
		return nil
	})
}
