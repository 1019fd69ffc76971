package load

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Source is a topic that is mirrored.
type Source struct {
	Seeds []string
	Topic string
}

// Destination is the topic that one or more sources are mirrored into.
type Destination struct {
	Seeds []string
	Topic string
}

// Mapping says which destination partition a source record may be in, after the
// mirror's setting of the same name.
type Mapping int

const (
	// Same maps source partition p to destination partition p. Records that
	// carry no identity are compared by position and content.
	Same Mapping = iota
	// Spread maps each source partition to one destination partition, whichever.
	Spread
	// Key maps each record by the murmur2 hash of its key, as the Java client
	// does; records with a null key may be anywhere.
	Key
)

// Compare proves that the destination holds exactly the committed records of
// the sources: each once, none else, with the same key, value, headers and
// timestamp, and those of one source partition in order (per destination
// partition, where [Key] deals them out).
//
// It first notes the end of every source, then that of the destination, then
// again that of the sources: what is below the first must be found, what is
// between first and last may be. So the mirror may be running, but must have
// copied what the sources held when Compare was called.
//
// Sources are read as a consumer of committed data reads them; the destination
// is read with everything in it. Memory: about 60 bytes for each source record.
// Where several sources share a destination, records without an identity are
// told apart by content only.
func Compare(ctx context.Context, sources []Source, destination Destination, mapping Mapping) (Result, error) {
	if len(sources) == 0 || mapping < Same || mapping > Key {
		return Result{}, errors.New("compare: no source, or unknown mapping")
	}
	readers := make([]*reader, len(sources))
	for i, s := range sources {
		r, err := openReader(ctx, s.Seeds, s.Topic)
		if err != nil {
			return Result{}, fmt.Errorf("open source %d: %w", i, err)
		}
		defer r.close()
		readers[i] = r
	}
	target, err := openReader(ctx, destination.Seeds, destination.Topic)
	if err != nil {
		return Result{}, fmt.Errorf("open destination: %w", err)
	}
	defer target.close()

	required, err := sourceSpans(ctx, readers)
	if err != nil {
		return Result{}, err
	}
	copied, err := target.spans(ctx, readUncommitted)
	if err != nil {
		return Result{}, fmt.Errorf("destination: %w", err)
	}
	allowed, err := sourceSpans(ctx, readers)
	if err != nil {
		return Result{}, err
	}
	digester := newDigester()
	ledger, err := readSources(ctx, readers, allowed, required, digester)
	if err != nil {
		return Result{}, err
	}
	return judgeDestination(ctx, target, copied, newJudge(ledger, mapping, int32(len(copied)), digester))
}

func sourceSpans(ctx context.Context, readers []*reader) ([]map[int32]span, error) {
	all := make([]map[int32]span, len(readers))
	for i, r := range readers {
		spans, err := r.spans(ctx, readCommitted)
		if err != nil {
			return nil, fmt.Errorf("source %d: %w", i, err)
		}
		all[i] = spans
	}
	return all, nil
}

// readSources enters the sources' records into a ledger. A partition that
// appeared after required was noted has nothing required in it.
func readSources(ctx context.Context, readers []*reader, allowed, required []map[int32]span, d *digester) (*ledger, error) {
	l := &ledger{}
	var rows int64
	for _, spans := range allowed {
		for _, s := range spans {
			rows += s.to - s.from
		}
	}
	l.reserve(rows)
	for i, r := range readers {
		for _, p := range r.partitions() {
			if err := l.read(ctx, r, i, p, allowed[i][p], required[i][p].to, d); err != nil {
				return nil, err
			}
		}
	}
	l.index()
	return l, nil
}

func judgeDestination(ctx context.Context, r *reader, copied map[int32]span, j *judge) (Result, error) {
	for _, p := range r.partitions() {
		j.open(p)
		err := r.scan(ctx, p, copied[p], readUncommitted, func(record *kgo.Record) error {
			j.see(record)
			return nil
		})
		if err != nil {
			return Result{}, fmt.Errorf("read destination: %w", err)
		}
	}
	return j.verdict(), nil
}
