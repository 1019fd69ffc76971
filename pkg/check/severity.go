package check

import "slices"

// Severity is the outcome of a check. Its number is the exit code of a Nagios plugin.
type Severity int

// The severities. Unknown says that nothing can be said: it is no better than a warning.
const (
	OK       Severity = 0
	Warning  Severity = 1
	Critical Severity = 2
	Unknown  Severity = 3
)

// String returns the word that Nagios has for it.
func (s Severity) String() string {
	switch s {
	case OK:
		return "OK"
	case Warning:
		return "WARNING"
	case Critical:
		return "CRITICAL"
	}
	return "UNKNOWN"
}

// rank orders severities by what deserves attention first.
func (s Severity) rank() int { return slices.Index([]Severity{OK, Warning, Unknown, Critical}, s) }

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Worst returns the severity of the worst of several results.
func Worst(results ...Result) Severity {
	worst := OK
	for _, r := range results {
		if r.Severity.rank() > worst.rank() {
			worst = r.Severity
		}
	}
	return worst
}
