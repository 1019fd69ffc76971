package check

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxDetails bounds the lines behind the first: alerts are read on telephones.
	maxDetails = 20
	// maxText bounds one line: an error may quote what a broker said at length.
	maxText = 400
)

// Result is what one check came to. Summary and Details are each one line without control characters and without a bar,
// which would begin performance data.
type Result struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Code     int      `json:"code"` // of the severity, and of the process
	Summary  string   `json:"summary"`
	Details  []string `json:"details"`
	Perf     []Perf   `json:"perfdata"`

	// Passing says that the outcome may be another one within seconds: something is starting, or changes hands.
	Passing bool `json:"-"`
}

// Perf is one number for whoever draws graphs. An empty range is not judged.
type Perf struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // s, or "" for a count
	Warn  string  `json:"warn"`
	Crit  string  `json:"crit"`
	Min   string  `json:"min"`
}

// NewResult returns a result of a check whose texts are fit to print.
func NewResult(check string, s Severity, summary string, details ...string) Result {
	r := Result{Check: check, Severity: s, Code: int(s), Summary: line(summary), Details: []string{}, Perf: []Perf{}}
	for i, d := range details {
		if i == maxDetails {
			r.Details = append(r.Details, fmt.Sprintf("and %d more; see: mirror status", len(details)-i))
			break
		}
		r.Details = append(r.Details, line(d))
	}
	return r
}

// Text is the output of a plugin: one line with performance data, then the details.
func (r Result) Text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "MIRROR %s - %s", r.Severity, r.Summary)
	for i, p := range r.Perf {
		if i == 0 {
			out.WriteString(" |")
		}
		out.WriteString(" " + p.String())
	}
	out.WriteString("\n")
	for _, d := range r.Details {
		out.WriteString(d + "\n")
	}
	return out.String()
}

// String is label=value[unit];warn;crit;min without what is empty at the end.
func (p Perf) String() string {
	text := fmt.Sprintf("%s=%s%s;%s;%s;%s", p.Label, strconv.FormatFloat(p.Value, 'f', -1, 64), p.Unit, p.Warn, p.Crit, p.Min)
	return strings.TrimRight(text, ";")
}

// line makes one printable line of text that may come from a broker.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + " ..."
}
