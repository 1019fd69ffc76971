package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership"
)

// DemoOptions says what a demo does.
type DemoOptions struct {
	Records  int           // produced at both edges together, at least 1
	Duration time.Duration // over which they are produced, above zero
	Seed     uint64        // decides contents and when the region is cut off; the same makes the same run
}

// Times of a demo.
const (
	demoPoll     = 100 * time.Millisecond
	demoArrival  = 30 * time.Second // in which home must have everything after the last record was produced
	demoReading  = time.Minute      // in which everything at home must be read
	demoCutMin   = 500 * time.Millisecond
	demoCutMax   = 2500 * time.Millisecond
	demoRateSpan = time.Second // over which the rate is measured
)

// Demo runs two edges, a region and home on simulated brokers in this process, and the very mirror that Run starts between
// them. It produces at the edges, cuts the region off for a moment, and in the end reads every record at home and compares
// it with what was produced. It shows on out what happens. The error says what is not as it must be: a record that is lost,
// doubled, out of order or altered at home, or that ctx ended before the comparison did. Nothing of it outlives the call but the
// one goroutine that sarama's consumer makes go-metrics start for the life of a process.
func Demo(ctx context.Context, o DemoOptions, out io.Writer, log *slog.Logger) error {
	if o.Records < 1 || o.Duration <= 0 {
		return fmt.Errorf("demo of %d records in %v: both must be above zero", o.Records, o.Duration)
	}
	tiers, err := startTiers(o)
	if err != nil {
		return err
	}
	defer tiers.close()
	dir, err := os.MkdirTemp("", "mirror-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg := tiers.config(dir)
	if err := cfg.Validate(Supported); err != nil {
		return fmt.Errorf("configure demo: %w", err)
	}
	p, err := newProcess(cfg, "demo", &ownership.Memory{}, connect, log)
	if err != nil {
		return err
	}
	d := &demo{options: o, tiers: tiers, process: p, screen: newDemoScreen(out), begun: time.Now(), cpu: cpuTime()}
	d.plan()
	d.welcome()
	if err := d.mirror(ctx); err != nil {
		return fmt.Errorf("demo ended before the comparison: %w", err)
	}
	return d.compare(ctx)
}

// demo is one run. All of it but the producers and the process is for one goroutine.
type demo struct {
	options DemoOptions
	tiers   *demoTiers
	process *process
	screen  *demoScreen
	begun   time.Time
	cpu     time.Duration // of this process when the demo began

	cutAfter, cutFor time.Duration
	phase            demoPhase
	points           []demoPoint // of the last demoRateSpan
}

// demoPoint is how many records home had at a time.
type demoPoint struct {
	at      time.Time
	records int64
}

// plan decides when the region is cut off: about in the middle.
func (d *demo) plan() {
	rng := rand.New(rand.NewPCG(d.options.Seed, 0))
	d.cutAfter = time.Duration(float64(d.options.Duration) * (0.40 + 0.10*rng.Float64()))
	d.cutFor = min(max(d.options.Duration/6, demoCutMin), demoCutMax).Round(demoPoll)
	d.phase = phaseMirroring
}

func (d *demo) welcome() {
	d.screen.say("Tributary demo on simulated brokers, all in this process: %d records over %v, seed %d", d.options.Records, d.options.Duration, d.options.Seed)
	d.screen.say("  edge-a (1 broker, 3 partitions) --+")
	d.screen.say("                                    +--> region (3 brokers, %d partitions) --> home (3 brokers)", demoRegionPartitions)
	d.screen.say("  edge-b (1 broker, 2 partitions) --+")
	d.screen.say("Status while it runs: http://%s/", d.process.server.Addr())
}

// mirror runs the process and the producers until home has everything, and stops them in good order.
func (d *demo) mirror(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, working := errgroup.WithContext(ctx)
	g.Go(func() error { return d.process.journaled(working, "demo") })
	produced := make(chan struct{})
	g.Go(func() error {
		var edges errgroup.Group
		for _, e := range d.tiers.edges {
			edges.Go(func() error { return e.run(working) })
		}
		if err := edges.Wait(); err != nil {
			return err
		}
		close(produced)
		return nil
	})
	watched := d.watch(working, produced)
	d.tiers.gate.heal() // what is under way can be finished
	cancel()
	ended := g.Wait()
	if watched != nil {
		return watched // what came first; how the others ended follows from it
	}
	return ended
}

// watch shows progress, cuts the region off and brings it back, and returns when home has everything.
func (d *demo) watch(ctx context.Context, produced <-chan struct{}) error {
	cut, heal := time.After(d.cutAfter), (<-chan time.Time)(nil)
	var late <-chan time.Time
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	for d.screen.err == nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-cut:
			d.tiers.gate.cut()
			d.phase, heal = phaseCut, time.After(d.cutFor)
			d.screen.say("%5.1fs  the region's brokers become unreachable for %v", time.Since(d.begun).Seconds(), d.cutFor)
		case <-heal:
			d.tiers.gate.heal()
			d.phase = phaseCatchUp
			d.screen.say("%5.1fs  the region's brokers are back", time.Since(d.begun).Seconds())
		case <-produced:
			produced, late = nil, time.After(demoArrival)
		case <-late:
			return fmt.Errorf("home has %d of %d records %v after the last was produced", d.tiers.records(demoHome), d.tiers.produced(), demoArrival)
		case now := <-tick.C:
			s := d.sample(now)
			d.screen.draw(s, now)
			if produced == nil && d.phase != phaseCut && s.home >= s.produced && s.home >= s.region {
				return nil
			}
		}
	}
	return d.screen.err
}

