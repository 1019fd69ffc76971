package load

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Audit compares the committed records of a topic, source or destination, with
// what generators reported: every acknowledged record is there once, none that
// was aborted or refused, each with the content its seed gives, and those of
// one producer and partition in order. It needs no second cluster, so it finds
// what [Compare] cannot: that the source itself is not what was acknowledged.
//
// Records of doubtful fate may be there once or not at all. Timestamps are
// compared only where the generator did not take them from the clock. In the
// result, SourceRecords counts the acknowledged records, a difference names a
// record by the identity in its note, and Source is the index of its report.
func Audit(ctx context.Context, seeds []string, topic string, reports ...Report) (Result, error) {
	r, err := openReader(ctx, seeds, topic)
	if err != nil {
		return Result{}, err
	}
	defer r.close()
	spans, err := r.spans(ctx, readCommitted)
	if err != nil {
		return Result{}, err
	}
	a := newAudit(reports)
	for _, p := range r.partitions() {
		err := r.scan(ctx, p, spans[p], readCommitted, func(record *kgo.Record) error {
			a.see(record)
			return nil
		})
		if err != nil {
			return Result{}, fmt.Errorf("audit: %w", err)
		}
	}
	return a.verdict(), nil
}

// audit counts records by identity.
type audit struct {
	makers   []*maker // by report
	streams  map[streamKey]*stream
	digester *digester
	result   Result
}

type streamKey struct {
	producer  uint64
	partition int32
}

// stream is what one producer wrote to one partition.
type stream struct {
	report int
	fate   PartitionReport
	end    int64           // all sequences are below
	seen   []uint8         // by sequence: how often, 255 standing for more
	last   map[int32]int64 // by partition of the audited topic: the highest sequence seen
}

func newAudit(reports []Report) *audit {
	a := &audit{
		streams: map[streamKey]*stream{}, digester: newDigester(),
		result: Result{Counts: map[Kind]int64{}, AlteredFields: map[string]int64{}},
	}
	for i, report := range reports {
		a.makers = append(a.makers, newMaker(report.Shapes, report.Base, report.Fresh))
		a.result.SourceRecords += report.Acked()
		for _, producer := range report.Producers {
			for _, fate := range producer.Partitions {
				s := &stream{report: i, fate: fate, last: map[int32]int64{}}
				for _, list := range [][]Range{fate.Acked, fate.Aborted, fate.Refused, fate.Unknown} {
					if n := len(list); n > 0 {
						s.end = max(s.end, list[n-1].To)
					}
				}
				s.seen = make([]uint8, s.end)
				a.streams[streamKey{producer.Producer, fate.Partition}] = s
			}
		}
	}
	return a
}

func (a *audit) see(r *kgo.Record) {
	a.result.DestinationRecords++
	d := Difference{Source: -1, SourcePartition: -1, SourceOffset: -1, DestinationPartition: r.Partition, DestinationOffset: r.Offset}
	id, ok := identify(r)
	s := a.streams[streamKey{id.Producer, id.Partition}]
	if !ok || s == nil || id.Sequence >= s.end {
		d.Kind, d.Note = Alien, "no report names it"
		a.result.count(d)
		return
	}
	d.Source, d.SourcePartition, d.Note = s.report, id.Partition, id.String()
	if s.seen[id.Sequence] < 255 {
		s.seen[id.Sequence]++
	}
	if s.seen[id.Sequence] > 1 {
		d.Kind = Doubled
		a.result.count(d)
		return
	}
	a.result.Matched++
	if last, ok := s.last[r.Partition]; ok && id.Sequence < last {
		d.Kind = Reordered
		a.result.count(d)
	} else {
		s.last[r.Partition] = id.Sequence
	}
	if d.Fields = a.altered(r, id, a.makers[s.report]); len(d.Fields) > 0 {
		d.Kind = Altered
		a.result.count(d)
	}
}

// altered names the parts in which a record is not what its identity says.
func (a *audit) altered(r *kgo.Record, id Identity, m *maker) []string {
	want := m.record(id)
	if m.fresh {
		want.Timestamp = r.Timestamp
	}
	wantPrint, wantParts := a.digester.digest(want)
	print, parts := a.digester.digest(r)
	if print == wantPrint {
		return nil
	}
	return parts.differing(wantParts)
}

// verdict finds what is missing and what should not be there.
func (a *audit) verdict() Result {
	for key, s := range a.streams {
		check := func(list []Range, kind Kind, present bool, note string) {
			for _, run := range list {
				for sequence := run.From; sequence < run.To; sequence++ {
					if (s.seen[sequence] > 0) != present {
						continue
					}
					id := Identity{Producer: key.producer, Partition: key.partition, Sequence: sequence}
					a.result.count(Difference{
						Kind: kind, Source: s.report, SourcePartition: key.partition, SourceOffset: -1,
						DestinationPartition: -1, DestinationOffset: -1, Note: note + id.String(),
					})
				}
			}
		}
		check(s.fate.Acked, Lost, false, "acknowledged ")
		check(s.fate.Aborted, Alien, true, "aborted ")
		check(s.fate.Refused, Alien, true, "refused ")
	}
	return a.result
}
