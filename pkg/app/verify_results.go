package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tributary/pkg/verify"
)

// VerifyResults are the reports of one call of Verify, one for each destination. Their JSON only gains fields.
type VerifyResults struct {
	Comparisons []*verify.Report `json:"comparisons"`
}

// Text returns the reports for people, with one line for each at the end where there are several.
func (r VerifyResults) Text() string {
	var out strings.Builder
	for i, c := range r.Comparisons {
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(c.Text())
	}
	if len(r.Comparisons) > 1 {
		out.WriteString("\n")
		for _, c := range r.Comparisons {
			fmt.Fprintf(&out, "verdict: %-12s %s\n", c.Verdict, c.Name)
		}
	}
	return out.String()
}

// Different says whether any destination differs.
func (r VerifyResults) Different() bool { return r.any(verify.Different) }

// Inconclusive says whether any destination could not be compared in full.
func (r VerifyResults) Inconclusive() bool { return r.any(verify.Inconclusive) }

func (r VerifyResults) any(verdict verify.Verdict) bool {
	return slices.ContainsFunc(r.Comparisons, func(c *verify.Report) bool { return c.Verdict == verdict })
}

// maxResultsBytes bounds what ReadVerifyReports takes.
const maxResultsBytes = 256 << 20

// ReadVerifyReports reads what was written as JSON and checks that it does not contradict itself.
func ReadVerifyReports(from io.Reader) (VerifyResults, error) {
	var raw struct {
		Comparisons []json.RawMessage `json:"comparisons"`
	}
	if err := json.NewDecoder(io.LimitReader(from, maxResultsBytes)).Decode(&raw); err != nil {
		return VerifyResults{}, fmt.Errorf("read the report: %w; is it the output of mirror verify -o json?", err)
	}
	if len(raw.Comparisons) == 0 {
		return VerifyResults{}, errors.New("read the report: it holds no comparison; is it the output of mirror verify -o json?")
	}
	var results VerifyResults
	for _, one := range raw.Comparisons {
		report, err := verify.ReadReport(strings.NewReader(string(one)))
		if err != nil {
			return VerifyResults{}, err
		}
		results.Comparisons = append(results.Comparisons, report)
	}
	return results, nil
}
