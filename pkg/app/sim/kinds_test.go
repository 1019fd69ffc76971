package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kinds lists how each kind of fault is drawn.
func kinds() []func(*rand.Rand) fault {
	return []func(*rand.Rand) fault{cuts, blackHoles, latencies, resets, crashes, freezes, refusals, landed, hangUps,
		elections, mirrorKills, mirrorStops, mirrorStalls, commitFailures, throttles, controlErrors}
}

// cuts refuse and reset everything between the mirror and some brokers.
func cuts(random *rand.Rand) fault {
	a := drawTarget(random)
	return fault{what: "cut from " + a.String(), begin: func(w *world) func() {
		var ends []func()
		for _, b := range a.hosts(w) {
			w.net.change(b, func() { b.cut++ })
			w.net.reset(b, func(c *conn) bool { return c.m.faulty })
			ends = append(ends, func() { w.net.change(b, func() { b.cut-- }) })
		}
		return all(ends)
	}}
}

// blackHoles lose everything, or what goes one way.
func blackHoles(random *rand.Rand) fault {
	a, way := drawTarget(random), random.IntN(4)
	to, from := way != 1, way != 2
	return fault{what: fmt.Sprintf("black hole at %v, requests lost %t, answers lost %t", a, to, from), begin: func(w *world) func() {
		var ends []func()
		for _, b := range a.hosts(w) {
			ends = append(ends, w.net.lose(b, to, from))
		}
		return all(ends)
	}}
}

// latencies delay everything.
func latencies(random *rand.Rand) fault {
	a, by := drawTarget(random), between(random, 50*time.Millisecond, 8*time.Second)
	return fault{what: fmt.Sprintf("%v is %v further away", a, by.Round(time.Millisecond)), begin: func(w *world) func() {
		var ends []func()
		for _, b := range a.hosts(w) {
			ends = append(ends, w.net.delay(b, by))
		}
		return all(ends)
	}}
}

// resets reset some connections again and again.
func resets(random *rand.Rand) fault {
	a, interval, one := drawTarget(random), between(random, 100*time.Millisecond, time.Minute), 1+random.IntN(3)
	draw := rand.New(rand.NewPCG(a.extra, 2))
	return fault{what: fmt.Sprintf("one connection in %d to %v reset every %v", one, a, interval.Round(time.Millisecond)), begin: func(w *world) func() {
		return every(interval, func() {
			for _, b := range a.hosts(w) {
				w.net.reset(b, func(c *conn) bool { return c.m.faulty && draw.IntN(one) == 0 })
			}
		})
	}}
}

// crashes take a broker's process away for a while.
func crashes(random *rand.Rand) fault {
	a := drawTarget(random)
	a.node = max(0, a.node)
	moved := random.IntN(2) == 0
	return fault{what: fmt.Sprintf("crash of %v, partitions moved %t", a, moved), begin: func(w *world) func() {
		return a.cluster(w).crash(a.node, moved)
	}}
}

// freezes stop a broker's process for a while: what it was sent waits, and is done later.
func freezes(random *rand.Rand) fault {
	a := drawTarget(random)
	a.node = max(0, a.node)
	return fault{what: "freeze of " + a.String(), begin: func(w *world) func() { return a.cluster(w).freeze(a.node) }}
}

// refusals let produce requests fail before anything is appended.
func refusals(random *rand.Rand) fault {
	codes := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError,
		kerr.LeaderNotAvailable, kerr.TopicAuthorizationFailed}
	return answers(random, codes, "refused", kmsg.Produce)
}

// landed lets produce requests fail after the records were appended.
func landed(random *rand.Rand) fault {
	return answers(random, []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend}, "landed and failed", kmsg.Produce)
}

// answers lets some requests to the region be answered with an error.
func answers(random *rand.Rand, codes []*kerr.Error, how string, keys ...kmsg.Key) fault {
	code, one, draw := codes[random.IntN(len(codes))], 1+random.IntN(4), rand.New(rand.NewPCG(random.Uint64(), 3))
	a := target{edge: false, node: -1}
	if keys[0] != kmsg.Produce {
		a.edge = random.IntN(2) == 0
	}
	return fault{what: fmt.Sprintf("one in %d of %v at %v %s: %s", one, keys, a, how, code.Message), begin: func(w *world) func() {
		h := a.cluster(w).Fault(kfake.Fault{Keys: keys, Err: code, Count: -1, When: func(kmsg.Request) bool { return draw.IntN(one) == 0 }})
		return func() {
			h.Remove()
			w.net.mu.Lock()
			defer w.net.mu.Unlock()
			w.net.counts["requests "+how] += h.Hits()
		}
	}}
}

