package kafka

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

func startZK(t *testing.T, o ZooKeeperOptions) *ZooKeeper {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	begin := time.Now()
	z := NewZooKeeper(t, o)
	t.Logf("ZooKeeper, %d servers: ready after %v", len(z.Nodes()), time.Since(begin).Round(time.Millisecond))
	return z
}

// client returns a connection with a session.
func connect(t *testing.T, servers []string) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect(servers, 5*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	deadline := time.After(patience)
	for {
		select {
		case event := <-events:
			if event.State == zk.StateHasSession {
				return conn
			}
		case <-deadline:
			t.Fatalf("no session within %v", patience)
		}
	}
}

func TestZooKeeperKeepsNodes(t *testing.T) {
	z := startZK(t, ZooKeeperOptions{Proxy: true})
	conn := connect(t, z.Servers())
	if _, err := conn.Create("/a", []byte("kept"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	if s := z.Node(1).Proxy().Stats(); s.Accepted == 0 || s.UpBytes == 0 {
		t.Errorf("got %+v, want the session to run through the proxy", s)
	}
	if err := z.Node(1).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := z.Node(1).Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	got, _, err := connect(t, z.Servers()).Get("/a")
	if err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v, want kept", got, err)
	}
}

func TestEnsembleSurvivesItsLeader(t *testing.T) {
	z := startZK(t, ZooKeeperOptions{Nodes: 3})
	conn := connect(t, z.Servers())
	if _, err := conn.Create("/a", []byte("kept"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	leader, err := z.Leader(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "another server leads", func() bool {
		next, err := z.Leader(limit(t))
		return err == nil && next.ID() != leader.ID()
	})
	if err := leader.Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	got, _, err := connect(t, []string{leader.Addr()}).Get("/a")
	if err != nil || string(got) != "kept" {
		t.Errorf("at the restarted server: got %q, %v, want kept", got, err)
	}
}

func TestZooKeeperOptionsAreChecked(t *testing.T) {
	if _, err := StartZooKeeper(t.Context(), ZooKeeperOptions{Nodes: 2}); err == nil {
		t.Error("an ensemble of two is accepted")
	}
}
