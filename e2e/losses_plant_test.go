package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"tributary/e2e/kafka"
)

// expireRecords writes records that retention then deletes, and one whole segment of them.
func expireRecords(ctx context.Context, tr *lossTrial) error {
	if err := tr.writeGone(ctx, 2*time.Hour); err != nil {
		return err
	}
	if err := writeFresh(freshShorter)(ctx, tr); err != nil {
		return err
	}
	if err := tr.from.SetTopicConfig(ctx, tr.topic, map[string]string{"retention.ms": "3600000"}); err != nil {
		return err
	}
	lost := int64(oldRecords + goneRecords)
	err := poll(ctx, time.Minute, func(ctx context.Context) error { return tr.startsAt(ctx, lost) })
	tr.wantGone(lost)
	return err
}

// deleteRecords deletes into the middle of a batch that was not read.
func deleteRecords(ctx context.Context, tr *lossTrial) error {
	if err := tr.writeGone(ctx, 0); err != nil {
		return err
	}
	if err := writeFresh(freshShorter)(ctx, tr); err != nil {
		return err
	}
	lost := int64(oldRecords + goneRecords - batchRecords/2)
	tr.wantGone(lost)
	return errors.Join(tr.from.DeleteRecords(ctx, tr.topic, 0, lost), tr.startsAt(ctx, lost))
}

// deleteUnsaved does the same to a mirror that was killed before it saved how far it was.
func deleteUnsaved(ctx context.Context, tr *lossTrial) error {
	return errors.Join(tr.commit(ctx, tr.early), deleteRecords(ctx, tr))
}

// startsAt returns an error unless that is the first offset of partition 0 at the source.
func (tr *lossTrial) startsAt(ctx context.Context, want int64) error {
	starts, err := tr.from.StartOffsets(ctx, tr.topic)
	if err == nil && starts[0] != want {
		err = fmt.Errorf("%s/0 begins at %d, want %d", tr.topic, starts[0], want)
	}
	return err
}

// writeGone writes records to partition 0 that nobody copies before the fault.
func (tr *lossTrial) writeGone(ctx context.Context, age time.Duration) error {
	report, err := tr.write(ctx, tr.from, 1, goneRecords, age)
	tr.copied = append(tr.copied, written{report, oldRecords})
	return err
}

// wantGone expects that the source begins at an offset now, and what is before it and not at the destination is lost.
func (tr *lossTrial) wantGone(to int64) {
	tr.want = wantLoss{partitions: []int32{0}, from: atDestinationEnd, to: to, span: true}
}

func writeGone(ctx context.Context, tr *lossTrial) error { return tr.writeGone(ctx, 0) }

// writeFresh writes records to both partitions when the fault is over.
func writeFresh(each int64) func(context.Context, *lossTrial) error {
	return func(ctx context.Context, tr *lossTrial) error {
		report, err := tr.write(ctx, tr.from, 2, each, 0)
		tr.fresh = append(tr.fresh, written{report: report})
		return err
	}
}

// flipByte damages a batch that was not read.
func flipByte(tr *lossTrial) error {
	const offset = oldRecords + goneRecords/2
	first, next, err := tr.from.Node(1).FlipByte(tr.topic, 0, offset)
	tr.want = wantLoss{partitions: []int32{0}, from: first, to: next, span: true, unverified: true}
	return err
}

func recreateSource(each int64) func(context.Context, *lossTrial) error {
	return func(ctx context.Context, tr *lossTrial) error {
		tr.want = wantLoss{partitions: []int32{0, 1}, from: oldRecords, to: oldRecords, alien: 2 * oldRecords}
		if tr.mode == stopped {
			tr.want.to, tr.want.records = unknown, unknown
		}
		if err := tr.from.DeleteTopic(ctx, tr.topic); err != nil {
			return err
		}
		if err := tr.createSource(ctx); err != nil {
			return err
		}
		return writeFresh(each)(ctx, tr)
	}
}

// recreateDestination makes the destination topic anew and lets another writer put records into it.
func recreateDestination(alien int64) func(context.Context, *lossTrial) error {
	return func(ctx context.Context, tr *lossTrial) error {
		tr.want = wantLoss{partitions: []int32{0, 1}, from: 0, to: oldRecords, missing: 2 * oldRecords}
		if alien > 0 && tr.mode == live {
			tr.want.late = freshShorter // nothing tells the answers of the longer log from those of the one before
		}
		if err := tr.to.DeleteTopic(ctx, tr.topic); err != nil {
			return err
		}
		return fillDestination(alien)(ctx, tr)
	}
}

// fillDestination makes the destination topic, lets another writer put records into it, and lets the source go on.
func fillDestination(alien int64) func(context.Context, *lossTrial) error {
	return func(ctx context.Context, tr *lossTrial) error {
		err := tr.to.CreateTopic(ctx, tr.topic, 2, 1, nil)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // the mirror may have been faster
			return err
		}
		if alien > 0 {
			report, err := tr.write(ctx, tr.to, 2, alien, 0)
			tr.aliens = append(tr.aliens, report)
			if err != nil {
				return err
			}
		}
		return writeFresh(freshShorter)(ctx, tr)
	}
}

