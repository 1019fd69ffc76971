package check

import "time"

// Report is what a mirror answers at /api/v1/status, as far as checks and views need it. A nil number or time is unknown.
type Report struct {
	Instance  string      `json:"instance"`
	Zone      string      `json:"zone"`
	Version   string      `json:"version"`
	Time      *time.Time  `json:"time"` // when the mirror looked at its links
	Links     []Link      `json:"links"`
	Heartbeat []Heartbeat `json:"heartbeats"`

	Watchers         map[string]time.Time `json:"watchers"`          // when each was heard of last
	WatchersExpected map[string]float64   `json:"watchers_expected"` // the longest silence in seconds

	Config *Config `json:"config"`
}

// Link is one link of a report.
type Link struct {
	Name      string     `json:"name"`
	From      string     `json:"from"`
	To        string     `json:"to"`
	State     string     `json:"state"`
	Problem   string     `json:"problem"`
	Retention *Shares    `json:"retention"`
	Probe     Probe      `json:"probe"`
	Disks     []Disk     `json:"disks"` // of the source's brokers
	Pool      *Pool      `json:"pool"`
	Topics    []Topic    `json:"topics"`
	Paused    *time.Time `json:"paused_until"`
}

// Shares are the least shares of the source's retention that are to be left, from 0 to 1.
type Shares struct {
	Warn     float64 `json:"warn"`
	Critical float64 `json:"critical"`
}

// Probe says whether the clusters of a link answered lately.
type Probe struct {
	Source Probed `json:"source"`
	Target Probed `json:"target"`
}

// Probed is the outcome of asking one cluster.
type Probed struct {
	Success *time.Time `json:"success"`
	Problem string     `json:"problem"`
}

// Disk is a log directory of a broker of the source.
type Disk struct {
	Broker int32      `json:"broker"`
	Dir    string     `json:"dir"`
	Total  *int64     `json:"total_bytes"`
	Usable *int64     `json:"usable_bytes"`
	FullAt *time.Time `json:"full_at"`
}

// Pool is the pool of a link that is shared.
type Pool struct {
	State string     `json:"state"`
	Since *time.Time `json:"since"`
}

// Topic is one topic of a link.
type Topic struct {
	Topic             string      `json:"topic"`
	Destination       string      `json:"destination"` // its name there
	Owner             string      `json:"owner"`
	State             string      `json:"state"`
	PausedUntil       *time.Time  `json:"paused_until"`
	LagRecords        *int64      `json:"lag_records"`
	Problem           string      `json:"problem"`
	Warning           string      `json:"warning"`
	ReplicatedThrough *time.Time  `json:"replicated_through"`
	Speed             *float64    `json:"speed"` // source seconds per second
	LossDeadline      *time.Time  `json:"loss_deadline"`
	LossCause         string      `json:"loss_cause"`
	UnknownCauses     []string    `json:"unknown_causes"`
	RetentionSeconds  *float64    `json:"source_retention_seconds"`
	RetentionBytes    *int64      `json:"source_retention_bytes"`
	TargetRetention   *float64    `json:"target_retention_seconds"`
	OutageBudget      *float64    `json:"outage_budget_seconds"`
	RetentionUsed     *float64    `json:"retention_used"`
	Traffic           *Traffic    `json:"traffic"`
	Partitions        []Partition `json:"partitions"`
}

// Traffic is by how many bytes a second a topic grows at the source.
type Traffic struct {
	Now float64 `json:"now_bytes_per_second"`
	P95 float64 `json:"p95_bytes_per_second"`
}

// Partition is one partition of a topic.
type Partition struct {
	Partition int32  `json:"partition"`
	State     string `json:"state"`
	Reason    string `json:"reason"`
	Error     string `json:"error"`
	NextStep  string `json:"next_step"`
}

// Heartbeat is what was heard last of one origin.
type Heartbeat struct {
	Origin  string     `json:"origin"`
	State   string     `json:"state"` // unknown: nothing can be heard here, so that its silence says nothing
	Time    *time.Time `json:"time"`
	Lost    int64      `json:"lost"`
	Latency *float64   `json:"latency_seconds"`
	Summary *struct {
		State        string     `json:"state"`
		LossDeadline *time.Time `json:"loss_deadline"`
	} `json:"summary"`
}

// Config is how the configuration fares.
type Config struct {
	Problem string `json:"problem"` // of the last reload, "" when it was applied
}

// staleAfter is the age at which a report is no evidence of the present. The mirror refuses to answer with older ones itself.
const staleAfter = 30 * time.Second

// Stale returns the result of a check whose report is too old to judge by, and whether it is.
func (r *Report) Stale(check string, now time.Time) (Result, bool) {
	if r.Time == nil || now.Sub(*r.Time) < staleAfter {
		return Result{}, false
	}
	return NewResult(check, Unknown, "the mirror looked at its links "+Short(now.Sub(*r.Time))+" ago, and knows nothing newer; see its log"), true
}
