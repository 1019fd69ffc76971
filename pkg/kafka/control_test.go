package kafka

import (
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestMetadata(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.ClusterID("the-id"), kfake.SeedTopics(4, "clicks"), kfake.SeedTopics(1, "views"))
	md, err := c.Metadata(t.Context())
	if err != nil {
		t.Fatalf("Metadata: %v", err)
	}
	if md.ClusterID != "the-id" || len(md.Brokers) != 3 || md.Brokers[md.Controller] == "" || len(md.Topics) != 2 {
		t.Fatalf("got %+v, want the-id, 3 brokers with the controller, 2 topics", md)
	}
	clicks := md.Topics["clicks"]
	if clicks.Name != "clicks" || clicks.Err != nil || clicks.Internal || clicks.ID != TopicID(fake.TopicInfo("clicks").TopicID) {
		t.Errorf("got topic %+v, want clicks with its id", clicks)
	}
	if len(clicks.Partitions) != 4 {
		t.Fatalf("got %d partitions, want 4", len(clicks.Partitions))
	}
	for id, p := range clicks.Partitions {
		if want := fake.LeaderFor("clicks", int32(id)); p.Leader != want || p.Err != nil || p.LeaderEpoch < 0 || p.Replicas < 1 || p.ISR < 1 {
			t.Errorf("partition %d: got %+v, want leader %d", id, p, want)
		}
	}
}

// A broker that is down is not among the live ones, and still among those with replicas.
func TestMetadataNamesWhoHasReplicas(t *testing.T) {
	name := "clicks"
	md, err := newMetadata(&kmsg.MetadataResponse{
		Brokers: []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "a", Port: 9092}, {NodeID: 3, Host: "c", Port: 9092}},
		Topics:  []kmsg.MetadataResponseTopic{{Topic: &name, Partitions: []kmsg.MetadataResponseTopicPartition{{Leader: 1, Replicas: []int32{1, 2}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[int32]bool{1: true, 2: true}; !maps.Equal(md.Assigned, want) || len(md.Brokers) != 2 {
		t.Errorf("got %v with replicas, %v live, want %v, and 1 and 3", md.Assigned, md.Brokers, want)
	}
}

func TestNewPartitionsFillsGaps(t *testing.T) {
	answer := func(id int32, code int16) kmsg.MetadataResponseTopicPartition {
		return kmsg.MetadataResponseTopicPartition{Partition: id, Leader: 1, LeaderEpoch: 7, Replicas: []int32{1, 2}, ISR: []int32{1}, ErrorCode: code}
	}
	got, err := newPartitions([]kmsg.MetadataResponseTopicPartition{answer(3, 9), answer(0, 5)})
	if err != nil || len(got) != 4 {
		t.Fatalf("got %v, %v, want 4 partitions", got, err)
	}
	if want := (Partition{Leader: 1, LeaderEpoch: 7, Replicas: 2, ISR: 1}); got[3] != want {
		t.Errorf("partition 3: got %+v, want %+v: code 9 is no error", got[3], want)
	}
	for id, code := range map[int]int16{0: 5, 1: 3, 2: 3} {
		if !errors.Is(got[id].Err, Error{code}) {
			t.Errorf("partition %d: got %v, want code %d", id, got[id].Err, code)
		}
	}
	for _, id := range []int32{-1, maxPartitionID + 1} {
		if _, err := newPartitions([]kmsg.MetadataResponseTopicPartition{answer(id, 0)}); err == nil {
			t.Errorf("partition id %d was accepted", id)
		}
	}
}

func TestCreateAndGrowTopic(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.DefaultNumPartitions(5))
	ctx := t.Context()
	partitions := func(topic string) int {
		md, err := c.Metadata(ctx)
		if err != nil {
			t.Fatalf("Metadata: %v", err)
		}
		return len(md.Topics[topic].Partitions)
	}
	settings := map[string]string{"retention.ms": "12345", "cleanup.policy": "compact"}
	if err := c.CreateTopic(ctx, NewTopic{"clicks", 2, -1, settings}); err != nil {
		t.Fatalf("CreateTopic: %v", err)
	}
	if err := c.CreateTopic(ctx, NewTopic{"clicks", 9, 1, nil}); err != nil {
		t.Errorf("CreateTopic of an existing topic: got %v, want nil", err)
	}
	if got := partitions("clicks"); got != 2 {
		t.Errorf("got %d partitions, want 2", got)
	}
	if err := c.CreateTopic(ctx, NewTopic{"defaults", -1, -1, nil}); err != nil {
		t.Errorf("CreateTopic with defaults: %v", err)
	}
	if got := partitions("defaults"); got != 5 {
		t.Errorf("got %d partitions, want the default 5", got)
	}
	refused, err := c.CreateTopics(ctx, NewTopic{"several", 1, 1, nil}, NewTopic{"none", 0, 1, nil}, NewTopic{"clicks", 1, 1, nil})
	if err != nil || len(refused) != 1 || refused["none"] == nil || partitions("several") != 1 {
		t.Errorf("CreateTopics: got %v, %v; want only that of 0 partitions refused", refused, err)
	}
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.PolicyViolation})
	if err := c.CreateTopic(ctx, NewTopic{"refused", 1, 1, nil}); !errors.Is(err, Error{44}) || !strings.HasPrefix(err.Error(), "region: create topic refused: ") {
		t.Errorf("CreateTopic against a policy: got %v, want code 44 and where", err)
	}
	for _, n := range []int32{4, 4, 3} {
		if err := c.GrowTopic(ctx, "clicks", n); err != nil {
			t.Errorf("GrowTopic to %d: %v", n, err)
		}
		if got := partitions("clicks"); got != 4 {
			t.Errorf("after GrowTopic to %d: got %d partitions, want 4", n, got)
		}
	}
	if err := c.GrowTopic(ctx, "missing", 4); !errors.Is(err, Error{3}) {
		t.Errorf("GrowTopic of a missing topic: got %v, want code 3", err)
	}
}

func TestGrowTopicBeyondWhatIsAllowed(t *testing.T) {
	fake, c := start(t, kfake.SeedTopics(2, "clicks"))
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Err: kerr.InvalidPartitions})
	if err := c.GrowTopic(within(t, 200*time.Millisecond), "clicks", 4); !errors.Is(err, Error{37}) {
		t.Errorf("got %v, want code 37: the topic is smaller", err)
	}
}

