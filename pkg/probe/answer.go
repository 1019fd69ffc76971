package probe

import (
	"slices"
	"time"

	"tributary/pkg/kafka"
)

// Answer is what is known of a cluster after a round. It is not changed after it was published, so that readers share it.
type Answer struct {
	Success time.Time // when the last round began that all brokers answered; zero: none did
	Problem string    // why the last round failed, or what is not allowed; "" when all is well
	Topics  map[string]*Topic
	Disks   []Disk // in order of broker and directory
}

// Topic is what is known of one topic.
type Topic struct {
	ID         kafka.TopicID
	Settings   *Settings    // nil until they could be read
	Partitions []*Partition // by number; nil until the partition's leader answered; empty where only settings are wanted
}

// Partition is what is known of one partition of a source topic. Where its leader no longer answers, it stays as it was.
type Partition struct {
	At         time.Time // when the ends were asked for: they were true then or later
	Start, End int64     // of the log: its first offset, and the high watermark
	Oldest     *time.Time
	Heads      []Head // of the offsets that were asked for, ascending

	// Sized is when the size was asked for; zero when it is not known, and all below is nothing.
	Sized time.Time
	Size  int64 // bytes
	Disk  DiskID
	Pace  *Pace // nil until it was measured twice

	appended int64
	marks    []mark // ascending
}

// Topic returns what is known of a topic, nil when nothing is. It may be called on a nil Answer.
func (a *Answer) Topic(name string) *Topic {
	if a == nil {
		return nil
	}
	return a.Topics[name]
}

// Partition returns what is known of a partition, nil when nothing is. It may be called on a nil Topic.
func (t *Topic) Partition(id int32) *Partition {
	if t == nil || int(id) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[id]
}

// Disk returns a disk by what identifies it, nil when it is not known. It may be called on a nil Answer.
func (a *Answer) Disk(id DiskID) *Disk {
	if a == nil {
		return nil
	}
	for i := range a.Disks {
		if a.Disks[i].DiskID == id {
			return &a.Disks[i]
		}
	}
	return nil
}

// After returns an upper bound of the bytes from an offset to the end of the log, at Sized. ok is false when the size of
// the log is not known.
func (p *Partition) After(offset int64) (bytes int64, ok bool) {
	if p.Sized.IsZero() {
		return 0, false
	}
	if offset >= p.End {
		return 0, true
	}
	if offset <= p.Start {
		return p.Size, true
	}
	for _, m := range slices.Backward(p.marks) {
		if m.end <= offset {
			return min(p.Size, p.appended-m.appended), true
		}
	}
	// Nobody watched the log when the offset was written: its records are taken for as large as the others, and a fifth.
	share := float64(p.End-offset) / float64(p.End-p.Start)
	return min(p.Size, int64(float64(p.Size)*share*unwatched)), true
}

// unwatched is the surcharge on what was not watched while it grew.
const unwatched = 1.2

// First returns a lower bound of the timestamp by which the segment with the offset is judged, where one is known: that
// of the batch with the offset, or else of an earlier one, as no segment goes before those that are older. ok is false
// when none is known.
func (p *Partition) First(offset int64) (at time.Time, ok bool) {
	for _, h := range slices.Backward(p.Heads) {
		if h.Offset > offset {
			continue
		}
		if h.Offset < p.Start && h.Offset != offset || h.Max < 0 {
			return time.Time{}, false
		}
		return time.UnixMilli(h.Max), true
	}
	return time.Time{}, false
}
