package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"tributary/pkg/ownership/coord"
)

func TestErrorsAreTranslated(t *testing.T) {
	for from, want := range map[error]error{zk.ErrNoNode: coord.ErrNoNode, zk.ErrNodeExists: coord.ErrNodeExists, zk.ErrBadVersion: coord.ErrVersion,
		zk.ErrNotEmpty: coord.ErrNotEmpty, zk.ErrNoAuth: coord.ErrNoAuth, zk.ErrConnectionClosed: zk.ErrConnectionClosed, io.EOF: io.EOF} {
		if got := translate(fmt.Errorf("call: %w", from)); !errors.Is(got, want) {
			t.Errorf("%v: got %v, want %v", from, got, want)
		}
	}
	refused := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	for err, want := range map[error]bool{refused: true, io.EOF: true, zk.ErrSessionExpired: true, errGivenUp: true, zk.ErrNoNode: false, zk.ErrAPIError: false, zk.ErrInvalidPath: false} {
		if got := lost(fmt.Errorf("call: %w", err)); got != want {
			t.Errorf("%v: tells of the connection: %v, want %v", err, got, want)
		}
	}
}

func TestFailedOpIsNamed(t *testing.T) {
	after := errors.New("after another failed")
	for name, test := range map[string]struct {
		done []zk.MultiResponse
		err  error
		op   int // -1: the outcome is unknown
		want error
	}{
		"the second":       {[]zk.MultiResponse{{}, {Error: zk.ErrNodeExists}, {Error: after}}, zk.ErrNodeExists, 1, coord.ErrNodeExists},
		"the first":        {[]zk.MultiResponse{{Error: zk.ErrNoNode}, {Error: after}}, zk.ErrNoNode, 0, coord.ErrNoNode},
		"nothing answered": {nil, zk.ErrConnectionClosed, -1, zk.ErrConnectionClosed},
		"refused as such":  {nil, zk.ErrNoNode, -1, errUnknown},
		"closed":           {nil, coord.ErrClosed, -1, coord.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			err := opError(test.done, test.err)
			var op *coord.OpError
			if at := errors.As(err, &op); at != (test.op >= 0) || at && op.Op != test.op || !errors.Is(err, test.want) {
				t.Errorf("got %v, op %+v", err, op)
			}
		})
	}
}

// warnings is a slog.Handler that passes on what operators see.
type warnings struct {
	slog.Handler
	seen chan slog.Record
}

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		w.seen <- r
	}
	return nil
}

func TestOperatorLearnsWhyNothingIsReached(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close() // so that it refuses
	w := warnings{slog.NewTextHandler(t.Output(), nil), make(chan slog.Record, 10)}
	c, err := Connect(Config{Servers: []string{ln.Addr().String()}, SessionTimeout: timeout}, slog.New(w))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case r := <-w.seen:
		var text string
		r.Attrs(func(a slog.Attr) bool { text = a.Value.String(); return true })
		if want := "connect to ZooKeeper at " + ln.Addr().String(); len(text) < len(want) || text[:len(want)] != want {
			t.Errorf("got %q", text)
		}
	case <-time.After(patience):
		t.Error("no warning")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Write(ctx, coord.Op{Kind: coord.OpCreate, Path: "/a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if s, _ := c.Session(); s.Phase != coord.Connecting || s.ID != 0 || !c.Lease().IsZero() {
		t.Errorf("got %+v, lease until %v", s, c.Lease())
	}
}