// TestGrowTopicAgain refuses a growth that was done already, while the broker asked about it does not
// know that yet.
func TestGrowTopicAgain(t *testing.T) {
	fake, c := start(t, kfake.SeedTopics(2, "clicks"))
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions}, Err: kerr.InvalidPartitions})
	looks := 0
	fake.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		if len(req.(*kmsg.MetadataRequest).Topics) == 0 {
			return nil, nil, false // the search for the controller
		}
		if looks++; looks < 3 {
			return nil, nil, false
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = new("clicks")
		for id := range 4 {
			topic.Partitions = append(topic.Partitions, kmsg.MetadataResponseTopicPartition{Partition: int32(id)})
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.SetVersion(req.GetVersion())
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if err := c.GrowTopic(t.Context(), "clicks", 4); err != nil || looks != 3 {
		t.Errorf("got %v after %d looks, want success at the third", err, looks)
	}
}

func TestConfigs(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "54321"}))
	if err := fake.CreateTopic("clicks", 1, map[string]string{"retention.ms": "12345"}); err != nil {
		t.Fatalf("create topic: %v", err)
	}
	got, err := c.TopicConfigs(t.Context(), []string{"clicks"})
	if err != nil || got["clicks"]["retention.ms"] != "12345" || got["clicks"]["cleanup.policy"] != "delete" {
		t.Errorf("TopicConfigs: got %v, %v, want retention.ms 12345 and the default policy", got, err)
	}
	got, err = c.TopicConfigs(t.Context(), []string{"missing", "clicks"})
	if !errors.Is(err, Error{3}) || !strings.Contains(err.Error(), "missing: ") || got["clicks"] == nil || got["missing"] != nil {
		t.Errorf("TopicConfigs with a missing one: got %v, %v, want clicks, and code 3 for the other", got, err)
	}
	broker, err := c.BrokerConfig(t.Context())
	if err != nil || broker["message.max.bytes"] != "54321" {
		t.Errorf("BrokerConfig: got %v, %v, want message.max.bytes 54321", broker["message.max.bytes"], err)
	}
}

