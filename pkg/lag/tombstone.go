package lag

import (
	"fmt"
	"time"

	"tributary/pkg/mirror"
)

// tombstoneGrace is how far behind a compacted topic must be before its tombstones are worth a word: a watermark is late by
// half of that while records flow.
const tombstoneGrace = time.Minute

// tombstones finds out by when a topic's deletions must be mirrored. The source keeps a tombstone for min.compaction.lag.ms
// and delete.retention.ms at least. One that goes unread leaves the key alive at the destination, for ever.
type tombstones struct {
	unknown bool       // of a partition
	through *time.Time // the earliest time through which a partition is mirrored
}

// add takes in a partition. Where its watermark is not known, as after a start on a backlog, the time of the record mirrored
// last stands for it.
func (d *tombstones) add(s mirror.PartitionStatus, through *time.Time) {
	if through == nil && s.AckedMaxTime > 0 {
		last := time.UnixMilli(s.AckedMaxTime).UTC()
		through = &last
	}
	if through == nil {
		d.unknown = true
		return
	}
	if d.through == nil || through.Before(*d.through) {
		d.through = through
	}
}

// of sets the topic's deadline, and the warning when it is near or over.
func (d *tombstones) of(t *Topic, policy mirror.Policy, now time.Time) {
	if !policy.Compacted || d.unknown || d.through == nil {
		return
	}
	kept := policy.MinLag + policy.DeleteRetention
	if d.through.After(now) { // a record with a time to come
		d.through = &now
	}
	deadline := d.through.Add(kept).UTC()
	t.TombstoneDeadline = &deadline
	if t.Deadlines == nil {
		t.Deadlines = map[Cause]time.Time{}
	}
	t.Deadlines[CauseCompaction] = deadline
	since, behind := d.through.UTC().Format(time.RFC3339), now.Sub(*d.through)
	switch {
	case behind <= max(tombstoneGrace, kept*3/4):
	case behind <= kept:
		t.Warning = fmt.Sprintf("deletions are at risk: the source may remove tombstones written since %s from %s on, before they are mirrored", since, deadline.Format(time.RFC3339))
	default:
		t.Warning = fmt.Sprintf("deletions may be lost: the source keeps tombstones for %v, and what was written since %s is not mirrored; keys deleted meanwhile may live on at the destination, compare with mirror verify", kept, since)
	}
}

// warn returns a change when a warning begins, or turns into another kind of warning.
func (h *topicHistory) warn(now time.Time, t Topic) []change {
	over := t.TombstoneDeadline != nil && now.After(*t.TombstoneDeadline)
	begins := t.Warning != "" && (!h.warned || over && !h.over)
	h.warned, h.over = t.Warning != "", over
	if !begins {
		return nil
	}
	return []change{{event: warned, topic: t.Topic, why: t.Warning}}
}
