package kafka

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A power cut takes the end of a log, and its offsets are given away again; the leader epoch tells.
func TestCutLogReusesOffsets(t *testing.T) {
	c := start(t, Options{})
	createTopic(t, c, "orders", 1)
	for _, value := range []string{"one", "two", "three", "four"} {
		produce(t, c, "orders", value)
	}
	if _, err := c.Node(1).CutLog("orders", 0, 2); err == nil {
		t.Error("the log of a running broker can be cut")
	}
	if err := c.Node(1).Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Node(1).CutLog("orders", 0, 4); err == nil {
		t.Error("a log can be cut behind its end")
	}
	end, err := c.Node(1).CutLog("orders", 0, 2)
	if err != nil || end != 2 {
		t.Fatalf("cut: got end %d, %v, want 2", end, err)
	}
	if err := c.Node(1).Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(limit(t), "orders"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c, "orders", 2)
	produce(t, c, "orders", "five")
	wantRecords(t, c, "orders", "one", "two", "five")
}

// A flipped bit is served as it is, and only who checks notices.
func TestFlippedByteIsServed(t *testing.T) {
	c := start(t, Options{})
	createTopic(t, c, "orders", 1)
	for _, value := range []string{"one", "two", "three"} {
		produce(t, c, "orders", value)
	}
	if err := c.Node(1).Stop(); err != nil {
		t.Fatal(err)
	}
	first, next, err := c.Node(1).FlipByte("orders", 0, 1)
	if err != nil || first != 1 || next != 2 {
		t.Fatalf("damage: got [%d,%d), %v, want [1,2)", first, next, err)
	}
	if err := c.Node(1).Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c, "orders", 3)
	client, err := c.Client(kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().At(1)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.PollFetches(limit(t)).Err(); err == nil {
		t.Error("the damaged batch can be read")
	}
}

func TestWipedLogIsEmpty(t *testing.T) {
	c := start(t, Options{})
	createTopic(t, c, "orders", 1)
	createTopic(t, c, "clicks", 1)
	produce(t, c, "orders", "one")
	produce(t, c, "clicks", "one")
	if err := c.Node(1).Stop(); err != nil {
		t.Fatal(err)
	}
	if err := c.Node(1).WipeLog("orders", 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Node(1).Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(limit(t)); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c, "orders", 0)
	wantEnd(t, c, "clicks", 1)
}

func TestReimagedClusterIsAnother(t *testing.T) {
	c := start(t, Options{})
	createTopic(t, c, "orders", 1)
	before := clusterID(t, c)
	if err := c.Reimage(limit(t)); err != nil {
		t.Fatal(err)
	}
	if after := clusterID(t, c); before == after {
		t.Errorf("cluster id: still %s", after)
	}
	if _, err := c.EndOffsets(limit(t), "orders"); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic of the cluster before: got %v, want %v", err, kerr.UnknownTopicOrPartition)
	}
	createTopic(t, c, "orders", 1)
	produce(t, c, "orders", "one")
}

func clusterID(t *testing.T, c *Cluster) string {
	t.Helper()
	client, err := c.Client() // a client keeps what it was told
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	view, err := kadm.NewClient(client).BrokerMetadata(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	return view.Cluster
}

// A replica that was not in sync becomes the leader, and what only the dead one had is lost.
func TestUncleanElectionCutsTheLog(t *testing.T) {
	c := start(t, Options{Nodes: 3})
	err := c.CreateTopicOn(limit(t), "orders", 1, []int32{2, 3}, map[string]string{"min.insync.replicas": "1"})
	if err != nil {
		t.Fatal(err)
	}
	produce(t, c, "orders", "one")
	if err := c.Node(3).Kill(); err != nil {
		t.Fatal(err)
	}
	produce(t, c, "orders", "two")
	if err := c.Node(2).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Node(3).Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.ElectUnclean(limit(t), "orders", 0); err != nil {
		t.Fatal(err)
	}
	produce(t, c, "orders", "three")
	if err := c.Node(2).Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(limit(t), "orders"); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, c, "orders", "one", "three")
}

func wantEnd(t *testing.T, c *Cluster, topic string, want int64) {
	t.Helper()
	until(t, fmt.Sprintf("%s ends at %d", topic, want), func() bool {
		ends, err := c.EndOffsets(limit(t), topic)
		return err == nil && ends[0] == want
	})
}
