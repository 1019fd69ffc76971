package main

import "time"

// measurement is what one run of one program on one row showed. Figures that the run does not have are 0.
type measurement struct {
	Row     string `json:"row"`
	Program string `json:"program"`
	Round   int    `json:"round"`

	FirstRecord float64 `json:"first_record_seconds,omitempty"` // from the start of the process
	Seconds     float64 `json:"seconds,omitempty"`              // from there to the last record
	MBps        float64 `json:"mb_per_second,omitempty"`        // of values, in the steady window

	// CPU seconds of the process per 1e9 bytes. Value: of uncompressed values; Wire: of batches as they are at the
	// source. Steady: while 25 to 95 % of the records arrived; Copy: from the first record to the last; Whole: from the
	// start of the process to the last record.
	SteadyValueCPU float64 `json:"cpu_per_value_gb,omitempty"`
	SteadyWireCPU  float64 `json:"cpu_per_wire_gb,omitempty"`
	CopyValueCPU   float64 `json:"copy_cpu_per_value_gb,omitempty"`
	CopyWireCPU    float64 `json:"copy_cpu_per_wire_gb,omitempty"`
	WholeValueCPU  float64 `json:"whole_cpu_per_value_gb,omitempty"`
	WholeWireCPU   float64 `json:"whole_cpu_per_wire_gb,omitempty"`
	BrokerCPU      float64 `json:"destination_broker_cpu_per_value_gb,omitempty"` // steady

	PeakRSSBytes   int64 `json:"peak_rss_bytes,omitempty"`
	LogBytes       int64 `json:"destination_log_bytes,omitempty"`
	SourceLogBytes int64 `json:"source_log_bytes,omitempty"`
	BatchBytes     int   `json:"median_batch_bytes,omitempty"` // at the destination; of the row of tiny batches alone

	Parts []part `json:"parts,omitempty"` // of a floor

	// From the moment the source let a consumer see a record to the moment the destination did.
	P50Millis  float64 `json:"p50_ms,omitempty"`
	P99Millis  float64 `json:"p99_ms,omitempty"`
	CPUPercent float64 `json:"cpu_percent,omitempty"` // of a core, at that rate
	Samples    int     `json:"samples,omitempty"`
}

// part is what one part of a floor cost, as the peer reports it.
type part struct {
	Name       string  `json:"name"`
	Bytes      int64   `json:"bytes"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Seconds    float64 `json:"seconds"`
}

// progress is how far a program had come, and what it had used.
type progress struct {
	at      time.Duration // since the start of the process
	records int64
	cpu     time.Duration // of the program
	broker  time.Duration // of the destination's broker
}

// The steady window, as shares of the records: before it a program warms up, behind it partitions run dry.
const (
	steadyFrom = 0.25
	steadyTo   = 0.95
)

// steady returns the samples that bound the steady window; ok is false when there are too few.
func steady(samples []progress, records int64) (from, to progress, ok bool) {
	for _, s := range samples {
		share := float64(s.records) / float64(records)
		if share >= steadyFrom && from.records == 0 {
			from = s
		}
		if share >= steadyTo && to.records == 0 {
			to = s
		}
	}
	return from, to, to.records > from.records && to.at > from.at
}

// firstAndBefore returns the first sample that has records, and the last one that has none.
func firstAndBefore(samples []progress) (first, before progress) {
	for _, s := range samples {
		if s.records > 0 {
			return s, before
		}
		before = s
	}
	return first, before
}

// fillIn computes the costs from the samples of a drain; the last one has all records.
func (m *measurement) fillIn(row filled, samples []progress) {
	const gb = 1e9
	values, wire := float64(row.TotalBytes)/gb, float64(row.LogBytes)/gb
	last := samples[len(samples)-1]
	first, before := firstAndBefore(samples)
	m.FirstRecord = first.at.Seconds()
	m.Seconds = (last.at - first.at).Seconds()
	m.WholeValueCPU = last.cpu.Seconds() / values
	m.WholeWireCPU = last.cpu.Seconds() / wire
	m.CopyValueCPU = (last.cpu - before.cpu).Seconds() / values
	m.CopyWireCPU = (last.cpu - before.cpu).Seconds() / wire
	m.SourceLogBytes = row.LogBytes
	from, to, ok := steady(samples, row.Records)
	if !ok { // all arrived within two samples: the whole run is all there is
		from, to = progress{}, last
	}
	share := float64(to.records-from.records) / float64(row.Records)
	m.MBps = share * float64(row.TotalBytes) / 1e6 / (to.at - from.at).Seconds()
	m.SteadyValueCPU = (to.cpu - from.cpu).Seconds() / (share * values)
	m.SteadyWireCPU = (to.cpu - from.cpu).Seconds() / (share * wire)
	m.BrokerCPU = (to.broker - from.broker).Seconds() / (share * values)
}
