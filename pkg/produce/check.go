package produce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror/protocol"
)

// checkEpochs halts those whose acknowledged records are gone (rule T). That is asked by the leader epoch under which they
// were acknowledged: where it ends behind them nothing is lost. j.end becomes -1 where the question was not answered.
func (l *lane) checkEpochs(ctx context.Context, conn *kafka.Conn, list []*joiner) error {
	var ask []*joiner
	for _, j := range list {
		j.end = 0
		if j.plan.Position.Dest > 0 && j.plan.Position.DestEpoch >= 0 {
			ask = append(ask, j)
			j.end = -1
		}
	}
	ends, err := epochEnds(ctx, conn, ask, func(j *joiner) int32 { return j.plan.Position.DestEpoch })
	if err != nil {
		return err
	}
	for i, j := range ask {
		gone, failed := false, ends[i].err
		if failed == nil && ends[i].end < j.plan.Position.Dest {
			gone, failed = l.gone(ctx, conn, j)
		}
		switch at := j.plan.Position; {
		case failed != nil:
			err = cmp.Or(err, failed)
		case gone:
			j.e.p.DestinationGone(min(ends[i].end, at.Dest))
			j.settle()
		default:
			j.end = 0
		}
	}
	return err
}

// findEnds sets j.end to the high watermark where a scan is needed, and to -1 where that is not known yet. A calm scan
// waits until the watermark has reached what the log's end is now: the un-replicated tail may be ours (rule W). One whose
// replicas are away may be behind for long, so that the others do not wait for it. The error is the first reason why an end is
// not known.
func (l *lane) findEnds(ctx context.Context, conn *kafka.Conn, list []*joiner) error {
	var ask, calm []*joiner
	for _, j := range list {
		if j.e == nil || j.end < 0 || j.plan.Need == protocol.Resend {
			continue
		}
		j.end = -1
		if j.plan.Need == protocol.ScanCalm {
			calm = append(calm, j)
		} else {
			ask = append(ask, j)
		}
	}
	logEnds, first := l.logEnds(ctx, conn, calm)
	if logEnds == nil {
		return first
	}
	ask = slices.AppendSeq(ask, maps.Keys(logEnds))
	for until := time.Now().Add(logEndWait); ; {
		ends, err := listOffsets(ctx, conn, ask, latest)
		if err != nil {
			return err
		}
		behind := false
		for i, j := range ask {
			switch end := ends[i].end; {
			case ends[i].err != nil:
				j.end, first = -1, cmp.Or(first, ends[i].err)
			case end < logEnds[j]:
				behind = true
			default:
				j.end = end
			}
		}
		if !behind {
			return first
		}
		if time.Now().After(until) {
			return cmp.Or(first, errBehind)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errBehind, context.Cause(ctx))
		case <-time.After(logEndPoll):
		}
	}
}

var errBehind = errors.New("the high watermark has not reached the log's end: replicas are away")

// logEnds asks the leader for the ends of its logs, un-replicated records included: the end of its own leader epoch. What is not
// told of is missing in the answer, which is nil if there is none; the error is the first reason.
func (l *lane) logEnds(ctx context.Context, conn *kafka.Conn, list []*joiner) (map[*joiner]int64, error) {
	var led []*joiner
	var first error
	for _, j := range list {
		leader, _, ok := l.sink.Leader(j.e.dest.Topic, j.e.dest.Partition)
		if !ok || leader.Broker != l.broker {
			first = cmp.Or(first, errNoLeader)
			continue
		}
		j.at = leader
		led = append(led, j)
	}
	ends, err := epochEnds(ctx, conn, led, func(j *joiner) int32 { return j.at.Epoch })
	if err != nil {
		return nil, err
	}
	found := map[*joiner]int64{}
	for i, j := range led {
		if ends[i].err != nil {
			first = cmp.Or(first, ends[i].err)
			continue
		}
		found[j] = ends[i].end
	}
	return found, first
}
