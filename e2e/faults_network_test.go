package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// What a counter of a proxy counts.
var (
	connectionsCut  = func(s kafka.ProxyStats) int64 { return s.Cut }
	requestsLost    = func(s kafka.ProxyStats) int64 { return s.SwallowedUp }
	repliesLost     = func(s kafka.ProxyStats) int64 { return s.SwallowedDown }
	silenced        = func(s kafka.ProxyStats) int64 { return s.Silenced }
	ordinaryTraffic = load.Spec{Partitions: 3, Rate: 2000, Producers: 2, BatchRecords: []int{0, 10}, Shapes: load.Everything &^ load.OddTimes}
)

// proxied makes a route both hops of which lead over proxies.
func proxied(t *testing.T, name string, tune ...func(*settings)) *route {
	t.Helper()
	return newRoute(t, name, stage.second.get(t), stage.region.get(t), 3, tune...)
}

func seen(s strike, within time.Duration) strike {
	s.visible = within
	return s
}

func cutsEachWay(t *testing.T, e *evidence) {
	r := proxied(t, "fault-n1")
	hold := whole(time.Second, 20*time.Second)
	both := []strike{
		seen(atProxies("answers of the destination lost", hold, r.to, (*kafka.Proxy).DropReplies, repliesLost, "bytes lost"), noticeWithin),
		seen(atProxies("requests to the source lost", hold, r.from, (*kafka.Proxy).DropRequests, requestsLost, "bytes lost"), noticeWithin),
	}
	if everyFault() {
		both = append(both,
			seen(atProxies("source cut", hold, r.from, (*kafka.Proxy).Cut, connectionsCut, "connections cut"), noticeWithin),
			seen(atProxies("destination cut", hold, r.to, (*kafka.Proxy).Cut, connectionsCut, "connections cut"), noticeWithin),
			seen(atProxies("answers of the source lost", hold, r.from, (*kafka.Proxy).DropReplies, repliesLost, "bytes lost"), noticeWithin),
			seen(atProxies("requests to the destination lost", hold, r.to, (*kafka.Proxy).DropRequests, requestsLost, "bytes lost"), noticeWithin))
	}
	e.endure(t, r, ordinaryTraffic, both...)
}

func blackHoles(t *testing.T, e *evidence) {
	const bound = 45 * time.Second
	r := proxied(t, "fault-n2")
	mid := func(p *kafka.Proxy) { p.SilenceAfter(64 << 10) }
	strikes := []strike{seen(atProxies("silence in the middle of a produce request", 0, r.to, mid, silenced, "connections fell silent"), bound)}
	if everyFault() {
		strikes = append(strikes,
			seen(atProxies("silence in the middle of a fetch response", 0, r.from, mid, silenced, "connections fell silent"), bound),
			seen(atProxies("black hole before the destination", 20*time.Second, r.to, (*kafka.Proxy).BlackHole, requestsLost, "bytes swallowed"), bound),
			seen(atProxies("black hole before the source", 20*time.Second, r.from, (*kafka.Proxy).BlackHole, requestsLost, "bytes swallowed"), bound))
	}
	e.endure(t, r, ordinaryTraffic, strikes...)
}

// Connections are reset at random moments, die after as many bytes, and are sliced into small packets, all at once.
func resetStorm(t *testing.T, e *evidence) {
	r := proxied(t, "fault-n3")
	want := int64(whole(30, 200))
	proxies := append(r.to.Nodes(), r.from.Nodes()...)
	total := func() (n int64) {
		for _, node := range proxies {
			n += node.Proxy().Stats().Reset
		}
		return n
	}
	var before int64
	e.endure(t, r, ordinaryTraffic, strike{
		name: "connections reset, and sliced into packets of 200 bytes",
		begin: func(ctx context.Context) error {
			before = total()
			for _, node := range proxies {
				node.Proxy().Slice(200)
				node.Proxy().ResetAfter(300 << 10)
			}
			for i := 0; total()-before < want; i++ {
				if err := pause(ctx, time.Duration(20+i%7*10)*time.Millisecond); err != nil {
					return fmt.Errorf("%d of %d resets: %w", total()-before, want, err)
				}
				proxies[i%len(proxies)].Proxy().Reset()
			}
			return nil
		},
		proof: func(context.Context) (string, error) { return fmt.Sprintf("%d resets", total()-before), nil },
		end: func(context.Context) error {
			for _, node := range proxies {
				if err := node.Proxy().Heal(); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// Over a line of 10 Mbit/s and 300 ms a mirror uses the line, when it has some partitions to read: of a lone one a fetch
// takes 1 MiB, and then waits for a round trip.
func longThinLine(t *testing.T, e *evidence) {
	const (
		bytesPerSecond = 1_250_000
		oneWay         = 150 * time.Millisecond
		linePartitions = 6
	)
	for _, side := range []string{"source", "destination"} {
		far := stage.second.get(t)
		from, to := far, stage.home.get(t)
		if side == "destination" {
			from, to = stage.edge.get(t), far
		}
		r := newRoute(t, "fault-n4-"+side, from, to, linePartitions)
		carried := func() (n int64) {
			for _, node := range far.Nodes() {
				s := node.Proxy().Stats()
				n += s.UpBytes + s.DownBytes
			}
			return n
		}
		_, err := load.Fill(within(t, time.Minute), r.from.Direct(), load.FillSpec{Topic: r.topic, Partitions: linePartitions, Records: 60 * bytesPerSecond / 1000, ValueBytes: 1024, Codec: load.None})
		must(t, err)
		for _, node := range far.Nodes() {
			node.Proxy().Delay(oneWay)
			node.Proxy().Throttle(bytesPerSecond)
			t.Cleanup(func() {
				if err := node.Proxy().Heal(); err != nil {
					t.Error(err)
				}
			})
		}
		r.host.start(t)
		r.awaitMore(t, 1000, time.Minute)
		before, begun := carried(), time.Now()
		must(t, pause(t.Context(), 30*time.Second))
		rate := float64(carried()-before) / time.Since(begun).Seconds()
		e.fired("%s: %.2f MB/s over 300 ms and a cap of %.2f MB/s, %.0f %%", side, rate/1e6, bytesPerSecond/1e6, 100*rate/bytesPerSecond)
		if rate < 0.8*bytesPerSecond {
			t.Errorf("%s: got %.2f MB/s of a line of %.2f MB/s, want 80 %%", side, rate/1e6, bytesPerSecond/1e6)
		}
		if rate > 1.1*bytesPerSecond {
			t.Errorf("%s: got %.2f MB/s over a line of %.2f MB/s: there was no cap", side, rate/1e6, bytesPerSecond/1e6)
		}
		for _, node := range far.Nodes() {
			must(t, node.Proxy().Heal())
		}
		r.awaitCopied(t, 2*time.Minute)
		r.host.stop(t)
		e.exact(t, r)
	}
	e.note("packet loss is not made: the kernel has no netem")
}

// Packets of more than 1,400 bytes vanish, smaller ones do not.
func largePacketsLost(t *testing.T, e *evidence) {
	r := proxied(t, "fault-n5")
	lose := func(p *kafka.Proxy) { p.LoseLarge(1400) }
	strikes := []strike{seen(atProxies("packets over 1,400 bytes to the destination lost", 0, r.to, lose, silenced, "connections hung"), time.Minute)}
	if everyFault() {
		strikes = append(strikes, seen(atProxies("packets over 1,400 bytes of the source lost", 0, r.from, lose, silenced, "connections hung"), time.Minute))
	}
	e.endure(t, r, ordinaryTraffic, strikes...)
}
