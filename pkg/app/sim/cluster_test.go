package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// brokersEach is the number of brokers of a cluster.
const brokersEach = 3

// producerExpiry is producer.id.expiration.ms: a day, the default.
const producerExpiry = 24 * time.Hour

// cluster is a simulated Kafka cluster behind the network. What kfake does not do by itself is added: producers are forgotten
// by the timestamp of their last batch, a broker that restarts remembers each producer's last batch only, fetches are
// throttled.
type cluster struct {
	*kfake.Cluster
	name  string
	net   *network
	hosts []*brokerHost // by node id

	mu       sync.Mutex
	newest   map[producerAt]time.Time // guarded by mu: greatest timestamp of a producer's last batch, as sent
	trimmed  map[producerAt]bool      // guarded by mu: their broker was restarted; only the last batch is known
	throttle time.Duration            // guarded by mu: of fetches; 0 none
	hangUp   map[int16]int            // guarded by mu: one in so many requests of a kind loses its connection
	random   *rand.Rand               // guarded by mu
	onCommit func(*kmsg.OffsetCommitRequest)
}

// producerAt is a producer on a partition.
type producerAt struct {
	id        int64
	topic     string
	partition int32
}

// newCluster starts a cluster that speaks what brokers of some release do.
func newCluster(t *testing.T, n *network, name string, seed uint64) *cluster {
	t.Helper()
	c := &cluster{name: name, net: n, newest: map[producerAt]time.Time{}, trimmed: map[producerAt]bool{}, hangUp: map[int16]int{}, random: rand.New(rand.NewPCG(seed, 5))}
	versions := []*kversion.Versions{kversion.V2_8_0(), kversion.V3_9_0(), kversion.V4_1_0()}
	fake, err := kfake.NewCluster(kfake.NumBrokers(brokersEach), kfake.ClusterID(name), kfake.MaxVersions(versions[seed%3]),
		kfake.BrokerConfigs(map[string]string{"offsets.retention.minutes": "100000"}),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			b := n.host(fmt.Sprintf("%s-%d:9092", name, len(c.hosts)))
			c.hosts = append(c.hosts, b)
			return listener{n, b}, nil
		}))
	if err != nil {
		t.Fatalf("start cluster %s: %v", name, err)
	}
	c.Cluster = fake
	c.Control(c.intercept)
	return c
}

// intercept sees every request before the broker does.
func (c *cluster) intercept(req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake wants the error in the middle
	c.KeepControl()
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.hangUp[req.Key()]; one > 0 && c.random.IntN(one) == 0 {
		c.net.happened("requests answered by hanging up")
		return nil, net.ErrClosed, true
	}
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		c.expire(r)
	case *kmsg.OffsetCommitRequest:
		if c.onCommit != nil {
			c.onCommit(r)
		}
	case *kmsg.FetchRequest:
		if c.throttle > 0 && c.random.IntN(2) == 0 {
			c.net.happened("fetches throttled")
			resp := r.ResponseKind().(*kmsg.FetchResponse)
			resp.ThrottleMillis = int32(c.throttle.Milliseconds())
			return resp, nil, true
		}
	}
	return nil, nil, false
}

// expire forgets, before a batch is judged, a producer whose last batch is too old: at once, where brokers look every ten
// minutes. The caller holds mu.
func (c *cluster) expire(r *kmsg.ProduceRequest) {
	now := time.Now()
	for _, topic := range r.Topics {
		for _, p := range topic.Partitions {
			if len(p.Records) < 61 {
				continue
			}
			at := producerAt{int64(binary.BigEndian.Uint64(p.Records[43:])), topic.Topic, p.Partition}
			if at.id < 0 || topic.Topic == "" {
				continue
			}
			if newest, known := c.newest[at]; known && now.Sub(newest) > producerExpiry && forget(c.Cluster, at) {
				c.net.happened("producers forgotten for their age")
			} else if c.trimmed[at] && rememberLast(c.Cluster, at) {
				c.net.happened("producers known by their last batch only")
			}
			delete(c.trimmed, at)
			c.newest[at] = time.UnixMilli(int64(binary.BigEndian.Uint64(p.Records[35:])))
		}
	}
}

// crash takes a broker's process away: its connections are reset, what it had not read is lost, and of each
// producer it will know the last batch only. With moved its partitions get other leaders.
func (c *cluster) crash(node int, moved bool) (restart func()) {
	b := c.hosts[node]
	c.net.mu.Lock()
	for conn := range c.net.conns {
		if conn.b == b && !conn.gone {
			c.net.counts["connections of a crashed broker"]++
			conn.crash()
		}
	}
	c.net.mu.Unlock()
	c.net.change(b, func() { b.down++ })
	if moved {
		for topic, partitions := range c.led(int32(node)) {
			for _, p := range partitions {
				c.elect(topic, p, int32((node+1)%brokersEach))
			}
		}
	}
	return func() {
		if !moved {
			led := c.led(int32(node))
			c.mu.Lock()
			for at := range c.newest {
				if slices.Contains(led[at.topic], at.partition) {
					c.trimmed[at] = true
				}
			}
			c.mu.Unlock()
		}
		c.net.change(b, func() { b.down-- })
	}
}

// elect gives a partition another leader, if that is alive: a controller elects no broker that is frozen or down.
func (c *cluster) elect(topic string, partition, node int32) bool {
	b := c.hosts[node]
	c.net.mu.Lock()
	alive := b.down == 0 && b.frozen == 0
	c.net.mu.Unlock()
	return alive && c.MoveTopicPartition(topic, partition, node) == nil
}

// led lists the partitions that a broker leads.
func (c *cluster) led(node int32) map[string][]int32 {
	out := map[string][]int32{}
	for _, topic := range topicNames() {
		for _, p := range c.PartitionInfos(topic) {
			if p.Leader == node {
				out[topic] = append(out[topic], p.Partition)
			}
		}
	}
	return out
}

// freeze stops a broker's process; its kernel goes on to take what comes.
func (c *cluster) freeze(node int) (thaw func()) {
	b := c.hosts[node]
	c.net.change(b, func() { b.frozen++ })
	return func() { c.net.change(b, func() { b.frozen-- }) }
}

// set changes what intercept does, and returns how to change it back.
func (c *cluster) set(change, back func()) (undo func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		back()
	}
}
