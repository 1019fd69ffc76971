package produce

import (
	"context"
	"errors"
	"fmt"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

const codeOffsetOutOfRange = 1

// recreated ends j when the destination, whose topic has this id, is not the one that its identity was made for.
func (l *lane) recreated(j *joiner, id kafka.TopicID) bool {
	is := mirror.Whose{TopicID: id.String()}
	if known, _, _ := l.sink.Catalog(); known != nil { // as of the same answer that told the id, or of a later one
		is.Cluster = known.Cluster
	}
	if j.e.p.DestinationIs(is) {
		return false
	}
	j.settle()
	return true
}

// gone looks for the last acknowledged batch itself, where the leader epoch of the position ends before it. That alone
// proves nothing: while a connection stays open the leader epoch may rise at the same broker, and what it acknowledges
// from then on lies under an epoch that no produce answer tells.
func (l *lane) gone(ctx context.Context, conn *kafka.Conn, j *joiner) (bool, error) {
	at := j.plan.Position
	records, err := l.fetchTail(ctx, conn, j, at.Dest-1)
	if errors.Is(err, kafka.Error{Code: codeOffsetOutOfRange}) {
		starts, err := listOffsets(ctx, conn, []*joiner{j}, earliest)
		if err == nil {
			err = starts[0].err
		}
		if err != nil {
			return false, err
		}
		return starts[0].end < at.Dest, nil // else retention removed the batch
	}
	if err != nil {
		return false, err
	}
	b, _, err := batch.Split(records)
	if err != nil {
		return false, fmt.Errorf("look at offset %d: %w", at.Dest-1, err)
	}
	return !endsAt(b, at), nil
}

// endsAt says whether b is the batch that the position ends with, or lies behind one that the cleaner removed: a log that
// was cut has no gaps. A position that is still passing over what the destination has may be ahead of its offset.
func endsAt(b batch.Batch, at protocol.Position) bool {
	if b.BaseOffset() >= at.Dest || at.Epoch == 0 && at.Sequence == 0 { // nothing was acknowledged to us yet
		return true
	}
	if b.NextOffset() != at.Dest || b.ProducerID() != at.ProducerID || b.ProducerEpoch() > at.Epoch {
		return false
	}
	end := batch.AddSequence(b.BaseSequence(), b.LastOffsetDelta()+1)
	return b.ProducerEpoch() < at.Epoch || batch.SequenceDistance(end, at.Sequence) >= 0
}
