package verify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Verdict is the result of a comparison.
type Verdict string

// The verdicts.
const (
	// Equal: all that was asked for was compared, and nothing differs.
	Equal Verdict = "equal"
	// Different: what differs is named.
	Different Verdict = "different"
	// Inconclusive: nothing differs in what could be compared, but that was not all that was asked for.
	Inconclusive Verdict = "inconclusive"
)

// Kind is what is wrong with a record.
type Kind string

// The kinds of findings.
const (
	Missing   Kind = "missing"   // a source holds it, the destination does not
	Duplicate Kind = "duplicate" // the destination holds it more often than the sources
	Reordered Kind = "reordered" // it stands at another place than at its source
	Altered   Kind = "altered"   // a field differs
	Alien     Kind = "alien"     // the destination holds it, no source does
	Pending   Kind = "pending"   // a source holds it, the mirror has not got to it yet: not a fault
)

// Kinds returns the kinds in the order in which they are shown.
func Kinds() []Kind { return []Kind{Missing, Duplicate, Reordered, Altered, Alien, Pending} }

// Counts are numbers of records.
type Counts struct {
	Missing   int64 `json:"missing"`
	Duplicate int64 `json:"duplicate"`
	Reordered int64 `json:"reordered"`
	Altered   int64 `json:"altered"`
	Alien     int64 `json:"alien"`
	Pending   int64 `json:"pending"`
}

func (c *Counts) count(k Kind) *int64 {
	switch k {
	case Missing:
		return &c.Missing
	case Duplicate:
		return &c.Duplicate
	case Reordered:
		return &c.Reordered
	case Altered:
		return &c.Altered
	case Pending:
		return &c.Pending
	}
	return &c.Alien
}

// Of returns the number of one kind.
func (c Counts) Of(k Kind) int64 { return *c.count(k) }

// Differences is the number of records that are not as they must be.
func (c Counts) Differences() int64 {
	return c.Missing + c.Duplicate + c.Reordered + c.Altered + c.Alien
}

func (c *Counts) add(o Counts) {
	for _, k := range Kinds() {
		*c.count(k) += o.Of(k)
	}
}

