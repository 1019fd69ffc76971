package api

import "time"

// Outlook is what a topic's status says of the time until something is lost.
type Outlook struct {
	LossDeadline           *time.Time           `json:"loss_deadline"`  // the earliest of deadlines, without compaction
	LossCause              string               `json:"loss_cause"`     // "" without a deadline
	Deadlines              map[string]time.Time `json:"deadlines"`      // a cause that is unknown or does not apply is absent
	UnknownCauses          []string             `json:"unknown_causes"` // of which it is not known whether and when
	SourceRetentionSeconds *float64             `json:"source_retention_seconds"`
	SourceRetentionBytes   *int64               `json:"source_retention_bytes"` // of each partition
	TargetRetentionSeconds *float64             `json:"target_retention_seconds"`
	OldestRecord           *time.Time           `json:"oldest_record"`
	Traffic                *Traffic             `json:"traffic"`
	OutageBudgetSeconds    *float64             `json:"outage_budget_seconds"`
	OutageBudgetAtMost     bool                 `json:"outage_budget_at_most"` // not all that limits it is known
	RetentionUsed          *float64             `json:"retention_used"`        // from 0 to 1, which is at the deadline
}

// Traffic is by how many bytes a second a topic grows at the source.
type Traffic struct {
	Now     float64 `json:"now_bytes_per_second"`
	HourMax float64 `json:"hour_max_bytes_per_second"`
	P95     float64 `json:"p95_bytes_per_second"`
}

// Shares are the least shares of the source's retention that are to be left, from 0 to 1; 0 never says that too little is.
type Shares struct {
	Warn     float64 `json:"warn"`
	Critical float64 `json:"critical"`
}

// Probe says how the clusters of a link answer beside the copying.
type Probe struct {
	Source Probed `json:"source"`
	Target Probed `json:"target"`
}

// Probed is the outcome of asking one cluster.
type Probed struct {
	Success *time.Time `json:"success"` // when a round of questions was asked last that all brokers answered
	Problem string     `json:"problem"` // why the newest round failed, "" when it did not
}

// Disk is a log directory of a broker of the source.
type Disk struct {
	Broker      int32      `json:"broker"`
	Dir         string     `json:"dir"`
	TotalBytes  *int64     `json:"total_bytes"`
	UsableBytes *int64     `json:"usable_bytes"`
	FullAt      *time.Time `json:"full_at"` // null too where it does not grow
}
