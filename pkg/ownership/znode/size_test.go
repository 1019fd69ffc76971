package znode

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"tributary/pkg/mirror/protocol"
	"tributary/pkg/ownership/plan"
)

// incompressible returns a topic's name of 249 characters with nothing in it that packs.
func incompressible(r *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	name := make([]byte, 249)
	for i := range name {
		name[i] = letters[r.IntN(len(letters))]
	}
	return string(name)
}

func incarnation(i int) string { return fmt.Sprintf("mirror-eu-%d-%08x-%010d", i, i*7919, i) }

// large is a plan and a report of 2,000 topics with names as long as Kafka allows, over ten members.
func large() (plan.Plan, Report) {
	r := rand.New(rand.NewPCG(1, 2))
	p := plan.Plan{Seats: map[plan.Unit]plan.Seat{}, Partitions: map[string]int{}, Arrivals: map[string]plan.Arrival{}}
	report := Report{Topics: map[string]int{}, Loads: map[plan.Unit]Load{}}
	for range 2000 {
		topic := incompressible(r)
		owner := r.IntN(10)
		u := plan.Unit{Topic: topic, Of: 1}
		p.Partitions[topic] = 1 + r.IntN(100)
		p.Seats[u] = plan.Seat{Owner: incarnation(owner), Standby: incarnation((owner + 1 + r.IntN(9)) % 10)}
		report.Topics[topic] = p.Partitions[topic]
		report.Loads[u] = Load{BytesPerSecond: r.Float64() * 1e7, Stuck: r.IntN(10) == 0}
	}
	for i := range 10 {
		p.Arrivals[incarnation(i)] = plan.Arrival{Instance: fmt.Sprint("mirror-eu-", i), At: time.Unix(1790000000, 0).UTC()}
	}
	return p, report
}

// The plan and a report of 2,000 topics with names of 249 bytes fit into a node, though nothing in the names packs.
func TestLargestPlanAndReportFit(t *testing.T) {
	p, report := large()
	data, err := EncodePlan(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodePlan(data)
	if err != nil || !got.Equal(p) {
		t.Fatalf("plan of %d bytes came back different, err %v", len(data), err)
	}
	text, err := report.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeReport(text)
	if err != nil || !reflect.DeepEqual(back, report) {
		t.Fatalf("report of %d bytes came back different, err %v", len(text), err)
	}
	t.Logf("plan %d bytes, report %d bytes, of at most %d", len(data), len(text), MaxBytes)
}

// The identities of a topic fit with a thousand partitions; what does not fit is refused before it is sent.
func TestLargestIdentities(t *testing.T) {
	make := func(partitions int) Identities {
		r := rand.New(rand.NewPCG(1, 2))
		ids := Identities{}
		for i := range int32(partitions) {
			at := protocol.Position{Source: r.Int64(), SourceEpoch: 7, ProducerID: r.Int64(), Sequence: r.Int32(), Dest: r.Int64(), DestEpoch: 9}
			ids[i] = protocol.Identity{SourceCluster: "Jf5Xv3pXQ5m2hH3v0r6Q1w", SourceTopicID: "b5b7Wq0gT1uQy0m2Vt7f5A", DestCluster: "x6Zk0y1bQf2K0n9wQ3vQvA",
				DestTopic: incompressible(rand.New(rand.NewPCG(3, 4))), DestTopicID: "e3X0nq7aT0y6f5h2Jk1l9Q", DestPartition: i, ProducerID: at.ProducerID, Base: at, Floor: at, SourceEpochs: 8}
		}
		return ids
	}
	data, err := make(1000).Encode("clicks", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := DecodeIdentities("clicks", data); err != nil || !reflect.DeepEqual(got, make(1000)) {
		t.Fatalf("came back different, err %v", err)
	}
	t.Logf("1,000 partitions: %d bytes", len(data))
	if _, err := make(20000).Encode("clicks", ""); !errors.Is(err, ErrTooLarge) {
		t.Errorf("20,000 partitions: err %v, want %v", err, ErrTooLarge)
	}
}