// Place is where a record is.
type Place struct {
	Cluster   string `json:"cluster"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// String returns cluster/topic/partition@offset.
func (p Place) String() string {
	return fmt.Sprintf("%s/%s/%d@%d", p.Cluster, p.Topic, p.Partition, p.Offset)
}

// Finding is one record that is not as it must be.
type Finding struct {
	Kind        Kind      `json:"kind"`
	Source      *Place    `json:"source,omitempty"`      // where it comes from
	Destination *Place    `json:"destination,omitempty"` // where it is
	Timestamp   time.Time `json:"timestamp,omitzero"`    // of the record; zero where it has none
	Field       string    `json:"field,omitempty"`       // of an altered record, what differs
	Note        string    `json:"note,omitempty"`
}

// TopicReport is what was compared of one topic of the destination.
type TopicReport struct {
	Topic   string `json:"topic"`
	Records int64  `json:"records"` // at the sources
	Counts
}

// Report is the result of a comparison. Fields are added, never changed.
type Report struct {
	Name        string  `json:"name"`
	Verdict     Verdict `json:"verdict"`
	Sample      string  `json:"sample,omitempty"` // e.g. "1/10": only that slice of the partitions was asked for
	Records     int64   `json:"records"`          // of the sources that were compared
	RecordBytes int64   `json:"record_bytes"`     // their keys, values and headers
	Destination int64   `json:"destination_records"`
	// Coverage is the share of what was asked for that was compared, in percent.
	Coverage float64 `json:"coverage_percent"`
	Counts
	Topics   []TopicReport `json:"topics"`
	Examples []Finding     `json:"examples"` // up to 20 of each kind
	Reasons  []string      `json:"reasons"`  // why the result is inconclusive
	Notes    []string      `json:"notes"`

	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Waited  float64   `json:"waited_seconds"` // of them, until the destination had what the sources held at the start
	Bytes   int64     `json:"read_bytes"`     // from both sides
	// PeakMemory is the greatest resident size of this process so far, in bytes; 0 where that is not known.
	PeakMemory int64 `json:"peak_memory_bytes"`

	lost int64 // records asked for that were not compared
}

// maxExamples is how many findings of each kind are shown.
const maxExamples = 20

func newReport(cfg Config, started time.Time) *Report {
	r := &Report{Name: cfg.Name, Started: started.UTC(), Topics: []TopicReport{}, Examples: []Finding{}, Reasons: []string{}, Notes: []string{}}
	if cfg.Slices > 0 {
		r.Sample = fmt.Sprintf("%d/%d", cfg.Slice, cfg.Slices)
	}
	return r
}

// add takes in what was found out about a unit.
func (r *Report) add(u *unit, f *findings) {
	if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != u.topic {
		r.Topics = append(r.Topics, TopicReport{Topic: u.topic})
	}
	t := &r.Topics[len(r.Topics)-1]
	t.add(f.counts)
	for _, l := range u.sources {
		total := l.held.total
		t.Records += total.records
		r.Records += total.records
		r.RecordBytes += total.bytes
		if gone := l.within.from - l.begin; gone > 0 && u.since == math.MinInt64 && l.begin+gone <= l.end && !l.narrowed {
			r.lost += gone
			r.Reasons = append(r.Reasons, fmt.Sprintf("the first %d offsets of %s were not compared: the destination does not hold them (any more)", gone, l.place(l.begin)))
		}
		if u.since > math.MinInt64 && l.skipped > 0 {
			r.lost += l.skipped
			r.Reasons = append(r.Reasons, fmt.Sprintf("%d records of %s were not compared: they are older than %s, up to which retention has deleted records of other logs",
				l.skipped, l.place(l.begin), stamp(u.since).Format(time.RFC3339)))
		}
	}
	for _, l := range u.destinations {
		r.Destination += l.held.total.records
		if gone := l.within.from - l.begin; gone > 0 && !l.narrowed {
			r.Notes = append(r.Notes, fmt.Sprintf("the first %d offsets of %s are older than what the source still holds", gone, l.place(l.begin)))
		}
	}
	for _, l := range slices.Concat(u.sources, u.destinations) {
		for _, c := range l.corrupt {
			r.lost += c.last - c.base + 1
			r.Reasons = append(r.Reasons, fmt.Sprintf("%s/%s: %v", l.site.cluster.Name(), l.tp, c))
		}
		if l.overrun != nil {
			r.lost++
			r.Reasons = append(r.Reasons, fmt.Sprintf("%s/%s: %v", l.site.cluster.Name(), l.tp, l.overrun))
		}
	}
	if f.counts.Pending > 0 {
		r.lost += f.counts.Pending
		r.Reasons = append(r.Reasons, fmt.Sprintf("%d records of %s have not arrived yet: %s", f.counts.Pending, u.topic, f.pendings))
	}
	r.Notes = append(r.Notes, u.notes...)
}

// stamp returns the time of a timestamp in milliseconds, zero for none.
func stamp(millis int64) time.Time {
	if millis == noTimestamp {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// conclude sums up.
func (r *Report) conclude(cfg Config, all []*findings, notes []string, took time.Duration) {
	shown := map[Kind]int{}
	for _, f := range all {
		r.Counts.add(f.counts)
		slices.SortFunc(f.items, compareItems)
		for _, i := range f.items {
			if shown[i.kind]++; shown[i.kind] <= maxExamples {
				r.Examples = append(r.Examples, i.finding())
			}
		}
	}
	slices.SortStableFunc(r.Examples, func(a, b Finding) int {
		return slices.Index(Kinds(), a.Kind) - slices.Index(Kinds(), b.Kind)
	})
	r.Notes = append(r.Notes, notes...)
	if r.Sample != "" {
		r.Notes = append(r.Notes, "this is a sample: the partitions of the other slices were not read")
	}
	r.Coverage = 100
	if asked := r.Records + r.lost; r.lost > 0 && asked > 0 {
		r.Coverage = min(99.99, 100*float64(max(0, r.Records-r.unseen()))/float64(asked))
	}
	switch {
	case r.Differences() > 0:
		r.Verdict = Different
	case r.lost > 0 || len(r.Reasons) > 0:
		r.Verdict = Inconclusive
	default:
		r.Verdict = Equal
	}
	r.Seconds = took.Seconds()
	r.PeakMemory = peakMemory()
	if len(cfg.Sources) == 1 && r.Alien > 0 {
		r.Notes = append(r.Notes, "if other links write into the same topics, name them too with --with-link")
	}
}

// unseen are records that were read at the source but that say nothing as long as they have not arrived.
func (r *Report) unseen() int64 { return r.Pending }

// compareItems orders findings by where they are: at the source if it is known there, else at the destination.
func compareItems(a, b *item) int {
	log, offset := a.where()
	otherLog, otherOffset := b.where()
	return cmp.Or(cmp.Compare(log, otherLog), cmp.Compare(offset, otherOffset), cmp.Compare(a.at, b.at))
}

func (i *item) where() (log int, offset int64) {
	if i.source != nil {
		return i.source.number, i.sourceAt
	}
	return i.destination.number, i.at
}

func (i *item) finding() Finding {
	f := Finding{Kind: i.kind, Field: i.field, Note: i.note, Timestamp: stamp(i.row.timestamp)}
	if i.source != nil {
		f.Source = &Place{i.source.site.cluster.Name(), i.source.tp.topic, i.source.tp.partition, i.sourceAt}
	}
	if i.destination != nil {
		f.Destination = &Place{i.destination.site.cluster.Name(), i.destination.tp.topic, i.destination.tp.partition, i.at}
	}
	return f
}
