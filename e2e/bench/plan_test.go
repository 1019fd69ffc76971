package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, args string) options {
	t.Helper()
	o, err := parseOptions(strings.Fields(args), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPlan(t *testing.T) {
	tests := []struct {
		name, args string
		want       []string
	}{
		{"turns", "-n 3 -rows 1k-lz4 -peers floor,mirror,kgo",
			[]string{"1k-lz4/floor", "1k-lz4/mirror", "1k-lz4/kgo", "1k-lz4/mirror", "1k-lz4/kgo", "1k-lz4/floor", "1k-lz4/kgo", "1k-lz4/floor", "1k-lz4/mirror"}},
		{"sarama is repeated last", "-n 2 -rows 1k-lz4,latency -peers mirror,sarama",
			[]string{"1k-lz4/mirror", "1k-lz4/sarama", "latency/mirror", "latency/sarama", "1k-lz4/mirror", "latency/sarama", "latency/mirror", "1k-lz4/sarama"}},
		{"MirrorMaker once", "-n 2 -rows 100b-none -peers mm2", []string{"100b-none/mm2"}},
		{"TLS is the mirror's alone", "-n 1 -rows tls", []string{"tls/mirror"}},
		{"no floor has a latency", "-n 1 -rows latency -peers floor,relay,kgo", []string{"latency/kgo"}},
		{"the relay does not look at data", "-n 1 -rows 1k-none,1k-zstd -peers relay", []string{"1k-none/relay"}},
		{"only", "-n 1 -only ^(ten|latency)/(mirror|kgo)$", []string{"ten/mirror", "ten/kgo", "latency/mirror", "latency/kgo"}},
		{"short leaves MirrorMaker out", "-short -rows latency", []string{"latency/mirror", "latency/kgo", "latency/sarama"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range plan(parse(t, tt.args)) {
				got = append(got, c.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestFirstRoundFitsTheBudget holds the sizes against the time that a run may take: what is in the first round is
// measured in any case.
func TestFirstRoundFitsTheBudget(t *testing.T) {
	for _, args := range []string{"-n 1", "-short"} {
		t.Run(args, func(t *testing.T) {
			o := parse(t, args)
			var total time.Duration
			for _, c := range plan(o) {
				total += c.expect(o.short)
			}
			if total > o.budget {
				t.Errorf("got %v, want at most %v", total, o.budget)
			}
			t.Logf("expected to take %v", total.Round(time.Second))
		})
	}
}

func TestClockLearns(t *testing.T) {
	k := &clock{measured: map[string]time.Duration{}}
	one := cell{Row: rowLatency, Program: programKgo, Round: 1}
	other := cell{Row: "1k-lz4", Program: programMirror, Round: 1}
	if got, want := k.expect(other), other.expect(false); got != want {
		t.Errorf("with nothing done: got %v, want %v", got, want)
	}
	k.done(one, 2*one.expect(false))
	if got, want := k.expect(other), 2*other.expect(false); got != want {
		t.Errorf("another cell: got %v, want %v", got, want)
	}
	one.Round = 2
	if got, want := k.expect(one), 2*one.expect(false); got != want {
		t.Errorf("the same cell: got %v, want %v", got, want)
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, args := range []string{
		"-n 0", "-rows nothing", "-peers nobody", "-only (", "-o xml", "-memory 7", "extra", "-unknown",
	} {
		t.Run(args, func(t *testing.T) {
			if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil {
				t.Error("got no error")
			}
		})
	}
}
