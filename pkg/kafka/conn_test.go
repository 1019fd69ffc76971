package kafka

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestDoNegotiates(t *testing.T) {
	fake, c := start(t, kfake.MaxVersions(kversion.V2_8_0()))
	conn := dial(t, c, fake.ListenAddrs()[0])
	if got := conn.Addr(); got != fake.ListenAddrs()[0] {
		t.Errorf("Addr: got %s, want the dialed one", got)
	}
	fetch, metadata := int16(kmsg.Fetch), int16(kmsg.Metadata)
	if got := conn.MaxVersion(fetch); got != 12 {
		t.Errorf("MaxVersion of Fetch: got %d, want 12", got)
	}
	if got := conn.MaxVersion(9999); got != -1 {
		t.Errorf("MaxVersion of an unknown request: got %d, want -1", got)
	}
	for _, tt := range []struct{ set, want int16 }{{0, conn.MaxVersion(metadata)}, {5, 5}, {100, conn.MaxVersion(metadata)}} {
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(tt.set)
		resp, err := conn.Do(t.Context(), req)
		if err != nil || resp.GetVersion() != tt.want {
			t.Errorf("bound %d: got version %d, %v, want %d", tt.set, resp.GetVersion(), err, tt.want)
		}
		if req.GetVersion() != tt.set {
			t.Errorf("bound %d: Do left %d in the request", tt.set, req.GetVersion())
		}
	}
	if _, err := conn.Do(t.Context(), kmsg.NewPtrDescribeTopicPartitionsRequest()); !errors.Is(err, Error{35}) {
		t.Errorf("request of later brokers: got %v, want code 35", err)
	}
	if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
		t.Errorf("after a refused version: got %v, want a working connection", err)
	}
}

func TestBrokenConnStaysBroken(t *testing.T) {
	fake, c := start(t)
	conn := dial(t, c, fake.ListenAddrs()[0])
	hangUp(fake, kmsg.ListGroups, 1)
	_, first := conn.Do(t.Context(), kmsg.NewPtrListGroupsRequest())
	if first == nil || !Retriable(first) || !strings.Contains(first.Error(), "ask "+conn.Addr()+" for ListGroups: ") {
		t.Fatalf("got %v, want a retriable error that says what", first)
	}
	if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); !errors.Is(err, first) {
		t.Errorf("got %v, want the first error again", err)
	}
}

func TestDoEndsWithContext(t *testing.T) {
	fake, c := start(t)
	conn := dial(t, c, fake.ListenAddrs()[0])
	release := make(chan struct{})
	fake.ControlKey(int16(kmsg.ListGroups), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.SleepControl(func() { <-release })
		return nil, nil, false
	})
	defer close(release)
	if _, err := conn.Do(ended(t), kmsg.NewPtrMetadataRequest()); !errors.Is(err, context.Canceled) {
		t.Errorf("ctx ended before: got %v, want its cause", err)
	}
	if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
		t.Errorf("after nothing was sent: got %v, want a working connection", err)
	}
	if _, err := conn.Do(within(t, 50*time.Millisecond), kmsg.NewPtrListGroupsRequest()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ctx ended in mid-request: got %v, want its cause", err)
	}
	if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err == nil {
		t.Error("a connection out of step was used again")
	}
}

