package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestDialOfOnesOwn speaks to a broker over what Config.Dial gives, which is no TCP connection, under a simulated clock:
// nothing may wait for the network with a lock in hand.
func TestDialOfOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			network kfake.VirtualNetwork
			dialed  atomic.Int32
		)
		fake, err := kfake.NewCluster(kfake.ListenFn(network.Listen), kfake.Ports(1))
		if err != nil {
			t.Fatal(err)
		}
		defer fake.Close()
		slow := func(ctx context.Context, kind, addr string) (net.Conn, error) {
			dialed.Add(1)
			select {
			case <-time.After(time.Second):
				return network.DialContext(ctx, kind, addr)
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		c, err := New("region", Config{Brokers: fake.ListenAddrs(), Dial: slow}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		begun := time.Now()
		conn, err := c.Dial(t.Context(), fake.ListenAddrs()[0])
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		defer conn.Close()
		if took := time.Since(begun); took < time.Second {
			t.Errorf("Dial took %v, want the dialer's second at least", took)
		}
		conn.WakeAt(100) // advice that is not taken
		if n := conn.Unacknowledged(); n != 0 {
			t.Errorf("%d bytes unacknowledged, want 0 for not known", n)
		}
		if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
			t.Errorf("Do: %v", err)
		}
		if _, err := c.Metadata(t.Context()); err != nil {
			t.Errorf("Metadata: %v", err)
		}
		if got := dialed.Load(); got != 2 {
			t.Errorf("dialed %d times, want the lane's connection and one of the control plane", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.Dial(ctx, fake.ListenAddrs()[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial under a context that ends first: got %v, want its cause", err)
		}
	})
}
