package sim

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
)

// Outcomes of a produce request, as brokers number them.
const (
	fine       = 0
	outOfOrder = 45
)

// TestProducersAreForgotten holds what is added to kfake against what brokers were measured to do: they recognise the last
// five batches of a producer, after a restart the last one, and after the producer's state has expired nothing at all.
func TestProducersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		c := newCluster(t, n, "region", 1)
		defer c.Close()
		if err := c.CreateTopic(young, 1, nil); err != nil {
			t.Fatal(err)
		}
		k, err := kafka.New("region", kafka.Config{Brokers: []string{c.hosts[0].addr}, Dial: n.dialer(&clientHost{faulty: true})}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		send := func(sequence int32, at time.Time) int16 {
			t.Helper()
			leader := c.LeaderFor(young, 0)
			conn, err := k.Dial(t.Context(), c.hosts[leader].addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			resp, err := conn.Do(t.Context(), produceRequest(sequence, at))
			if err != nil {
				t.Fatal(err)
			}
			return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
		}
		end := func() int64 { return c.PartitionInfo(young, 0).HighWatermark }
		expect := func(what string, sequence int32, at time.Time, code int16, appended int64) {
			t.Helper()
			before := end()
			if got := send(sequence, at); got != code || end()-before != appended {
				t.Errorf("%s: got code %d and %d records, want %d and %d", what, got, end()-before, code, appended)
			}
		}
		now := time.Now()
		for sequence := range int32(6) {
			expect("in order", sequence, now, fine, 1)
		}
		expect("a gap", 9, now, outOfOrder, 0)
		expect("the fifth last again", 1, now, fine, 0)
		expect("the sixth last again", 0, now, outOfOrder, 0)
		c.crash(int(c.LeaderFor(young, 0)), false)()
		expect("the last again after a restart", 5, now, fine, 0)
		expect("the second last again after a restart", 4, now, outOfOrder, 0)
		aged := now.Add(-producerExpiry - time.Minute)
		expect("the next, with an old record", 6, aged, fine, 1)
		expect("the same again: forgotten", 6, aged, fine, 1)
		expect("a gap: forgotten", 100, aged, fine, 1)
	})
}

// TestNetworkLosesNothingByItself sends through losses, stalls and freezes shorter than the user timeout: all bytes come, in order.
func TestNetworkLosesNothingByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		b := n.host("region-0:9092")
		m := &clientHost{faulty: true}
		client, err := n.dial(t.Context(), m, b.addr)
		if err != nil {
			t.Fatal(err)
		}
		server, _ := listener{n, b}.Accept()
		got := make(chan int, 1)
		go func() {
			next, buf := 0, make([]byte, 3)
			for {
				k, err := server.Read(buf)
				for _, one := range buf[:k] {
					if int(one) != next%256 {
						t.Errorf("byte %d is %d", next, one)
					}
					next++
				}
				if err != nil {
					got <- next
					return
				}
			}
		}()
		sent := 0
		for i := range 300 {
			switch i % 100 {
			case 10:
				time.AfterFunc(9*time.Second, n.lose(b, true, false))
			case 40:
				time.AfterFunc(9*time.Second, n.stall(m))
			case 70:
				n.change(b, func() { b.frozen++ })
				time.AfterFunc(9*time.Second, func() { n.change(b, func() { b.frozen-- }) })
			}
			if _, err := client.Write([]byte{byte(sent), byte(sent + 1)}); err != nil {
				t.Fatal(err)
			}
			sent += 2
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		_ = client.Close()
		if received := <-got; received != sent || n.counts["segments lost"] == 0 {
			t.Errorf("%d bytes of %d came, %d segments were lost on the way", received, sent, n.counts["segments lost"])
		}
	})
}

// TestClosedAwayBytesNeverArrive closes a connection while its bytes are lost: as with SO_LINGER 0 they do not come later.
func TestClosedAwayBytesNeverArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		b := n.host("region-0:9092")
		client, err := n.dial(t.Context(), &clientHost{faulty: true}, b.addr)
		if err != nil {
			t.Fatal(err)
		}
		server, _ := listener{n, b}.Accept()
		heal := n.lose(b, true, true)
		if _, err := client.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		time.Sleep(time.Minute)
		heal()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		context.AfterFunc(ctx, func() { _ = server.SetReadDeadline(time.Now()) })
		if k, err := server.Read(make([]byte, 8)); k != 0 || err == nil || ctx.Err() != nil {
			t.Errorf("got %d bytes, %v, %v; want a reset", k, err, ctx.Err())
		}
	})
}
