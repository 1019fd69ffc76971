package status

import (
	"time"

	"tributary/pkg/lag"
)

// surroundings are what a linkReport says of the clusters beside the copying.
type surroundings struct {
	Probe     probeReport     `json:"probe"`
	Disks     []diskReport    `json:"disks"`     // of the source's brokers
	Retention retentionReport `json:"retention"` // thresholds of the headroom, as shares of the retention
}

type probeReport struct {
	Source probedReport `json:"source"`
	Target probedReport `json:"target"`
}

type probedReport struct {
	Success *time.Time `json:"success"` // when a round of questions was asked last that all brokers answered
	Problem string     `json:"problem"`
}

type diskReport struct {
	Broker      int32      `json:"broker"`
	Dir         string     `json:"dir"`
	TotalBytes  *int64     `json:"total_bytes"`
	UsableBytes *int64     `json:"usable_bytes"`
	FullAt      *time.Time `json:"full_at"` // null too where it does not grow
}

type retentionReport struct {
	Warn     float64 `json:"warn"`
	Critical float64 `json:"critical"`
}

// outlookReport is what a topicReport says of the time until something is lost.
type outlookReport struct {
	LossDeadline           *time.Time              `json:"loss_deadline"`  // the earliest of deadlines, without compaction
	LossCause              lag.Cause               `json:"loss_cause"`     // "" without a deadline
	Deadlines              map[lag.Cause]time.Time `json:"deadlines"`      // a cause that is unknown or does not apply is absent
	UnknownCauses          []lag.Cause             `json:"unknown_causes"` // of which it is not known whether and when
	SourceRetentionSeconds *float64                `json:"source_retention_seconds"`
	SourceRetentionBytes   *int64                  `json:"source_retention_bytes"` // of each partition
	TargetRetentionSeconds *float64                `json:"target_retention_seconds"`
	OldestRecord           *time.Time              `json:"oldest_record"`
	Traffic                *trafficReport          `json:"traffic"`
	OutageBudgetSeconds    *float64                `json:"outage_budget_seconds"`
	RetentionUsed          *float64                `json:"retention_used"` // from 0 to 1, which is at the deadline
}

type trafficReport struct {
	Now     float64 `json:"now_bytes_per_second"`
	HourMax float64 `json:"hour_max_bytes_per_second"`
	P95     float64 `json:"p95_bytes_per_second"`
}

func newSurroundings(link lag.Link) surroundings {
	s := surroundings{Probe: probeReport{probedReport(link.Probe.Source), probedReport(link.Probe.Target)}, Disks: []diskReport{}, Retention: retentionReport(link.Retention)}
	for _, d := range link.Disks {
		s.Disks = append(s.Disks, diskReport{Broker: d.Broker, Dir: d.Dir, TotalBytes: d.Total, UsableBytes: d.Usable, FullAt: d.FullAt})
	}
	return s
}

func newOutlookReport(o *lag.Outlook) outlookReport {
	r := outlookReport{LossDeadline: o.LossDeadline, LossCause: o.LossCause, Deadlines: map[lag.Cause]time.Time{}, UnknownCauses: append([]lag.Cause{}, o.Unknown...),
		SourceRetentionSeconds: inSeconds(o.SourceRetention), SourceRetentionBytes: o.SourceRetentionBytes, TargetRetentionSeconds: inSeconds(o.TargetRetention),
		OldestRecord: o.OldestRecord, OutageBudgetSeconds: inSeconds(o.OutageBudget), RetentionUsed: o.Used}
	for cause, at := range o.Deadlines {
		r.Deadlines[cause] = at.UTC()
	}
	if o.Traffic != nil {
		traffic := trafficReport(*o.Traffic)
		r.Traffic = &traffic
	}
	return r
}

// inSeconds is a duration as JSON has it; null when unknown.
func inSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	return new(d.Seconds())
}
