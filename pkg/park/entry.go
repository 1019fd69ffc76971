package park

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tributary/pkg/batch"
	"tributary/pkg/mirror"
)

// Kinds of what is parked.
const (
	KindRecord = "record" // key, value and headers stand as they were, ours behind them
	KindBatch  = "batch"  // the value is the batch as it was fetched
)

// Names of the headers that are appended to what is parked, in this order. They are the last ones of a record: what stands
// before them is the record's own, even when it is called the same.
const (
	headerKind      = "mirror.parked.kind"
	headerLink      = "mirror.parked.link"
	headerCluster   = "mirror.parked.source_cluster"
	headerTopic     = "mirror.parked.topic"
	headerPartition = "mirror.parked.partition"
	headerOffset    = "mirror.parked.offset"
	headerNext      = "mirror.parked.next_offset"
	headerEpoch     = "mirror.parked.leader_epoch"
	headerTimestamp = "mirror.parked.timestamp_ms"
	headerDest      = "mirror.parked.destination"
	headerReason    = "mirror.parked.reason"
	headerError     = "mirror.parked.error"
)

// headerNames are all of them.
func headerNames() []string {
	return []string{headerKind, headerLink, headerCluster, headerTopic, headerPartition, headerOffset, headerNext, headerEpoch,
		headerTimestamp, headerDest, headerReason, headerError}
}

// Entry is one record of the topic.
type Entry struct {
	Cluster   string // name of the cluster that it is parked at, for people
	Partition int32  // of mirror.parked
	Offset    int64  // there
	ParkedAt  int64  // ms
	Parked    mirror.Parked
}

// encode returns a record of the topic.
func encode(p mirror.Parked, now int64) batch.Record {
	r := batch.Record{Timestamp: now, Value: p.Batch}
	kind := KindBatch
	if p.Record != nil {
		r.Key, r.Value, kind = p.Record.Key, p.Record.Value, KindRecord
		r.Headers = append(r.Headers, p.Record.Headers...)
	}
	values := []string{kind, p.Link, p.Cluster, p.Source.Topic, strconv.Itoa(int(p.Source.Partition)), strconv.FormatInt(p.From, 10),
		strconv.FormatInt(p.To, 10), strconv.Itoa(int(p.LeaderEpoch)), strconv.FormatInt(p.Timestamp, 10),
		fmt.Sprintf("%s/%d", p.Dest.Topic, p.Dest.Partition), string(p.Reason), p.Why}
	for i, name := range headerNames() {
		r.Headers = append(r.Headers, batch.Header{Key: name, Value: []byte(values[i])})
	}
	return r
}

var errForeign = errors.New("not written by a mirror")

// decode is encode backwards.
func decode(r batch.Record) (mirror.Parked, error) {
	names := headerNames()
	own := len(r.Headers) - len(names)
	if own < 0 {
		return mirror.Parked{}, errForeign
	}
	values := map[string]string{}
	for i, name := range names {
		h := r.Headers[own+i]
		if h.Key != name {
			return mirror.Parked{}, errForeign
		}
		values[name] = string(h.Value)
	}
	n := numbers{values: values}
	p := mirror.Parked{Link: values[headerLink], Cluster: values[headerCluster],
		Source: mirror.TopicPartition{Topic: values[headerTopic], Partition: int32(n.of(headerPartition, 32))},
		From:   n.of(headerOffset, 64), To: n.of(headerNext, 64), LeaderEpoch: int32(n.of(headerEpoch, 32)), Timestamp: n.of(headerTimestamp, 64),
		Reason: mirror.SkipReason(values[headerReason]), Why: values[headerError]}
	dest, partition, _ := cutLast(values[headerDest])
	number, err := strconv.ParseInt(partition, 10, 32)
	if n.err = errors.Join(n.err, err); n.err != nil {
		return p, fmt.Errorf("%w: %w", errForeign, n.err)
	}
	p.Dest = mirror.TopicPartition{Topic: dest, Partition: int32(number)}
	switch values[headerKind] {
	case KindBatch:
		p.Batch = r.Value
	case KindRecord:
		p.Record = &batch.Record{Offset: p.From, Timestamp: p.Timestamp, Key: r.Key, Value: r.Value}
		if own > 0 {
			p.Record.Headers = r.Headers[:own:own]
		}
	default:
		return p, fmt.Errorf("%w: kind %q", errForeign, values[headerKind])
	}
	return p, nil
}

// cutLast cuts at the last slash.
func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// numbers reads headers that are numbers.
type numbers struct {
	values map[string]string
	err    error
}

func (n *numbers) of(name string, bits int) int64 {
	number, err := strconv.ParseInt(n.values[name], 10, bits)
	n.err = errors.Join(n.err, err)
	return number
}
