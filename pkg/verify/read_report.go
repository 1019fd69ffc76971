package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxReportBytes bounds what ReadReport takes: examples are few, but topics may be many.
const maxReportBytes = 64 << 20

// ReadReport reads a report that was written as JSON, and refuses what contradicts itself.
func ReadReport(from io.Reader) (*Report, error) {
	in := json.NewDecoder(io.LimitReader(from, maxReportBytes))
	var r Report
	if err := in.Decode(&r); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var sum Counts
	for _, t := range r.Topics {
		sum.add(t.Counts)
	}
	switch {
	case !slices.Contains([]Verdict{Equal, Different, Inconclusive}, r.Verdict):
		return nil, fmt.Errorf("read report: unknown verdict %q", r.Verdict)
	case sum != r.Counts:
		return nil, errors.New("read report: the topics do not add up to the total")
	case (r.Differences() > 0) != (r.Verdict == Different), r.Verdict == Equal && (r.Coverage < 100 || len(r.Reasons) > 0):
		return nil, fmt.Errorf("read report: the verdict %q contradicts the counts", r.Verdict)
	}
	for _, f := range r.Examples {
		if !slices.Contains(Kinds(), f.Kind) || f.Source == nil && f.Destination == nil {
			return nil, fmt.Errorf("read report: an example of kind %q names no record", shorten(string(f.Kind)))
		}
	}
	return &r, nil
}

func shorten(text string) string {
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}
