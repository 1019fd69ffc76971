package main

import (
	"fmt"
	"strings"
)

// markdown returns the tables for the README.
func markdown(r report) string {
	var out strings.Builder
	fmt.Fprintf(&out, "`%s` on %v (%s afterwards).\n\n", r.Command, r.Machine, r.Machine.LoadAfter)
	out.WriteString("CPU: user and system seconds of the program per GB (1e9 bytes), the least of all runs and (the median), while 25 to 95 % of\n" +
		"the records arrive. \"First to last\" is from the first record to the last; bounds hold the mirror to the higher of the two,\n" +
		"because it reads ahead. \"Whole run\" also has the start of the process. Wire: batches as the source stores them.\n\n")
	writeDrains(&out, r)
	writeFloors(&out, r)
	writeLatencies(&out, r)
	writeClaims(&out, r)
	return out.String()
}

func writeDrains(out *strings.Builder, r report) {
	head(out, "Topic", "Program", "CPU-s/GB of values", "CPU-s/GB wire", "first to last, wire", "whole run, values", "broker CPU-s/GB", "MB/s", "peak RSS MiB", "log, x source", "runs")
	for _, s := range r.Summaries {
		if s.MBps == 0 {
			continue
		}
		line(out, rowLabel(s.Row), findProgram(s.Program).label,
			fmt.Sprintf("%s (%s)", figure(s.ValueCPU), figure(s.MedianCPU)), fmt.Sprintf("%s (%s)", figure(s.WireCPU), figure(s.MedianWireCPU)),
			figure(s.CopyWireCPU), figure(s.WholeCPU), figure(s.BrokerCPU), fmt.Sprintf("%.0f", s.MBps), fmt.Sprint(s.PeakRSSBytes>>20),
			fmt.Sprintf("%.2f", float64(s.LogBytes)/float64(s.SourceLogBytes)), fmt.Sprint(s.Runs))
	}
	out.WriteByte('\n')
}

// writeFloors also says how far the mirror is above each floor.
func writeFloors(out *strings.Builder, r report) {
	head(out, "Topic", "Floor", "CPU-s/GB wire", "of it", "mirror, x floor", "runs")
	for _, s := range r.Summaries {
		if s.Program != programFloor && s.Program != programRelay {
			continue
		}
		above := "-"
		if mirror, ok := r.find(s.Row, programMirror); ok {
			above = fmt.Sprintf("%.2f", mirror.wireCPU()/s.WireCPU)
		}
		line(out, rowLabel(s.Row), findProgram(s.Program).label, fmt.Sprintf("%s (%s)", figure(s.WireCPU), figure(s.MedianWireCPU)),
			r.parts(s), above, fmt.Sprint(s.Runs))
	}
	out.WriteByte('\n')
}

// parts describes the cheapest run of a floor.
func (r report) parts(s summary) string {
	var texts []string
	for _, m := range r.Measurements {
		if m.Row != s.Row || m.Program != s.Program || m.SteadyWireCPU != s.WireCPU {
			continue
		}
		for _, p := range m.Parts {
			texts = append(texts, p.Name+" "+figure(p.CPUSeconds/float64(p.Bytes)*1e9))
		}
		break
	}
	return strings.Join(texts, ", ")
}

func writeLatencies(out *strings.Builder, r report) {
	head(out, "At "+rowLabel(rowLatency), "p50 ms", "p99 ms", "CPU, % of a core", "peak RSS MiB", "runs")
	for _, s := range r.Summaries {
		if s.Row == rowLatency {
			line(out, findProgram(s.Program).label, fmt.Sprintf("%.2f", s.P50Millis), fmt.Sprintf("%.1f", s.P99Millis),
				fmt.Sprintf("%.0f", s.CPUPercent), fmt.Sprint(s.PeakRSSBytes>>20), fmt.Sprint(s.Runs))
		}
	}
	out.WriteByte('\n')
}

func writeClaims(out *strings.Builder, r report) {
	head(out, "Bound", "Measured", "Verdict")
	for _, c := range r.Claims {
		line(out, c.Text, c.Got, string(c.Verdict))
	}
}

func head(out *strings.Builder, cells ...string) {
	line(out, cells...)
	out.WriteString("|" + strings.Repeat(" --- |", len(cells)) + "\n")
}

func line(out *strings.Builder, cells ...string) {
	out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// figure writes a cost with three digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
