package main

import (
	"cmp"
	"slices"
)

// report is everything that one run of the benchmark found.
type report struct {
	Machine      machine       `json:"machine"`
	Command      string        `json:"command"`
	MemoryMiB    int           `json:"memory_mib"` // the mirror's budget
	Topics       []topicFacts  `json:"topics"`
	Measurements []measurement `json:"measurements"`
	Summaries    []summary     `json:"summaries"`
	Claims       []claim       `json:"claims"`
}

// topicFacts are what a source topic holds.
type topicFacts struct {
	Row        string `json:"row"`
	Records    int64  `json:"records"`
	ValueBytes int64  `json:"value_bytes"`
	LogBytes   int64  `json:"log_bytes"`
}

// summary is all runs of one program on one row: the least of costs, the median of the rest, the peak of memory.
type summary struct {
	Row     string `json:"row"`
	Program string `json:"program"`
	Runs    int    `json:"runs"`

	MBps          float64 `json:"mb_per_second"`
	ValueCPU      float64 `json:"cpu_per_value_gb"` // steady, least
	WireCPU       float64 `json:"cpu_per_wire_gb"`
	MedianCPU     float64 `json:"median_cpu_per_value_gb"`
	MedianWireCPU float64 `json:"median_cpu_per_wire_gb"`
	CopyCPU       float64 `json:"copy_cpu_per_value_gb"` // first record to last, least
	CopyWireCPU   float64 `json:"copy_cpu_per_wire_gb"`
	WholeCPU      float64 `json:"whole_cpu_per_value_gb"` // least
	WholeWireCPU  float64 `json:"whole_cpu_per_wire_gb"`
	BrokerCPU     float64 `json:"destination_broker_cpu_per_value_gb"`

	PeakRSSBytes   int64 `json:"peak_rss_bytes"`
	LogBytes       int64 `json:"destination_log_bytes"` // most
	SourceLogBytes int64 `json:"source_log_bytes"`
	BatchBytes     int   `json:"median_batch_bytes"` // least

	P50Millis  float64 `json:"p50_ms"`
	P99Millis  float64 `json:"p99_ms"`
	CPUPercent float64 `json:"cpu_percent"`
}

// valueCPU and wireCPU are what bounds hold the mirror to: the higher of the steady window and the whole copy. What it has
// read ahead when the window begins, up to its budget, would else count for nothing.
func (s summary) valueCPU() float64 { return max(s.ValueCPU, s.CopyCPU) }
func (s summary) wireCPU() float64  { return max(s.WireCPU, s.CopyWireCPU) }

func newReport(m machine, o options, topics []filled, measured []measurement) report {
	r := report{Machine: m, Command: o.command, MemoryMiB: o.memory, Measurements: measured, Summaries: summarise(measured)}
	for _, t := range topics {
		r.Topics = append(r.Topics, topicFacts{Row: t.Name, Records: t.Records, ValueBytes: t.TotalBytes, LogBytes: t.LogBytes})
	}
	r.Claims = checkClaims(r)
	return r
}

// missed says whether a bound was measured and does not hold.
func (r report) missed() bool {
	return slices.ContainsFunc(r.Claims, func(c claim) bool { return c.Verdict == verdictMissed })
}

// find returns the summary of one program on one row.
func (r report) find(row, program string) (summary, bool) {
	i := slices.IndexFunc(r.Summaries, func(s summary) bool { return s.Row == row && s.Program == program })
	if i < 0 {
		return summary{}, false
	}
	return r.Summaries[i], true
}

// summarise groups by row and program, in the order of the tables.
func summarise(measured []measurement) []summary {
	var all []summary
	for _, row := range rowNames() {
		for _, program := range programNames() {
			runs := slices.Collect(func(yield func(measurement) bool) {
				for _, m := range measured {
					if m.Row == row && m.Program == program && !yield(m) {
						return
					}
				}
			})
			if len(runs) > 0 {
				all = append(all, summariseRuns(runs))
			}
		}
	}
	return all
}

func summariseRuns(runs []measurement) summary {
	floats := func(value func(measurement) float64) []float64 { return sorted(runs, value) }
	least := func(value func(measurement) float64) float64 { return floats(value)[0] }
	median := func(value func(measurement) float64) float64 { return middle(floats(value)) }
	sizes := func(value func(measurement) int64) []int64 { return sorted(runs, value) }
	most := func(value func(measurement) int64) int64 { return sizes(value)[len(runs)-1] }
	return summary{
		Row: runs[0].Row, Program: runs[0].Program, Runs: len(runs),
		MBps:           median(func(m measurement) float64 { return m.MBps }),
		ValueCPU:       least(func(m measurement) float64 { return m.SteadyValueCPU }),
		WireCPU:        least(func(m measurement) float64 { return m.SteadyWireCPU }),
		MedianCPU:      median(func(m measurement) float64 { return m.SteadyValueCPU }),
		MedianWireCPU:  median(func(m measurement) float64 { return m.SteadyWireCPU }),
		CopyCPU:        least(func(m measurement) float64 { return m.CopyValueCPU }),
		CopyWireCPU:    least(func(m measurement) float64 { return m.CopyWireCPU }),
		WholeCPU:       least(func(m measurement) float64 { return m.WholeValueCPU }),
		WholeWireCPU:   least(func(m measurement) float64 { return m.WholeWireCPU }),
		BrokerCPU:      median(func(m measurement) float64 { return m.BrokerCPU }),
		PeakRSSBytes:   most(func(m measurement) int64 { return m.PeakRSSBytes }),
		LogBytes:       most(func(m measurement) int64 { return m.LogBytes }),
		SourceLogBytes: most(func(m measurement) int64 { return m.SourceLogBytes }),
		BatchBytes:     int(sizes(func(m measurement) int64 { return int64(m.BatchBytes) })[0]),
		P50Millis:      median(func(m measurement) float64 { return m.P50Millis }),
		P99Millis:      median(func(m measurement) float64 { return m.P99Millis }),
		CPUPercent:     median(func(m measurement) float64 { return m.CPUPercent }),
	}
}

func sorted[T cmp.Ordered](runs []measurement, value func(measurement) T) []T {
	values := make([]T, len(runs))
	for i, m := range runs {
		values[i] = value(m)
	}
	slices.Sort(values)
	return values
}

// middle returns the median of sorted values.
func middle(values []float64) float64 {
	upper := len(values) / 2
	if len(values)%2 == 1 {
		return values[upper]
	}
	return (values[upper-1] + values[upper]) / 2
}
