package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// faultsEnv selects rows of the catalogue of faults: all of them at their whole size, or some by their ids with commas
// between. Without it the fast ones run. What is not all of them runs at a fraction of its size.
const faultsEnv = "FAULTS"

// pagePath is where the whole sizes leave their result.
const pagePath = "../docs/faults.md"

// trial is one row of the catalogue of faults.
type trial struct {
	id       string
	fault    string // what happens
	expected string // what must be true then
	fast     bool   // part of make test

	run   func(t *testing.T, e *evidence) // nil: not made by this test
	other string                          // the test that shows it instead, or else why it is not made
}

// Every fault of the catalogue that these machines can make is made, is shown to have taken place, and loses, doubles and
// reorders nothing.
func TestFaults(t *testing.T) {
	var results []outcome
	for _, row := range catalogue() {
		if row.run == nil || !row.selected() {
			results = append(results, outcome{trial: row})
			continue
		}
		o := outcome{trial: row}
		t.Run(row.id, func(t *testing.T) {
			defer func() { o.ran, o.failed, o.skipped = true, t.Failed(), t.Skipped() }()
			row.run(t, &o.evidence)
			if len(o.proof) == 0 {
				t.Error("nothing shows that the fault took place")
			}
		})
		results = append(results, o)
	}
	t.Logf("\n%s", table(results))
	if everyFault() {
		before, err := os.ReadFile(pagePath)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		must(t, os.WriteFile(pagePath, []byte(page(results, string(before))), 0o644))
	}
}

// The catalogue has every row of the design: each with a name of its own, and either made or accounted for.
func TestFaultsAreComplete(t *testing.T) {
	var want []string
	for group, last := range map[string]int{"E": 20, "R": 20, "M": 9, "N": 7, "C": 2, "Z": 7} {
		for i := range last {
			want = append(want, fmt.Sprint(group, i+1))
		}
	}
	rows := map[string]trial{}
	for _, row := range catalogue() {
		if _, twice := rows[row.id]; twice {
			t.Errorf("%s is there twice", row.id)
		}
		if (row.run == nil) == (row.other == "") || row.fault == "" || row.expected == "" {
			t.Errorf("%s: got %+v, want what happens, what is expected, and either how it is made or where", row.id, row)
		}
		rows[row.id] = row
	}
	for _, id := range want {
		if _, there := rows[id]; !there {
			t.Errorf("%s is missing", id)
		}
	}
}

func everyFault() bool { return os.Getenv(faultsEnv) == "all" }

func (row trial) selected() bool {
	wanted := os.Getenv(faultsEnv)
	return wanted == "all" || wanted == "" && row.fast || slices.Contains(strings.Split(wanted, ","), row.id)
}

// whole returns the small number in make test, the large one in make faults.
func whole[T any](small, large T) T {
	if everyFault() {
		return large
	}
	return small
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
