package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// fault is one thing that goes wrong for a while.
type fault struct {
	at, lasts time.Duration // from the beginning of its round
	what      string
	begin     func(w *world) (end func())
}

// String tells the fault.
func (f fault) String() string {
	return fmt.Sprintf("%v for %v: %s", f.at.Round(time.Millisecond), f.lasts.Round(time.Millisecond), f.what)
}

// round is some faults that overlap, after which all is well again.
type round []fault

// lasts is from the beginning to the end of the last fault.
func (r round) lasts() time.Duration {
	var end time.Duration
	for _, f := range r {
		end = max(end, f.at+f.lasts)
	}
	return end
}

// outage is for how long of a round at least one fault was in force.
func (r round) outage() time.Duration {
	byStart := slices.SortedFunc(slices.Values(r), func(a, b fault) int { return int(a.at - b.at) })
	var sum, until time.Duration
	for _, f := range byStart {
		from := max(f.at, until)
		until = max(until, f.at+f.lasts)
		sum += max(0, until-from)
	}
	return sum
}

// String tells the round.
func (r round) String() string {
	var lines []string
	for _, f := range r {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

// newPlan draws rounds until they have lasted about long, with faults of up to longest.
func newPlan(seed uint64, long, longest time.Duration) []round {
	random := rand.New(rand.NewPCG(seed, 1))
	var plan []round
	for planned := time.Duration(0); planned < long; {
		var r round
		for range 1 + random.IntN(4) {
			f := kinds()[random.IntN(len(kinds()))](random)
			f.at = between(random, 0, 40*time.Second)
			f.lasts = min(between(random, 200*time.Millisecond, longest), long)
			r = append(r, f)
		}
		plan = append(plan, r)
		planned += r.lasts()
	}
	return plan
}

// between draws so that every order of magnitude has the same share.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	low := math.Log(float64(max(least, 10*time.Millisecond)))
	return time.Duration(math.Exp(low + random.Float64()*(math.Log(float64(most))-low)))
}

// target is some brokers of one cluster.
type target struct {
	edge  bool
	node  int // -1 all
	extra uint64
}

func drawTarget(random *rand.Rand) target {
	return target{random.IntN(3) == 0, random.IntN(brokersEach+2) - 2, random.Uint64()}
}

func (a target) cluster(w *world) *cluster {
	if a.edge {
		return w.edge
	}
	return w.region
}

func (a target) hosts(w *world) []*brokerHost {
	c := a.cluster(w)
	if a.node < 0 {
		return c.hosts
	}
	return c.hosts[a.node : a.node+1]
}

// String tells the target.
func (a target) String() string {
	name := "region"
	if a.edge {
		name = "edge"
	}
	if a.node < 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, a.node)
}

// every does something again and again until the returned function is called.
func every(interval time.Duration, do func()) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			do()
			select {
			case <-done:
				return
			case <-time.After(interval):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// all ends what was begun several times.
func all(ends []func()) func() {
	return func() {
		for _, end := range ends {
			end()
		}
	}
}