func TestInitProducerID(t *testing.T) {
	_, c := start(t, kfake.NumBrokers(2))
	first, epoch, err := c.InitProducerID(t.Context())
	if err != nil || first < 0 || epoch != 0 {
		t.Fatalf("got %d/%d, %v, want a new id in epoch 0", first, epoch, err)
	}
	if second, _, err := c.InitProducerID(t.Context()); err != nil || second == first {
		t.Errorf("got %d, %v, want another than %d", second, err, first)
	}
}

// TestPassingCodes has Kafka say "ask again" and then answer.
func TestPassingCodes(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotController, kerr.RequestTimedOut} {
		t.Run(code.Message, func(t *testing.T) {
			fake, c := start(t)
			fault := fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID, kmsg.CreateTopics}, Err: code, Count: 2})
			if _, _, err := c.InitProducerID(within(t, 10*time.Second)); err != nil {
				t.Errorf("InitProducerID: %v", err)
			}
			if fault.Hits() != 2 {
				t.Errorf("got %d refusals, want 2", fault.Hits())
			}
			fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: code, Count: 1})
			if err := c.CreateTopic(within(t, 10*time.Second), NewTopic{"clicks", 1, 1, nil}); err != nil {
				t.Errorf("CreateTopic: %v", err)
			}
		})
	}
}

func TestPassingCodeEndsWithContext(t *testing.T) {
	fake, c := start(t)
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
	begin := time.Now()
	_, _, err := c.InitProducerID(within(t, 2*time.Second))
	if !errors.Is(err, Error{14}) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the code 14 and the deadline", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("returned after %v, want 2 s", took)
	}
}

// TestDeadBrokers leaves one of three brokers reachable.
func TestDeadBrokers(t *testing.T) {
	fake := startFake(t, kfake.NumBrokers(1))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	dead := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for range 5 { // the order is random
		c := newCluster(t, Config{Brokers: []string{dead, fake.ListenAddrs()[0]}})
		if _, err := c.Metadata(t.Context()); err != nil {
			t.Errorf("Metadata: %v", err)
		}
	}
	c := newCluster(t, Config{Brokers: []string{dead}})
	if _, err := c.Metadata(t.Context()); err == nil || !Retriable(err) || !strings.Contains(err.Error(), "region: read metadata: connect to "+dead) {
		t.Errorf("got %v, want a retriable error that says what and where", err)
	}
}

// TestConnectionLostMidRequest cuts the connection instead of answering, once and for ever.
func TestConnectionLostMidRequest(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(2))
	if _, err := c.Metadata(t.Context()); err != nil {
		t.Fatalf("Metadata: %v", err)
	}
	hangUp(fake, kmsg.Metadata, 1)
	if _, err := c.Metadata(t.Context()); err != nil {
		t.Errorf("cut once: got %v, want success at the second try", err)
	}
	hangUp(fake, kmsg.Metadata, -1)
	if _, err := c.Metadata(t.Context()); err == nil || !Retriable(err) {
		t.Errorf("cut always: got %v, want a retriable error", err)
	}
}

// TestSilentBroker accepts and never answers; ctx alone ends the call.
func TestSilentBroker(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer func() { _ = listener.Close() }()
	c := newCluster(t, Config{Brokers: []string{listener.Addr().String()}})
	gone := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
	begin := time.Now()
	if _, err := c.Metadata(ctx); !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("returned after %v, want 0.05 s", took)
	}
}