// hangUps let brokers close the connection instead of an answer.
func hangUps(random *rand.Rand) fault {
	a, one := drawTarget(random), 2+random.IntN(20)
	keys := []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.Metadata, kmsg.ListOffsets, kmsg.InitProducerID, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.FindCoordinator}
	key := keys[random.IntN(len(keys))]
	return fault{what: fmt.Sprintf("%v hangs up at one in %d of %v", target{edge: a.edge, node: -1}, one, key), begin: func(w *world) func() {
		c := a.cluster(w)
		return c.set(func() { c.hangUp[int16(key)] = one }, func() { delete(c.hangUp, int16(key)) })
	}}
}

// elections move leaders and coordinators.
func elections(random *rand.Rand) fault {
	a, interval := drawTarget(random), between(random, 300*time.Millisecond, 5*time.Minute)
	draw := rand.New(rand.NewPCG(a.extra, 4))
	return fault{what: fmt.Sprintf("leaders of %v move every %v", target{edge: a.edge, node: -1}, interval.Round(time.Millisecond)), begin: func(w *world) func() {
		c := a.cluster(w)
		return every(interval, func() {
			topic, to := topicNames()[draw.IntN(2)], draw.Int32N(brokersEach)
			if c.elect(topic, draw.Int32N(partitionsOf), to) {
				w.net.happened("leaders moved")
			}
			if draw.IntN(4) == 0 {
				c.RehashCoordinators()
			}
		})
	}}
}

// mirrorKills end the mirror as kill -9 does, and start it again.
func mirrorKills(*rand.Rand) fault {
	return fault{what: "kill -9 of the mirror", begin: func(w *world) func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.mirror == nil {
			return func() {}
		}
		w.net.happened("mirrors killed")
		w.mirror.kill()
		w.dying = append(w.dying, w.mirror)
		w.mirror = nil
		return w.startAgain
	}}
}

// mirrorStops end the mirror as SIGTERM does, and start it again.
func mirrorStops(*rand.Rand) fault {
	return fault{what: "stop of the mirror", begin: func(w *world) func() {
		w.mu.Lock()
		m := w.mirror
		w.mirror = nil
		w.mu.Unlock()
		if m == nil {
			return func() {}
		}
		_ = m.shutDown() // with a cluster out of reach it says that not all was acknowledged
		w.net.happened("mirrors stopped")
		return w.startAgain
	}}
}

// startAgain starts a new incarnation.
func (w *world) startAgain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mirror = startMirror(w.t, w)
}

// mirrorStalls keep the mirror's machine from the network; a process that stands still cannot be had in a bubble.
func mirrorStalls(*rand.Rand) fault {
	return fault{what: "stall of the mirror's machine", begin: func(w *world) func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.mirror == nil {
			return func() {}
		}
		w.net.happened("mirrors stalled")
		return w.net.stall(w.mirror.host)
	}}
}

// commitFailures refuse the saving and reading of positions.
func commitFailures(random *rand.Rand) fault {
	codes := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.RequestTimedOut}
	f := answers(random, codes, "positions refused", kmsg.OffsetCommit, kmsg.OffsetFetch)
	return f
}

// controlErrors refuse what is asked beside the data.
func controlErrors(random *rand.Rand) fault {
	codes := []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition}
	return answers(random, codes, "questions refused", kmsg.ListOffsets, kmsg.Fetch)
}

// throttles let fetches come back empty for a quota.
func throttles(random *rand.Rand) fault {
	a, by := drawTarget(random), between(random, 50*time.Millisecond, 20*time.Second)
	return fault{what: fmt.Sprintf("fetches from %v throttled by %v", target{edge: a.edge, node: -1}, by.Round(time.Millisecond)), begin: func(w *world) func() {
		c := a.cluster(w)
		return c.set(func() { c.throttle = by }, func() { c.throttle = 0 })
	}}
}
