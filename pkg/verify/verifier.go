package verify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tributary/pkg/kafka"
)

// Verifier compares once.
type Verifier struct {
	cfg         Config
	log         *slog.Logger
	secret      *secret
	sourceSites []*site // by place in Config.Sources; one site per cluster
	destination *site
	progress    progress

	mu    sync.Mutex
	notes []string // guarded by mu
}

// New checks cfg. It touches no cluster.
func New(cfg Config, log *slog.Logger) (*Verifier, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", cfg.Name, err)
	}
	v := &Verifier{cfg: cfg, log: log}
	if v.secret, err = newSecret(); err != nil {
		return nil, fmt.Errorf("draw a random key: %w", err)
	}
	rate := &limiter{bytesPerSecond: cfg.RateBytes}
	known := map[*kafka.Cluster]*site{}
	at := func(c *kafka.Cluster) *site {
		if known[c] == nil {
			known[c] = &site{cluster: c, rate: rate}
		}
		return known[c]
	}
	v.destination = at(cfg.Destination)
	for _, s := range cfg.Sources {
		v.sourceSites = append(v.sourceSites, at(s.Cluster))
	}
	return v, nil
}

// sites returns every cluster once.
func (v *Verifier) sites() []*site {
	var all []*site
	for _, s := range append(slices.Clone(v.sourceSites), v.destination) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// note adds a remark to the report.
func (v *Verifier) note(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.notes = append(v.notes, text)
}

// Run compares and returns the report. It blocks until that is done or ctx ends, and may be called once. The error is one
// of asking the clusters; that something could not be compared is no error but makes the report inconclusive.
func (v *Verifier) Run(ctx context.Context) (*Report, error) {
	started := time.Now()
	units, err := v.plan(ctx)
	if err != nil {
		return nil, err
	}
	v.log.Debug("comparison planned", "units", len(units))
	if err := v.bound(ctx, units); err != nil {
		return nil, err
	}
	v.divideMemory(units)
	if err := v.align(ctx, units); err != nil {
		return nil, err
	}
	if err := v.readBoth(ctx, units); err != nil {
		return nil, err
	}
	arrived, err := v.settle(ctx, units)
	if err != nil {
		return nil, err
	}
	if err := v.readLater(ctx, units); err != nil {
		return nil, err
	}
	report := newReport(v.cfg, started)
	var all []*findings
	for _, u := range units {
		f, err := v.judge(ctx, u, arrived)
		if err != nil {
			return nil, err
		}
		report.add(u, f)
		all = append(all, f)
	}
	v.trace(all)
	if err := v.describe(ctx, all); err != nil {
		return nil, err
	}
	report.Bytes, report.Waited = v.progress.bytes.Load(), arrived.waited.Seconds()
	report.conclude(v.cfg, all, v.notes, time.Since(started))
	return report, nil
}

// bound notes what each log holds now. It is the moment the comparison is about: what the sources hold must arrive.
func (v *Verifier) bound(ctx context.Context, units []*unit) error {
	ends, err := v.ask(ctx, units, true, true, atEnd)
	if err != nil {
		return err
	}
	begins, err := v.ask(ctx, units, true, true, atStart)
	if err != nil {
		return err
	}
	from := begins
	if !v.cfg.Since.IsZero() {
		if from, err = v.ask(ctx, units, true, true, v.cfg.Since.UnixMilli()); err != nil {
			return err
		}
	}
	for _, u := range units {
		for _, l := range slices.Concat(u.sources, u.destinations) {
			l.begin, l.end = begins[l], max(begins[l], ends[l])
			l.within = span{max(from[l], l.begin), l.end}
			l.narrowed = l.within.from > l.begin
			if from[l] < 0 { // no record is that young
				l.within.from = l.end
			}
		}
	}
	return nil
}

// ask asks for an offset of each log of one side or both.
func (v *Verifier) ask(ctx context.Context, units []*unit, sources, destinations bool, at int64) (map[*log]int64, error) {
	bySite := map[*site]map[isolation][]*log{}
	for _, u := range units {
		var logs []*log
		if sources {
			logs = append(logs, u.sources...)
		}
		if destinations {
			logs = append(logs, u.destinations...)
		}
		for _, l := range logs {
			if bySite[l.site] == nil {
				bySite[l.site] = map[isolation][]*log{}
			}
			bySite[l.site][l.level] = append(bySite[l.site][l.level], l)
		}
	}
	found := map[*log]int64{}
	for s, levels := range bySite {
		for level, logs := range levels {
			var wanted []topicPartition
			for _, l := range logs {
				wanted = append(wanted, l.tp)
			}
			offsets, err := s.offsets(ctx, wanted, at, level)
			if err != nil {
				return nil, err
			}
			for _, l := range logs {
				found[l] = offsets[l.tp]
			}
		}
	}
	return found, nil
}

// cellBytes is about what one cell of a series takes, with its share of the map.
const cellBytes = 200

// divideMemory gives each log its share of the memory for sums.
func (v *Verifier) divideMemory(units []*unit) {
	logs := int64(0)
	for _, u := range units {
		logs += int64(2*len(u.sources) + len(u.destinations))
	}
	limit := int(min(16384, max(16, v.cfg.MemoryBytes/4/cellBytes/max(1, logs))))
	for _, u := range units {
		for _, l := range slices.Concat(u.sources, u.destinations) {
			l.held, l.streams = newSeries(limit), map[int64]*print128{}
			if l.source >= 0 {
				l.later = newSeries(limit)
			}
		}
	}
}