func TestRememberedBrokers(t *testing.T) {
	fake := startFake(t, kfake.NumBrokers(3))
	c := newCluster(t, Config{Brokers: fake.ListenAddrs()[:1]})
	if got := c.candidates(); len(got) != 1 {
		t.Fatalf("got %v, want the configured broker", got)
	}
	if _, err := c.Metadata(t.Context()); err != nil {
		t.Fatalf("Metadata: %v", err)
	}
	if got := c.candidates(); len(got) != 3 || got[0] != fake.ListenAddrs()[0] {
		t.Errorf("got %v, want all 3 brokers, the connected one first", got)
	}
}

func TestConcurrentControlCalls(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "clicks"))
	var drops atomic.Int32
	fake.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		if drops.Add(1)%25 == 0 {
			return nil, net.ErrClosed, true
		}
		return nil, nil, false
	})
	calls := []func(context.Context) error{
		func(ctx context.Context) error { _, err := c.Metadata(ctx); return err },
		func(ctx context.Context) error { _, err := c.TopicConfigs(ctx, []string{"clicks"}); return err },
		func(ctx context.Context) error { _, err := c.BrokerConfig(ctx); return err },
		func(ctx context.Context) error { _, _, err := c.InitProducerID(ctx); return err },
		func(ctx context.Context) error { return c.CreateTopic(ctx, NewTopic{"new", 1, 1, nil}) },
		func(ctx context.Context) error { return c.GrowTopic(ctx, "clicks", 3) },
		func(ctx context.Context) error {
			return c.CommitOffsets(ctx, "g", []GroupOffset{{Topic: "clicks", Next: 7, LeaderEpoch: -1}})
		},
		func(ctx context.Context) error {
			_, err := c.FetchOffsets(ctx, "g", map[string][]int32{"clicks": {0, 1}})
			return err
		},
	}
	var wg sync.WaitGroup
	var failed atomic.Int32
	for _, call := range calls {
		for range 2 {
			wg.Go(func() {
				for range 10 {
					if err := call(t.Context()); err != nil {
						failed.Add(1)
						if !Retriable(err) { // cut twice in a row is bad luck, all else a fault
							t.Errorf("%v", err)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	if failed.Load() > 20 {
		t.Errorf("%d of 160 calls failed, want few", failed.Load())
	}
	for _, addr := range c.pool.addrs() {
		if n := len(c.pool.idle[addr]); n > maxIdle {
			t.Errorf("%d idle connections to %s, want at most %d", n, addr, maxIdle)
		}
	}
}

func TestClosedCluster(t *testing.T) {
	_, c := start(t)
	if _, err := c.Metadata(t.Context()); err != nil {
		t.Fatalf("Metadata: %v", err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := c.Metadata(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// TestOldAndNewBrokers makes every control call against brokers of several versions.
func TestOldAndNewBrokers(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{
		"2.8": kversion.V2_8_0(), "3.9": kversion.V3_9_0(), "newest": kversion.Stable(),
	} {
		t.Run(name, func(t *testing.T) {
			_, c := start(t, kfake.MaxVersions(versions), kfake.NumBrokers(2))
			ctx := t.Context()
			offsets := []GroupOffset{{Topic: "clicks", Partition: 1, Next: 5, LeaderEpoch: 0, Metadata: "m"}}
			_, _, idErr := c.InitProducerID(ctx)
			_, brokerErr := c.BrokerConfig(ctx)
			err := errors.Join(idErr, brokerErr, c.CreateTopic(ctx, NewTopic{"clicks", 1, -1, nil}), c.GrowTopic(ctx, "clicks", 2),
				c.CommitOffsets(ctx, "g", offsets))
			if err != nil {
				t.Fatal(err)
			}
			found, err := c.FetchOffsets(ctx, "g", map[string][]int32{"clicks": {1}})
			if err != nil || found["clicks"][1] != offsets[0] {
				t.Errorf("FetchOffsets: got %v, %v, want %v", found, err, offsets)
			}
			md, err := c.Metadata(ctx)
			if err != nil || len(md.Topics["clicks"].Partitions) != 2 || md.Topics["clicks"].ID == (TopicID{}) {
				t.Errorf("Metadata: got %+v, %v, want clicks with 2 partitions and an id", md, err)
			}
		})
	}
}
