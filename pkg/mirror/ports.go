package mirror

import (
	"context"
	"errors"
	"time"

	"tributary/pkg/mirror/protocol"
)

// Catalog is what is known of a cluster's topics at one moment.
type Catalog struct {
	Cluster string // cluster id
	Topics  map[string]TopicInfo
}

// TopicInfo describes a topic.
type TopicInfo struct {
	ID         string // "" where brokers have no topic ids
	Partitions int
}

// Cataloguer knows the topics of a cluster.
type Cataloguer interface {
	// Catalog returns the newest catalogue, nil before the first, and a channel that is closed when there is a newer one.
	// The error says why there is no newer one, nil while all is well. It never blocks.
	Catalog() (newest *Catalog, changed <-chan struct{}, err error)
}

// Source is the source cluster's side of a link. All methods are safe for concurrent use; those without a context do not
// block and never call back into the pipeline.
type Source interface {
	Cataloguer
	// Attach begins to fetch for p whenever FetchFrom allows; Detach ends that, and when it returns no Intake works on p.
	Attach(p *Pipeline)
	Detach(p *Pipeline)
	// Wake says that p, which was left out of a fetch, wants more.
	Wake(p *Pipeline)
	// Policies returns how each topic's log is cleaned. On an error it returns those that could be read.
	Policies(ctx context.Context, topics []string) (map[string]Policy, error)
	// Offsets returns the log start offsets, or with latest the offsets that a fetch of new records would begin at.
	Offsets(ctx context.Context, topic string, partitions []int32, latest bool) ([]int64, error)
	// OpenTransactions returns the oldest open transaction of each partition that has one.
	OpenTransactions(ctx context.Context, topic string, partitions []int32) (map[int32]OpenTransaction, error)
	// Log asks the leader what it has of a partition, and where a leader epoch ends there; epoch -1 asks for none.
	Log(ctx context.Context, tp TopicPartition, epoch int32) (Log, error)
	// TimeFrom returns the timestamp of the first record at or after an offset; zero when there is none.
	TimeFrom(ctx context.Context, tp TopicPartition, offset int64) (time.Time, error)
	// LoadPositions reads the group; a partition without a position is absent. An unreadable one is an error in its place.
	LoadPositions(ctx context.Context, group string, topics map[string][]int32) (map[TopicPartition]Loaded, error)
	// SavePositions commits to the group, with where each topic's records go. On nil all of them are there; an *UnsavedError
	// names those that are not; on any other error some may be.
	SavePositions(ctx context.Context, group string, positions map[TopicPartition]protocol.Position, to map[string]protocol.Place) error
}

// Loaded is a position read from the group, or why it cannot be understood.
type Loaded struct {
	Position protocol.Position
	Err      error
}

// End is the end of a destination partition: its high watermark and leader epoch.
type End struct {
	Offset int64
	Epoch  int32
}

// Whose says which topic of which cluster answers to a name, in one answer of that cluster: of a host that was set up anew
// both ids are other ones. "" is unknown; brokers before 2.8 have no topic ids.
type Whose struct {
	Cluster string
	TopicID string
}

// NewTopic is a destination topic to make. -1 partitions or replicas are the destination's default.
type NewTopic struct {
	Name        string
	Partitions  int
	Replication int
	Settings    map[string]string
	Wanted      map[string]string // settings without which it is made, if the destination does not take them
}

// Sink is the destination cluster's side of a link, with the same rules as Source.
type Sink interface {
	Cataloguer
	// Attach lets p join a produce lane and send; called again it lets p join again. Detach ends that.
	Attach(p *Pipeline)
	Detach(p *Pipeline)
	// Ready says that p may have something to send. Lanes look at it after the next Kick at the latest.
	Ready(p *Pipeline)
	Kick()
	// Limits returns the topics' limits at the destination. On an error it returns those that could be read.
	Limits(ctx context.Context, topics []string) (map[string]Limits, error)
	// Ends asks the leaders; it waits out an election rather than answer with a watermark that may still rise (KIP-207).
	Ends(ctx context.Context, topic string, partitions []int32) ([]End, error)
	// Whose asks which topic of which cluster answers to a name.
	Whose(ctx context.Context, topic string) (Whose, error)
	// TimeBefore returns the timestamp of the last record before an offset; zero when there is none.
	TimeBefore(ctx context.Context, tp TopicPartition, offset int64) (time.Time, error)
	// CreateTopics makes topics, at least one and all different, and returns why some were not made, by name. That a topic is
	// there already is no reason, nor is it for GrowTopic that it is as large.
	CreateTopics(ctx context.Context, topics []NewTopic) (refused map[string]error, err error)
	GrowTopic(ctx context.Context, topic string, partitions int) error
	// NewProducerID returns a producer id that nobody has.
	NewProducerID(ctx context.Context) (int64, error)
	// Onward returns, by topic, the mirrors' groups at this cluster that have positions in these topics and tell where they
	// lead. On an error it returns those that could be seen.
	Onward(ctx context.Context, topics map[string][]int32) (map[string][]Onward, error)
	// CodeName names a Kafka error code.
	CodeName(code int16) string
}

// ErrConflict is returned by Store.Update when the identities changed since they were read.
var ErrConflict = errors.New("identities changed meanwhile")

// Identities are those of one topic, by source partition. Version is the store's; 0 means that nothing is stored.
type Identities struct {
	Version    int
	Partitions map[int32]protocol.Identity
}

// Store keeps identities: durable once a call returns, atomic, and visible to every process that may mirror the topic.
// Calls do not retry.
type Store interface {
	Read(ctx context.Context, link, topic string) (Identities, error)
	// Update replaces what Read returned. On ErrConflict nothing was written.
	Update(ctx context.Context, link, topic string, ids Identities) error
}
