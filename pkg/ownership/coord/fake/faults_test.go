package fake

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/ownership/coord"
)

const timeout = 6 * time.Second

func create(path string) coord.Op {
	return coord.Op{Kind: coord.OpCreate, Path: path, Ephemeral: true}
}

func write(t *testing.T, c *Client, ops ...coord.Op) []string {
	t.Helper()
	paths, err := c.Write(t.Context(), ops...)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func there(e *Ensemble, path string) bool {
	_, ok := e.Node(path)
	return ok
}

func TestSessionExpiresWhenItsLeaseEnds(t *testing.T) {
	for name, fault := range map[string]func(*Client){"cut": (*Client).Cut, "freeze": (*Client).Freeze, "kill": (*Client).Kill} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New()
				c := e.Client(timeout)
				write(t, c, create("/a"))
				time.Sleep(5 * time.Second) // pings at 2 and 4
				fault(c)
				lease := c.Lease()
				if got := time.Until(lease); got != 5*time.Second {
					t.Errorf("lease goes on for %v, want 5s", got)
				}
				time.Sleep(time.Until(lease) - 1)
				if !there(e, "/a") {
					t.Error("session ended before its lease")
				}
				time.Sleep(1 * time.Nanosecond)
				synctest.Wait()
				if there(e, "/a") {
					t.Error("session goes on after its lease")
				}
			})
		})
	}
}

func TestRestoreWithinTheLeaseKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		c, other := e.Client(timeout), e.Client(timeout)
		write(t, c, create("/a"))
		_, seen, err := c.Get(t.Context(), "/b", true)
		if !errors.Is(err, coord.ErrNoNode) || seen == nil {
			t.Fatalf("got %v, watch %v", err, seen)
		}
		before, _ := c.Session()
		c.Cut()
		write(t, other, create("/b"))
		select {
		case <-seen:
			t.Error("a client that is cut off saw a change")
		default:
		}
		time.Sleep(4 * time.Second)
		c.Restore()
		after, _ := c.Session()
		if !there(e, "/a") || before.ID != after.ID || before.Generation != after.Generation || after.Phase != coord.Connected {
			t.Errorf("session before %+v, after %+v", before, after)
		}
		<-seen
		time.Sleep(time.Hour)
		if !there(e, "/a") {
			t.Error("session of a connected client expired")
		}
	})
}

func TestRequestOfAFormerSessionRunsInTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		c := e.Client(timeout)
		mine := write(t, c, coord.Op{Kind: coord.OpCreate, Path: "/m-", Ephemeral: true, Sequential: true})[0]
		c.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, unguarded := c.Write(ctx, create("/late"))
		_, guarded := c.Write(ctx, coord.Op{Kind: coord.OpCheck, Path: mine, Version: coord.AnyVersion}, create("/guarded"))
		for _, err := range []error{unguarded, guarded} {
			if err == nil {
				t.Error("a write succeeded without a connection")
			}
		}
		time.Sleep(time.Minute)
		c.Restore()
		if s, _ := c.Session(); s.Generation != 2 {
			t.Errorf("generation is %d, want 2", s.Generation)
		}
		if !there(e, "/late") || there(e, "/guarded") {
			t.Error("the write that was left behind should be done, the guarded one refused")
		}
	})
}

func TestDroppedReplies(t *testing.T) {
	e := New()
	c := e.Client(timeout)
	c.Drop(true)
	c.Drop(false)
	for _, path := range []string{"/done", "/lost"} {
		if _, err := c.Write(t.Context(), create(path)); !errors.Is(err, ErrLost) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if !there(e, "/done") || there(e, "/lost") {
		t.Error("want the first write done and the second not")
	}
	write(t, c, create("/after"))
}

func TestServiceDownExpiresNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		c, cut := e.Client(timeout), e.Client(timeout)
		write(t, c, create("/a"))
		write(t, cut, create("/b"))
		cut.Cut()
		e.Down()
		if s, _ := c.Session(); s.Phase != coord.Suspended {
			t.Errorf("phase %v while the service is down", s.Phase)
		}
		time.Sleep(time.Hour)
		e.Up()
		time.Sleep(timeout)
		synctest.Wait()
		if !there(e, "/a") || there(e, "/b") {
			t.Error("want the session that is heard to live on, the other to expire")
		}
	})
}

func TestWriteIsAllOrNothing(t *testing.T) {
	e := New()
	c := e.Client(timeout)
	e.Put("/kept/x", []byte("old"))
	_, err := c.Write(t.Context(),
		coord.Op{Kind: coord.OpSet, Path: "/kept/x", Data: []byte("new"), Version: 0},
		create("/kept/y"),
		coord.Op{Kind: coord.OpDelete, Path: "/kept/x", Version: 1},
		create("/kept/y"))
	var failed *coord.OpError
	if !errors.Is(err, coord.ErrNodeExists) || !errors.As(err, &failed) || failed.Op != 3 {
		t.Fatalf("got %v", err)
	}
	n, _ := e.Node("/kept/x")
	if string(n.Data) != "old" || n.Version != 0 || len(e.Names("/kept")) != 1 {
		t.Errorf("x is %q of version %d, children %v", n.Data, n.Version, e.Names("/kept"))
	}
}

func TestExpireAndRemove(t *testing.T) {
	e := New()
	c := e.Client(timeout)
	e.Put("/root/a/b", nil)
	write(t, c, create("/root/mine"))
	_, list, err := c.Children(t.Context(), "/root", true)
	if err != nil {
		t.Fatal(err)
	}
	c.Expire()
	<-list
	if s, _ := c.Session(); s.Generation != 2 || there(e, "/root/mine") {
		t.Errorf("generation %d, node there: %v", s.Generation, there(e, "/root/mine"))
	}
	e.Remove("/root")
	if there(e, "/root/a/b") || there(e, "/root") {
		t.Error("the tree is not empty")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(t.Context(), create("/z")); !errors.Is(err, coord.ErrClosed) {
		t.Errorf("write of a closed client: %v", err)
	}
}
