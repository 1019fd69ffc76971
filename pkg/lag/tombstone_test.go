package lag

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"tributary/pkg/mirror"
)

func TestTombstoneDeadline(t *testing.T) {
	day := mirror.Policy{Compacted: true, MinLag: time.Hour, DeleteRetention: 23 * time.Hour}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	for _, test := range []struct {
		name    string
		policy  mirror.Policy
		through []*time.Time  // of each partition
		acked   time.Duration // age of the record acknowledged last, 0 none
		want    *time.Time
		warning string
	}{
		{"caught up", day, []*time.Time{ago(0), ago(time.Second)}, 0, ago(time.Second - 24*time.Hour), ""},
		{"not compacted", mirror.Policy{DeleteRetention: time.Hour}, []*time.Time{ago(48 * time.Hour)}, 0, nil, ""},
		{"half of the time is over", day, []*time.Time{ago(12 * time.Hour)}, 0, ago(-12 * time.Hour), ""},
		{"near", day, []*time.Time{ago(0), ago(20 * time.Hour)}, 0, ago(-4 * time.Hour), "deletions are at risk: the source may remove tombstones written since 2026-11-21T16:00:00Z from 2026-11-22T16:00:00Z on"},
		{"over", day, []*time.Time{ago(30 * time.Hour)}, 0, ago(6 * time.Hour), "deletions may be lost: the source keeps tombstones for 24h0m0s, and what was written since 2026-11-21T06:00:00Z"},
		{"kept for less than the watermark is late", mirror.Policy{Compacted: true, DeleteRetention: time.Second}, []*time.Time{ago(40 * time.Second)}, 0, ago(39 * time.Second), ""},
		{"kept for no time", mirror.Policy{Compacted: true}, []*time.Time{ago(2 * time.Minute)}, 0, ago(2 * time.Minute), "deletions may be lost"},
		{"unknown", day, []*time.Time{ago(0), nil}, 0, nil, ""},
		{"a backlog after a start", day, []*time.Time{ago(0), nil}, 30 * time.Hour, ago(6 * time.Hour), "deletions may be lost"},
		{"a record of tomorrow", day, []*time.Time{nil}, -30 * time.Hour, ago(-24 * time.Hour), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d tombstones
			for _, through := range test.through {
				s := mirror.PartitionStatus{}
				if test.acked != 0 && through == nil {
					s.AckedMaxTime = now.Add(-test.acked).UnixMilli()
				}
				d.add(s, through)
			}
			var got Topic
			d.of(&got, test.policy, now)
			if (got.TombstoneDeadline == nil) != (test.want == nil) || test.want != nil && !got.TombstoneDeadline.Equal(*test.want) {
				t.Errorf("deadline: got %v, want %v", got.TombstoneDeadline, test.want)
			}
			if !strings.Contains(got.Warning, test.warning) || (got.Warning == "") != (test.warning == "") {
				t.Errorf("warning: got %q, want %q", got.Warning, test.warning)
			}
		})
	}
}

// A warning is one line when it begins and one when the deadline is over, and says no word about those who are well.
func TestTombstoneWarningIsLoggedTwice(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var lines strings.Builder
	log := slog.New(slog.NewTextHandler(&lines, nil))
	h := &linkHistory{}
	for hour := range 40 {
		status := mirror.LinkStatus{Name: "up", Topics: []mirror.TopicStatus{{Topic: "keys", Policy: mirror.Policy{Compacted: true, DeleteRetention: 24 * time.Hour},
			Partitions: []mirror.PartitionStatus{{State: mirror.StateCopying, Started: true, Next: 5, SourceEnd: 5 + int64(hour)}}}}}
		link, changes := h.observe(now.Add(time.Duration(hour)*time.Hour), "me", status, nil)
		report(log, now, changes, &loudness{})
		if topic := link.Topics[0]; topic.LagRecords == nil || topic.State != mirror.StateCopying {
			t.Fatalf("hour %d: a warning changes lag or state: %+v", hour, topic)
		}
	}
	if got := strings.Count(lines.String(), "mirroring is late"); got != 2 || strings.Count(lines.String(), "at risk") != 1 || strings.Count(lines.String(), "may be lost") != 1 {
		t.Errorf("got %d lines, want one each of risk and loss:\n%s", got, &lines)
	}
}