// TestDoWaitsItsTurn has one caller give up while another's request is under way.
func TestDoWaitsItsTurn(t *testing.T) {
	fake, c := start(t)
	conn := dial(t, c, fake.ListenAddrs()[0])
	arrived, release := make(chan struct{}), make(chan struct{})
	fake.ControlKey(int16(kmsg.ListGroups), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.SleepControl(func() { close(arrived); <-release })
		return nil, nil, false
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := conn.Do(t.Context(), kmsg.NewPtrListGroupsRequest()); err != nil {
			t.Errorf("the one under way: %v", err)
		}
	})
	<-arrived
	if _, err := conn.Do(within(t, 50*time.Millisecond), kmsg.NewPtrMetadataRequest()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the one in the queue: got %v, want its deadline", err)
	}
	close(release)
	wg.Wait()
	if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestPatience(t *testing.T) {
	fetch := kmsg.NewPtrFetchRequest()
	fetch.MaxWaitMillis = 30_000
	produce := kmsg.NewPtrProduceRequest()
	produce.TimeoutMillis = 10_000
	for _, tt := range []struct {
		name  string
		req   kmsg.Request
		muted time.Duration
		want  time.Duration
	}{
		{"plain", kmsg.NewPtrMetadataRequest(), 0, answerTimeout},
		{"fetch", fetch, 0, answerTimeout + 30*time.Second},
		{"produce", produce, 0, answerTimeout + 10*time.Second},
		{"throttled", kmsg.NewPtrMetadataRequest(), time.Minute, answerTimeout + time.Minute},
		{"was throttled", kmsg.NewPtrMetadataRequest(), -time.Minute, answerTimeout},
	} {
		conn := &Conn{mutedUntil: time.Now().Add(tt.muted)}
		if got := conn.patience(tt.req); got > tt.want || got < tt.want-time.Second {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestThrottleIsRemembered has a broker announce that it will not read for a while.
func TestThrottleIsRemembered(t *testing.T) {
	fake, c := start(t)
	conn := dial(t, c, fake.ListenAddrs()[0])
	fake.ControlKey(int16(kmsg.ListGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		resp.SetVersion(req.GetVersion())
		resp.ThrottleMillis = 60_000
		return resp, nil, true
	})
	if _, err := conn.Do(t.Context(), kmsg.NewPtrListGroupsRequest()); err != nil {
		t.Fatalf("Do: %v", err)
	}
	if left := time.Until(conn.mutedUntil); left < 50*time.Second {
		t.Errorf("got %v of silence left, want 60 s", left)
	}
}

// frames returns n Metadata requests as a lane would send them, each in three pieces.
func frames(n int) net.Buffers {
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(ClientID))
	var v net.Buffers
	for i := range n {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = 7
		for range 300 {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = new(strings.Repeat("a", 200))
			req.Topics = append(req.Topics, topic)
		}
		frame := format.AppendRequest(nil, req, int32(1000+i))
		v = append(v, frame[:4], frame[4:100], frame[100:])
	}
	return v
}

// TestLaneDrivesSocket writes a burst while another goroutine reads the answers, plain and under TLS.
func TestLaneDrivesSocket(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	for _, tt := range []struct {
		name string
		opts []kfake.Opt
		tls  *TLS
	}{
		{"plain", nil, nil},
		{"tls", []kfake.Opt{kfake.TLS(serverTLS(t, ca))}, &TLS{CA: dir + "/ca.pem"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake := startFake(t, tt.opts...)
			c := newCluster(t, Config{Brokers: fake.ListenAddrs(), TLS: tt.tls})
			conn := dial(t, c, fake.ListenAddrs()[0])
			const bursts, perBurst = 10, 8
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for range bursts {
					if err := conn.WriteVec(frames(perBurst), 20*time.Second); err != nil {
						t.Errorf("WriteVec: %v", err)
					}
				}
			})
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatalf("SetReadDeadline: %v", err)
			}
			for i := range bursts * perBurst {
				conn.WakeAt(1 + i%5)
				frame, err := readAnswer(conn)
				if err != nil {
					t.Fatalf("answer %d: %v", i, err)
				}
				want := []byte{0, 0, 1000 >> 8, 1000 & 0xff}
				want[3] += byte(i % perBurst)
				if !bytes.Equal(frame[:4], want) {
					t.Fatalf("answer %d: got correlation %v, want %v", i, frame[:4], want)
				}
			}
			if err := conn.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
				t.Fatalf("SetReadDeadline: %v", err)
			}
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read past the deadline: got %v", err)
			}
			if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
				t.Errorf("Do after the lane has finished: %v", err)
			}
		})
	}
}

// TestCloseThrowsAwayUnsent fills the socket of a peer that does not read, closes, and looks at what the
// peer gets then: a reset, not the rest.
func TestCloseThrowsAwayUnsent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer func() { _ = listener.Close() }()
	sock, err := openSocket(t.Context(), listener.Addr().String(), Config{})
	if err != nil {
		t.Fatalf("openSocket: %v", err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	defer func() { _ = peer.Close() }()
	if err := sock.writeVec(net.Buffers{make([]byte, 64<<20)}, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want a full socket", err)
	}
	for range 2 {
		if err := sock.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := io.Copy(io.Discard, peer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("peer: got %v, want a reset", err)
	}
}

func TestCloseEndsBlockedRead(t *testing.T) {
	fake, c := start(t)
	conn := dial(t, c, fake.ListenAddrs()[0])
	time.AfterFunc(20*time.Millisecond, func() { _ = conn.Close() })
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want that the connection is closed", err)
	}
	if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Do: got %v, want that the connection is closed", err)
	}
}

// ended returns a context that was cancelled already.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
