package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// strike is a fault that comes and goes while records flow.
type strike struct {
	name string
	hold time.Duration // how long it lasts

	// begin starts the fault.
	begin func(ctx context.Context) error
	// proof returns what shows that it took place, or an error. It is asked at the end of the hold.
	proof func(ctx context.Context) (string, error)
	// end heals it, and returns when records could flow again.
	end func(ctx context.Context) error

	// visible, where it is not 0, is within what time the status must say that not all is well.
	visible time.Duration
	// recovers bounds the time until records flow again; 0 is 30 s.
	recovers time.Duration
}

// endure lets each strike fall while r mirrors, and proves that nothing is lost, doubled or reordered by them, that no
// saved position is ahead of the destination, and that records flow again soon after each.
func (e *evidence) endure(t *testing.T, r *route, spec load.Spec, strikes ...strike) {
	t.Helper()
	r.host.start(t)
	generator := r.startTraffic(t, spec)
	r.awaitMore(t, 100, time.Minute)
	watch := r.watchPositions(t)
	for i, s := range strikes {
		eventually(t, time.Minute, "status says that all is well", r.flows)
		t.Logf("strike %d of %d: %s", i+1, len(strikes), s.name)
		e.suffer(t, r, s)
	}
	report := generator.end(t)
	r.awaitCopied(t, 3*time.Minute)
	samples := watch()
	r.host.stop(t)
	result := e.exact(t, r, report)
	e.note("%d samples of saved positions", len(samples))
	for _, v := range load.Violations(samples, result, 0) {
		t.Error(v)
	}
}

// suffer makes one fault.
func (e *evidence) suffer(t *testing.T, r *route, s strike) {
	t.Helper()
	must(t, s.begin(within(t, 10*time.Minute)))
	healed := false
	heal := func(ctx context.Context) error { healed = true; return s.end(ctx) }
	t.Cleanup(func() {
		if healed {
			return
		}
		if err := heal(context.Background()); err != nil {
			t.Errorf("heal %s: %v", s.name, err)
		}
	})
	begun := time.Now()
	if s.visible > 0 {
		took := eventually(t, s.visible, s.name+": status says that not all is well", r.troubled)
		e.noticed = max(e.noticed, took)
	}
	must(t, pause(t.Context(), s.hold-time.Since(begun)))
	proof, err := s.proof(within(t, time.Minute))
	must(t, err)
	e.fired("%s: %s", s.name, proof)
	must(t, heal(within(t, 3*time.Minute)))
	bound := s.recovers
	if bound == 0 {
		bound = noticeWithin
	}
	e.recovered = max(e.recovered, r.awaitMore(t, 1, bound))
}

// watchPositions samples what the mirror saves and what the destination has, until the function it returns is called.
func (r *route) watchPositions(t *testing.T) (stop func() []load.Sample) {
	t.Helper()
	sampler, err := load.NewSampler(load.SamplerConfig{Source: r.source(), Destination: r.destination(), Group: r.host.settings.group()})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var failed error
	running.Go(func() { failed = sampler.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return func() []load.Sample {
		cancel()
		running.Wait()
		must(t, failed)
		return sampler.Samples()
	}
}

var errAllWell = errors.New("all partitions are copying or caught up")

// troubled returns an error unless a partition says that something is wrong.
func (r *route) troubled(ctx context.Context) error {
	if r.flows(ctx) == nil {
		return errAllWell
	}
	return ctx.Err()
}

// atProxies is a fault of the proxies of a cluster. count says which counter must have risen, and what it counts.
func atProxies(name string, hold time.Duration, c *kafka.Cluster, do func(*kafka.Proxy), count func(kafka.ProxyStats) int64, what string) strike {
	var before int64
	total := func() (n int64) {
		for _, node := range c.Nodes() {
			n += count(node.Proxy().Stats())
		}
		return n
	}
	return strike{
		name: name, hold: hold,
		begin: func(context.Context) error {
			before = total()
			for _, node := range c.Nodes() {
				do(node.Proxy())
			}
			return nil
		},
		proof: func(context.Context) (string, error) {
			if n := total() - before; n > 0 {
				return fmt.Sprintf("%d %s", n, what), nil
			}
			return "", fmt.Errorf("%s: no %s", name, what)
		},
		end: func(context.Context) error {
			var errs []error
			for _, node := range c.Nodes() {
				errs = append(errs, node.Proxy().Heal())
			}
			return errors.Join(errs...)
		},
	}
}

// kills is the death of a broker by SIGKILL; it is chosen when the time has come.
func kills(name string, hold time.Duration, c *kafka.Cluster, choose func(ctx context.Context) (*kafka.Node, error)) strike {
	var node *kafka.Node
	return strike{
		name: name, hold: hold,
		begin: func(ctx context.Context) (err error) {
			if err = c.WaitInSync(ctx); err != nil {
				return err
			}
			if node, err = choose(ctx); err != nil {
				return err
			}
			return node.Kill()
		},
		proof: func(context.Context) (string, error) {
			if node.Alive() {
				return "", fmt.Errorf("broker %d survived", node.ID())
			}
			return fmt.Sprintf("broker %d was gone for %v", node.ID(), hold), nil
		},
		end: func(ctx context.Context) error { return node.Restart(ctx) },
	}
}

// repeated makes n of a strike, with one line of proof for each.
func repeated(n int, make func(i int) strike) []strike {
	var all []strike
	for i := range n {
		all = append(all, make(i))
	}
	return all
}