// spoilPosition puts a position into the group that no mirror wrote.
func spoilPosition(ctx context.Context, tr *lossTrial) error {
	tr.want = wantLoss{partitions: []int32{0}, from: whatever, to: whatever, records: whatever}
	err := tr.commit(ctx, kadm.Offset{Topic: tr.topic, Partition: 0, At: 7, LeaderEpoch: -1, Metadata: "checked by hand"})
	return errors.Join(err, writeFresh(freshShorter)(ctx, tr))
}

// losePosition deletes the topic's positions. Partition 1 still has its first record, so that what was sent can be
// counted; partition 0 has not.
func losePosition(ctx context.Context, tr *lossTrial) error {
	tr.want = wantLoss{partitions: []int32{0}, from: whatever, to: whatever, records: whatever}
	var topics kadm.TopicsSet
	topics.Add(tr.topic, 0, 1)
	answers, err := tr.from.Admin().DeleteOffsets(ctx, tr.host.settings.group(), topics)
	if err == nil {
		err = answers.Error()
	}
	return errors.Join(err, tr.from.DeleteRecords(ctx, tr.topic, 0, oldRecords-batchRecords), writeFresh(freshShorter)(ctx, tr))
}

func (tr *lossTrial) commit(ctx context.Context, at kadm.Offset) error {
	var offsets kadm.Offsets
	offsets.Add(at)
	answers, err := tr.from.Admin().CommitOffsets(ctx, tr.host.settings.group(), offsets)
	if err == nil {
		err = answers.Error()
	}
	return err
}

// cutSource takes the end of the source's log away.
func cutSource(tr *lossTrial) error { return tr.cut(oldRecords - cutRecords) }

// cutLess leaves some of what was copied behind the early position.
func cutLess(tr *lossTrial) error { return tr.cut(oldRecords - cutRecords/2) }

func (tr *lossTrial) cut(at int64) error {
	end, err := tr.from.Node(1).CutLog(tr.topic, 0, at)
	tr.want = wantLoss{partitions: []int32{0}, from: oldRecords, to: oldRecords, surplus: &offsetRange{end, oldRecords}, alien: oldRecords - end}
	return err
}

// takeBack puts the early position back: the power cut came before a later one was on the disk.
func takeBack(ctx context.Context, tr *lossTrial) error {
	return errors.Join(tr.commit(ctx, tr.early), writeFresh(freshLonger)(ctx, tr))
}

func wipeDestination(tr *lossTrial) error {
	tr.want = wantLoss{partitions: []int32{0}, from: 0, to: oldRecords, missing: oldRecords}
	return tr.to.Node(1).WipeLog(tr.topic, 0)
}

func cutDestination(tr *lossTrial) error {
	end, err := tr.to.Node(1).CutLog(tr.topic, 0, oldRecords-cutRecords)
	tr.want = wantLoss{partitions: []int32{0}, from: end, to: oldRecords, doubled: end}
	return err
}

// restartSource stops the source in order, as a reboot does.
func restartSource(ctx context.Context, s *lossScene) error {
	return downtime(ctx, s, s.from, (*kafka.Node).Stop)
}

func cutPower(ctx context.Context, s *lossScene) error {
	return downtime(ctx, s, s.from, (*kafka.Node).Kill)
}

func restartDestination(ctx context.Context, s *lossScene) error {
	return downtime(ctx, s, s.to, (*kafka.Node).Kill)
}

func downtime(ctx context.Context, s *lossScene, c *kafka.Cluster, end func(*kafka.Node) error) error {
	if err := end(c.Node(1)); err != nil {
		return err
	}
	if err := s.surgery(); err != nil {
		return err
	}
	if err := c.Node(1).Restart(ctx); err != nil {
		return err
	}
	return c.WaitInSync(ctx)
}

// loseReplica leaves broker 2 as the only one that has what is written from now on.
func loseReplica(_ context.Context, s *lossScene) error { return s.from.Node(3).Kill() }

// electUnclean lets broker 3, which has not what was written since it went away, lead instead of broker 2.
func electUnclean(ctx context.Context, s *lossScene) error {
	if err := s.from.Node(2).Kill(); err != nil {
		return err
	}
	if err := s.from.Node(3).Restart(ctx); err != nil {
		return err
	}
	for _, tr := range s.trials {
		tr.want = wantLoss{partitions: []int32{0, 1}, from: oldRecords, to: oldRecords,
			surplus: &offsetRange{oldRecords - cutRecords, oldRecords}, alien: 2 * cutRecords}
		for partition := range int32(2) {
			if err := s.from.ElectUnclean(ctx, tr.topic, partition); err != nil {
				return err
			}
		}
	}
	if err := s.from.Node(2).Restart(ctx); err != nil {
		return err
	}
	return s.from.WaitInSync(ctx)
}

func reimageSource(ctx context.Context, s *lossScene) error {
	if err := s.from.Reimage(ctx); err != nil {
		return err
	}
	return s.eachOf(ctx, s.trials, func(ctx context.Context, tr *lossTrial) error {
		tr.want = wantLoss{partitions: []int32{0, 1}, from: oldRecords, to: whatever, records: whatever, alien: 2 * oldRecords}
		return tr.createSource(ctx)
	})
}

func reimageDestination(ctx context.Context, s *lossScene) error {
	for _, tr := range s.trials {
		tr.want = wantLoss{partitions: []int32{0, 1}, from: 0, to: oldRecords, missing: 2 * oldRecords}
	}
	return s.to.Reimage(ctx)
}
