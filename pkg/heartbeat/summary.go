package heartbeat

import (
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// summarize says in a few words how a process fares. What is unknown of one topic is unknown of all; of deadlines the
// earliest that is known counts.
func summarize(s *lag.Snapshot, now time.Time) *lag.HeartbeatSummary {
	sum := &lag.HeartbeatSummary{Version: s.Version, Eligible: s.Eligible}
	var through *time.Time
	known := true
	for i := range s.Links {
		link := &s.Links[i]
		sum.State = lag.Worse(sum.State, link.State)
		for _, d := range link.Disks {
			sum.DiskFullAt = earlier(sum.DiskFullAt, d.FullAt)
		}
		for j := range link.Topics {
			topic := &link.Topics[j]
			if topic.Away {
				continue
			}
			sum.LossDeadline = earlier(sum.LossDeadline, topic.LossDeadline)
			known, through = known && topic.ReplicatedThrough != nil, earlier(through, topic.ReplicatedThrough)
			for _, p := range topic.Partitions {
				if p.State != mirror.StateCopying && p.State != mirror.StateCaughtUp {
					sum.NotOK++
				}
			}
		}
	}
	if known && through != nil {
		sum.Lag = new(max(0, now.Sub(*through)))
	}
	return sum
}

// earlier returns the earlier of two times, of which an unknown one does not count.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}
