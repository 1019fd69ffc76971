package main

import (
	"strings"
	"testing"
)

// goodReport is one in which every bound holds, each just so.
func goodReport() report {
	r := report{MemoryMiB: 64}
	add := func(s summary) { s.Runs = 1; r.Summaries = append(r.Summaries, s) }
	for _, b := range ratioBounds() {
		add(summary{Row: b.row, Program: programMirror, ValueCPU: 1, WireCPU: 1.4, PeakRSSBytes: 112 << 20, LogBytes: 10, SourceLogBytes: 10, MBps: 1})
		add(summary{Row: b.row, Program: programFloor, WireCPU: 1})
		add(summary{Row: b.row, Program: programDefault, ValueCPU: b.mirrorMaker, MBps: 1})
		add(summary{Row: b.row, Program: programKgo, ValueCPU: b.kgoLoop, MBps: 1})
	}
	for _, row := range []string{"100b-lz4", "100b-zstd"} {
		add(summary{Row: row, Program: programMirror, LogBytes: 10, SourceLogBytes: 10, MBps: 1})
	}
	add(summary{Row: rowTiny, Program: programMirror, WholeWireCPU: 3, BatchBytes: 16 << 10, LogBytes: 9, SourceLogBytes: 10, MBps: 1})
	add(summary{Row: rowTiny, Program: programFloor, WireCPU: 3})
	add(summary{Row: rowTLS, Program: programMirror, WireCPU: 2.4, MBps: 1})
	add(summary{Row: rowLatency, Program: programMirror, P50Millis: 2})
	for _, peer := range []string{programKgo, programSarama, programDefault, programTuned} {
		add(summary{Row: rowLatency, Program: peer, P50Millis: 2.1})
	}
	return r
}

func TestClaimsHold(t *testing.T) {
	for _, c := range checkClaims(goodReport()) {
		if c.Verdict != verdictHolds {
			t.Errorf("%s: got %s (%s), want %s", c.Text, c.Verdict, c.Got, verdictHolds)
		}
	}
}

func TestClaimsAreMissed(t *testing.T) {
	tests := []struct {
		name, row, program string
		spoil              func(*summary)
		want               string // in the text of the one claim missed
	}{
		{"floor", "1k-none", programFloor, func(s *summary) { s.WireCPU = 0.99 }, "1 KiB, none: CPU per wire GB"},
		{"floor by reading ahead", "1k-zstd", programMirror, func(s *summary) { s.CopyWireCPU = 1.41 }, "1 KiB, zstd: CPU per wire GB"},
		{"MirrorMaker", "1k-lz4", programDefault, func(s *summary) { s.ValueCPU = 59 }, "1/60 of MirrorMaker 2, default"},
		{"loop", "100b-none", programKgo, func(s *summary) { s.ValueCPU = 5.9 }, "1/6 of franz-go"},
		{"memory", "1k-zstd", programMirror, func(s *summary) { s.PeakRSSBytes++ }, "peak RSS"},
		{"log", "100b-zstd", programMirror, func(s *summary) { s.LogBytes = 11 }, "100 B, zstd: the destination's log"},
		{"latency of a peer", rowLatency, programSarama, func(s *summary) { s.P50Millis = 2 }, "below that of sarama"},
		{"batches", rowTiny, programMirror, func(s *summary) { s.BatchBytes-- }, "batches of ten records are merged"},
		{"raw", rowTiny, programMirror, func(s *summary) { s.WholeWireCPU = 3.1 }, "than forwarding them raw"},
		{"TLS", rowTLS, programMirror, func(s *summary) { s.WireCPU = 2.5 }, "TLS on both legs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := goodReport()
			for i := range r.Summaries {
				if s := &r.Summaries[i]; s.Row == tt.row && s.Program == tt.program {
					tt.spoil(s)
				}
			}
			var missed []string
			r.Claims = checkClaims(r)
			for _, c := range r.Claims {
				if c.Verdict == verdictMissed {
					missed = append(missed, c.Text)
				}
			}
			if len(missed) != 1 || !strings.Contains(missed[0], tt.want) {
				t.Errorf("got %q missed, want one with %q", missed, tt.want)
			}
			if !r.missed() {
				t.Error("the report does not say that a bound is missed")
			}
		})
	}
}

func TestClaimsOfNothingAreUnknown(t *testing.T) {
	for _, c := range checkClaims(report{}) {
		if c.Verdict != verdictUnknown {
			t.Errorf("%s: got %s, want %s", c.Text, c.Verdict, verdictUnknown)
		}
	}
}

func TestSummarise(t *testing.T) {
	run := func(cpu, mbps float64, rss int64) measurement {
		return measurement{Row: "1k-none", Program: programMirror, SteadyValueCPU: cpu, MBps: mbps, PeakRSSBytes: rss}
	}
	got := summarise([]measurement{
		run(0.5, 300, 10), {Row: "1k-none", Program: programKgo, SteadyValueCPU: 2}, run(0.9, 100, 30), run(0.7, 200, 20),
	})
	if len(got) != 2 {
		t.Fatalf("got %d summaries, want 2", len(got))
	}
	m := got[0]
	if m.Program != programMirror || m.Runs != 3 || m.ValueCPU != 0.5 || m.MedianCPU != 0.7 || m.MBps != 200 || m.PeakRSSBytes != 30 {
		t.Errorf("got %+v, want the least CPU 0.5, the medians 0.7 and 200, the most memory 30 of 3 runs", m)
	}
}

func TestMiddle(t *testing.T) {
	for want, values := range map[float64][]float64{1: {1}, 2: {1, 2, 9}, 2.5: {1, 2, 3, 9}} {
		if got := middle(values); got != want {
			t.Errorf("%v: got %v, want %v", values, got, want)
		}
	}
}

func TestMarkdownHasEveryFigure(t *testing.T) {
	r := goodReport()
	r.Claims = checkClaims(r)
	text := markdown(r)
	for _, want := range []string{
		"| 1 KiB, none | mirror | 1.00 (0.000) | 1.40 (0.000) |", "| 1 KiB, none | real-broker floor |", "| sarama loop | 2.10 |",
		"TLS on both legs adds at most 1.0 CPU-s per wire GB", "| holds |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		if n := strings.Count(line, "|"); columns != 0 && n != columns {
			t.Errorf("got %d bars, want %d: %s", n, columns, line)
		} else {
			columns = n
		}
	}
}
