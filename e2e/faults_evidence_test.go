package e2e_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/e2e/load"
)

// evidence is what a row of the catalogue showed.
type evidence struct {
	proof     []string // what shows that the fault took place, one entry for what is the same
	again     []int    // how often each was seen
	notes     []string
	compared  int64 // records, of both sides
	lost      int64
	doubled   int64
	reordered int64
	noticed   time.Duration // from the fault to the status that says so; 0 where nothing had to be noticed
	recovered time.Duration // from the end of the fault to the next record at the destination; 0 where nothing stood still
}

// fired notes what shows that the fault took place.
func (e *evidence) fired(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if i := slices.Index(e.proof, text); i >= 0 {
		e.again[i]++
		return
	}
	e.proof, e.again = append(e.proof, text), append(e.again, 1)
}

// remarks are proof and notes in one line.
func (e *evidence) remarks() string {
	var all []string
	for i, text := range e.proof {
		if e.again[i] > 1 {
			text = fmt.Sprintf("%d times %s", e.again[i], text)
		}
		all = append(all, text)
	}
	return strings.Join(append(all, e.notes...), "; ")
}

// note adds a remark to the row.
func (e *evidence) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

// exact proves that the destination of r holds exactly what its source has, and counts it.
func (e *evidence) exact(t *testing.T, r *route, reports ...load.Report) load.Result {
	t.Helper()
	return e.equal(t, []load.Source{r.source()}, r.destination(), load.Same, reports...)
}

func (e *evidence) equal(t *testing.T, from []load.Source, to load.Destination, mapping load.Mapping, reports ...load.Report) load.Result {
	t.Helper()
	result, err := load.Compare(within(t, 10*time.Minute), from, to, mapping)
	must(t, err)
	e.count(result)
	requireEqual(t, result, to, reports...)
	return result
}

// count adds what a comparison found.
func (e *evidence) count(result load.Result) {
	e.compared += result.Matched
	e.lost += result.Counts[load.Lost]
	e.doubled += result.Counts[load.Doubled]
	e.reordered += result.Counts[load.Reordered]
}

// outcome is what became of a row.
type outcome struct {
	trial
	evidence
	ran, failed, skipped bool
}

// verdict says in one word how the row ended.
func (o outcome) verdict() string {
	switch {
	case !o.ran:
		return "not run"
	case o.failed:
		return "FAILED"
	case o.skipped:
		return "skipped"
	}
	return "ok"
}

// count shows a number of records, or a dash where no records were compared.
func (o outcome) count(n int64) string {
	if o.compared == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// table is the result for people at a terminal.
func table(results []outcome) string {
	var b strings.Builder
	row := func(cells ...any) {
		fmt.Fprintf(&b, "%-4s %-8s %10s %6s %8s %10s %9s %10s  %s\n", cells...)
	}
	row("ID", "RESULT", "COMPARED", "LOST", "DOUBLED", "REORDERED", "NOTICED", "RECOVERED", "FAULT AND PROOF")
	for _, o := range results {
		if !o.ran {
			continue
		}
		row(o.id, o.verdict(), o.count(o.compared), o.count(o.lost), o.count(o.doubled), o.count(o.reordered),
			seconds(o.noticed), seconds(o.recovered), o.fault+": "+o.remarks())
	}
	return b.String()
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

const pageHead = `# Faults

What ` + "`make faults`" + ` does to the program on real brokers, and what came of it: the page is its output, on two cores that the brokers,
the generator and the checker share with the mirror. A row counts only if something proves that its fault took place, and fails on any record that is
lost, doubled, reordered or altered: source and destination are compared record by record, and with what the generator was promised. Saved positions
are sampled meanwhile; none may be ahead of what the destination has acknowledged.

` + "`make test`" + ` runs the rows marked * at a fraction of their size. One row: ` + "`FAULTS=all go test -count=1 -v -run 'TestFaults/N3$' ./e2e`" + `.

*noticed*: from the fault to a status that is not well. *recovered*: from the end of the fault to the next record at the destination.

| ID | fault | proof and remarks | result | compared | lost | doubled | reordered | noticed | recovered |
|---|---|---|---|---:|---:|---:|---:|---:|---:|
`

// page is the result as docs/faults.md. Rows that did not run keep the lines they have in the page before.
func page(results []outcome, before string) string {
	var b, others strings.Builder
	b.WriteString(pageHead)
	for _, o := range results {
		switch {
		case o.run == nil:
			fmt.Fprintf(&others, "| %s | %s | %s | %s |\n", o.id, o.fault, o.expected, o.other)
		case o.ran:
			b.WriteString(o.line())
		default:
			b.WriteString(cmp.Or(o.lineOf(before), o.line()))
		}
	}
	b.WriteString("\nShown by a test of its own, which `make faults` runs too, or not made:\n\n| ID | fault | expected | where, or why not |\n|---|---|---|---|\n")
	b.WriteString(others.String())
	return b.String()
}

// lineOf returns the row of an earlier page, "" where it is not there.
func (o outcome) lineOf(page string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| "+o.label()+" |") {
			return line
		}
	}
	return ""
}

// label is the id, marked when the row is part of make test.
func (o outcome) label() string {
	if o.fast {
		return o.id + "*"
	}
	return o.id
}

// line is the row of the page.
func (o outcome) line() string {
	return fmt.Sprintf("| %s | %s; %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", o.label(), o.fault, o.expected, o.remarks(), o.verdict(),
		o.count(o.compared), o.count(o.lost), o.count(o.doubled), o.count(o.reordered), seconds(o.noticed), seconds(o.recovered))
}