// sample takes one moment.
func (d *demo) sample(now time.Time) demoSample {
	s := demoSample{elapsed: now.Sub(d.begun), states: map[mirror.State]int{}}
	// From home back to the edges, so that no tier seems to be ahead of the one before it.
	s.home = d.tiers.records(demoHome)
	s.region = d.tiers.records(demoRegion)
	s.produced = d.tiers.produced()
	for _, l := range d.process.links {
		for _, t := range l.Status().Topics {
			for _, p := range t.Partitions {
				s.states[p.State]++
			}
		}
	}
	d.points = append(d.points, demoPoint{now, s.home})
	for len(d.points) > 2 && now.Sub(d.points[1].at) >= demoRateSpan {
		d.points = d.points[1:]
	}
	if first := d.points[0]; now.After(first.at) {
		s.rate = float64(s.home-first.records) / now.Sub(first.at).Seconds()
	}
	// Within what is produced in half a second it is as current as it was before the cut.
	behind := float64(s.produced - s.home)
	if d.phase == phaseCatchUp && behind*d.options.Duration.Seconds() < float64(d.options.Records)/2 {
		d.phase = phaseMirroring
	}
	s.phase = d.phase
	return s
}

// compare reads all of home, compares, and prints what came of it.
func (d *demo) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoReading)
	defer cancel()
	used := cpuTime() - d.cpu
	produced := d.tiers.produced()
	d.screen.say("%5.1fs  mirror stopped; reading every record at home to compare it with its original", time.Since(d.begun).Seconds())
	check := newDemoCheck(d.options.Seed, d.tiers.lanes())
	if err := readAll(ctx, d.tiers.brokers[demoHome], check.take); err != nil {
		return fmt.Errorf("read what is at home: %w", err)
	}
	r := check.finish()
	d.screen.say("\nproduced %d  at home %d  bytes %d", produced, r.Records, r.Bytes)
	d.screen.say("lost %d  doubled %d  reordered %d  altered %d", r.Lost, r.Doubled, r.Reordered, r.Altered)
	d.screen.say("CPU %.1fs, simulated brokers and producers included", used.Seconds())
	for _, example := range r.Examples {
		d.screen.say("  %s", example)
	}
	if !r.clean() {
		return errors.Join(fmt.Errorf("home is not what was produced: lost %d, doubled %d, reordered %d, altered %d", r.Lost, r.Doubled, r.Reordered, r.Altered), d.screen.err)
	}
	d.screen.say("\nEvery record is at home once, in order, byte for byte. On to real brokers, with a configuration such as that in the README:")
	d.screen.say("  mirror validate -c mirror.yaml\n  mirror run -c mirror.yaml\n  mirror status")
	return d.screen.err
}

// cpuTime is what this process used until now; 0 where the system does not say.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
