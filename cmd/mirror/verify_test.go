package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/pkg/app"
)

func TestVerifyUsage(t *testing.T) {
	good, bad := write(t, goodConfig), write(t, badConfig)
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nothing to compare", nil, exitUsage, "name a link of the configuration, or --source and --destination"},
		{"no topics", []string{"--source", "127.0.0.1:1", "--destination", "127.0.0.1:1"}, exitUsage, "--topics"},
		{"unknown link", []string{"-c", good, "down"}, exitUsage, "its links are up"},
		{"unknown further link", []string{"-c", good, "up", "--with-link", "down"}, exitUsage, "there is no link down"},
		{"link and addresses", []string{"-c", good, "up", "--source", "127.0.0.1:1"}, exitUsage, "either a link or"},
		{"spread with a link", []string{"-c", good, "up", "--spread"}, exitUsage, "--spread and --rename go with --source"},
		{"bad configuration", []string{"-c", bad, "up"}, exitConfig, "no cluster was touched"},
		{"bad sample", []string{"-c", good, "up", "--sample", "4/3"}, exitUsage, "slice such as 1/10"},
		{"bad time", []string{"-c", good, "up", "--since", "yesterday"}, exitUsage, "an age such as 24h"},
		{"bad rate", []string{"-c", good, "up", "--max-rate", "fast"}, exitUsage, "--max-rate"},
		{"too little memory", []string{"-c", good, "up", "--memory", "1MiB"}, exitUsage, "less than 16 MiB"},
		{"since after until", []string{"-c", good, "up", "--since", "1h", "--until", "2h"}, exitUsage, "since is not before until"},
		{"bad glob", []string{"-c", good, "up", "a["}, exitUsage, "glob"},
		{"bad address", []string{"--source", "x", "--destination", "127.0.0.1:1", "--topics", "a"}, exitUsage, "x"},
		{"no report", []string{"--print", filepath.Join(t.TempDir(), "none")}, exitFailure, "open the report"},
	} {
		got := mirror(t, append([]string{"verify"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.stderr, test.stderr) {
			t.Errorf("%s: got exit code %d and %q, want %d and %q", test.name, got.code, got.stderr, test.code, test.stderr)
		}
	}
}

// A saved report is printed with the exit code that its verdict had.
func TestVerifyPrint(t *testing.T) {
	const equal = `{"name":"up","verdict":"equal","coverage_percent":100,"records":3,"destination_records":3}`
	const different = `{"name":"other","verdict":"different","coverage_percent":100,"missing":1,"topics":[{"topic":"clicks","missing":1}],
		"examples":[{"kind":"missing","source":{"cluster":"edge","topic":"clicks","partition":2,"offset":17}}]}`
	for _, test := range []struct {
		name, text string
		code       int
		want       string
	}{
		{"equal", equal, exitOK, "up: EQUAL"},
		{"different", different, exitFailure, "missing: source edge/clicks/2@17"},
		{"both", equal + "," + different, exitFailure, "verdict: different    other"},
		{"inconclusive", `{"verdict":"inconclusive","reasons":["x is y"]}`, exitInconclusive, "not compared: x is y"},
	} {
		got := mirror(t, "verify", "--print", write(t, `{"comparisons":[`+test.text+`]}`))
		if got.code != test.code || !strings.Contains(got.out, test.want) {
			t.Errorf("%s: got exit code %d and %q, want %d and %q", test.name, got.code, got.out, test.code, test.want)
		}
	}
	if got := mirror(t, "verify", "--print", write(t, `{}`)); got.code != exitFailure || !strings.Contains(got.stderr, "no comparison") {
		t.Errorf("an empty report: got %+v", got)
	}
}

func TestReadTime(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		text string
		want time.Time
	}{
		{"", time.Time{}}, {"24h", now.Add(-24 * time.Hour)}, {"2026-06-30", now.Add(-36 * time.Hour)}, {"2026-07-01T13:00:00+02:00", now.Add(-time.Hour)},
	} {
		if got, err := readTime(test.text, now); err != nil || !got.Equal(test.want) {
			t.Errorf("%q: got %v (%v), want %v", test.text, got, err, test.want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	p := app.VerifyProgress{Phase: "reading", Done: 25, Total: 100, Records: 3_000_000, Bytes: 40_000_000, Elapsed: 10 * time.Second, PhaseTime: 10 * time.Second}
	want := "up: reading  25% 3.00 M records, 300 k/s, 4.0 MB/s, 30s left"
	if got := progressLine("up", p, false); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := progressLine("up", p, true); !strings.Contains(got, "[######..................]") {
		t.Errorf("got %q, which has no bar a quarter full", got)
	}
}
