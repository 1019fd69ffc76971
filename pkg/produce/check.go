package produce

import (
	"cmp"
	"context"
	"fmt"
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
// waits until the watermark has reached what the log's end is now: the un-replicated tail may be ours (rule W).
func (l *lane) findEnds(ctx context.Context, conn *kafka.Conn, list []*joiner) error {
	var ask, calm []*joiner
	for _, j := range list {
		if j.e == nil || j.end < 0 || j.plan.Need == protocol.Resend {
			continue
		}
		ask = append(ask, j)
		j.end = -1
		if j.plan.Need == protocol.ScanCalm {
			calm = append(calm, j)
		}
	}
	logEnds, err := l.logEnds(ctx, conn, calm)
	if err != nil {
		return err
	}
	for {
		ends, err := listOffsets(ctx, conn, ask, latest)
		if err != nil {
			return err
		}
		behind := false
		for i, j := range ask {
			if ends[i].err != nil {
				err = ends[i].err
				continue
			}
			j.end = ends[i].end
			behind = behind || j.end < logEnds[j]
		}
		if err != nil || !behind {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the high watermark to reach the log end: %w", context.Cause(ctx))
		case <-time.After(logEndPoll):
		}
	}
}

// logEnds asks the leader for the ends of its logs, un-replicated records included: the end of its own leader epoch.
func (l *lane) logEnds(ctx context.Context, conn *kafka.Conn, list []*joiner) (map[*joiner]int64, error) {
	found := map[*joiner]int64{}
	for _, j := range list {
		leader, _, ok := l.sink.Leader(j.e.dest.Topic, j.e.dest.Partition)
		if !ok || leader.Broker != l.broker {
			return nil, errNoLeader
		}
		j.at = leader
	}
	ends, err := epochEnds(ctx, conn, list, func(j *joiner) int32 { return j.at.Epoch })
	if err != nil {
		return nil, err
	}
	for i, j := range list {
		if ends[i].err != nil {
			return nil, ends[i].err
		}
		found[j] = ends[i].end
	}
	return found, nil
}
