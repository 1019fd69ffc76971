package produce

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// What one fetch for the tails of many partitions asks for. After a takeover a tail is what was sent since the last save, so
// that mostly one such fetch brings all of each.
const (
	headsAtOnce = 64
	headBytes   = scanBytes / headsAtOnce
)

// counted says that a scan of the partition has records to count.
func (j *joiner) counted() bool {
	return j.e != nil && j.plan.Need != protocol.Resend && j.plan.Count && j.end > j.plan.Position.Dest
}

// findStarts asks for the log starts of all that have something to be scanned, and puts those first that have the least: a
// long scan has others wait.
func (l *lane) findStarts(ctx context.Context, conn *kafka.Conn, list []*joiner) error {
	var ask []*joiner
	for _, j := range list {
		if j.counted() {
			ask = append(ask, j)
		}
	}
	starts, err := listOffsets(ctx, conn, ask, earliest)
	if err != nil {
		return err
	}
	for i, j := range ask {
		j.start = starts[i]
	}
	slices.SortStableFunc(list, func(a, b *joiner) int { return cmp.Compare(a.length(), b.length()) })
	return nil
}

// length is how many offsets there are to scan.
func (j *joiner) length() int64 {
	if !j.counted() {
		return 0
	}
	return j.end - max(j.plan.Position.Dest, j.start.end)
}

// fetchHeads asks for the first records of the tails of a few. Where the fetch does not bring them, the scan fetches for itself.
func (l *lane) fetchHeads(ctx context.Context, conn *kafka.Conn, list []*joiner) error {
	var ask []*joiner
	for _, j := range list {
		if j.head = nil; j.counted() && j.start.err == nil && j.start.end < j.end && j.e.scanned.Load() == nil {
			ask = append(ask, j)
		}
	}
	if len(ask) < 2 {
		return nil // its scan asks for more at a time
	}
	return l.fetchHeadsOf(ctx, conn, ask)
}

func (l *lane) fetchHeadsOf(ctx context.Context, conn *kafka.Conn, list []*joiner) error {
	req := newScanFetch()
	byDest := map[mirror.TopicPartition]*joiner{}
	byTopic(list, func(topic string) {
		t := kmsg.NewFetchRequestTopic()
		t.Topic = topic
		req.Topics = append(req.Topics, t)
	}, func(k int, j *joiner) {
		byDest[j.e.dest] = j
		req.Topics[k].Partitions = append(req.Topics[k].Partitions, scanFrom(j, max(j.plan.Position.Dest, j.start.end), headBytes))
	})
	resp, err := conn.Do(ctx, req)
	if err != nil {
		return err
	}
	for _, t := range resp.(*kmsg.FetchResponse).Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			if j := byDest[mirror.TopicPartition{Topic: t.Topic, Partition: p.Partition}]; j != nil && p.ErrorCode == 0 {
				j.head = p.RecordBatches
			}
		}
	}
	return nil
}

func newScanFetch() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(scanFetchVersion)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 500, 1, scanBytes, -1
	return req
}

func scanFrom(j *joiner, offset int64, bytes int32) kmsg.FetchRequestTopicPartition {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.PartitionMaxBytes = j.e.dest.Partition, j.at.Epoch, offset, -1, bytes
	return p
}
