package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// cell is one run of one program on one row.
type cell struct {
	Row     string
	Program string
	Round   int // from 1
}

// String returns the cell as -only sees it.
func (c cell) String() string { return c.Row + "/" + c.Program }

// plan returns the cells in the order in which they are measured: rounds are interleaved and the programs take turns in
// going first, so that a machine that gets slower or faster does so for all of them. What no bound is about is repeated
// last, where time is left.
func plan(o options) []cell {
	var cells []cell
	for round := 1; round <= o.rounds; round++ {
		for _, row := range o.rows {
			var turn []cell
			for _, p := range programs() {
				c := cell{Row: row, Program: p.name, Round: round}
				if slices.Contains(o.peers, p.name) && applies(p, row, round) && (o.only == nil || o.only.MatchString(c.String())) {
					turn = append(turn, c)
				}
			}
			if len(turn) > 0 {
				first := (round - 1) % len(turn)
				cells = append(cells, slices.Concat(turn[first:], turn[:first])...)
			}
		}
	}
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Compare(a.rank(), b.rank()) })
	return cells
}

// rank is 1 for what comes last.
func (c cell) rank() int {
	if c.Round > 1 && c.Program == programSarama && c.Row != rowLatency {
		return 1
	}
	return 0
}

// applies says whether a program is measured on a row.
func applies(p program, row string, round int) bool {
	switch {
	case p.java && round > 1: // each start takes half a minute
		return false
	case p.name == programTuned && slices.Contains([]string{"100b-lz4", "100b-zstd", rowTiny}, row): // for lack of time
		return false
	case row == rowTLS:
		return p.name == programMirror
	case row == rowLatency:
		return p.start != nil
	case p.name == programRelay: // it does not look at the data
		return row == tlsData
	}
	return true
}

// expect guesses how long a cell takes.
func (c cell) expect(short bool) time.Duration {
	p := findProgram(c.Program)
	const around = 3 * time.Second // topics made and deleted, the process stopped
	if c.Row == rowLatency {
		ph := latencyPhases(p, short)
		return around + p.startup() + ph.warm + ph.count + 2*time.Second
	}
	d, _ := dataset(c.Row, short)
	bytes := float64(d.Records) * float64(d.ValueBytes)
	return around + p.startup() + time.Duration(bytes/1e6/p.rate*float64(time.Second))
}

// clock tells how much time is left, by how wrong the guesses were so far.
type clock struct {
	short    bool
	guessed  time.Duration // for what is done
	taken    time.Duration
	measured map[string]time.Duration // by cell, of an earlier round
}

// telling is how much must be done before it says something about the rest.
const telling = 20 * time.Second

func (k *clock) expect(c cell) time.Duration {
	if d, ok := k.measured[c.String()]; ok {
		return d
	}
	guess := c.expect(k.short)
	if k.guessed >= telling {
		guess = time.Duration(float64(guess) * float64(k.taken) / float64(k.guessed))
	}
	return guess
}

func (k *clock) left(cells []cell) (total time.Duration) {
	for _, c := range cells {
		total += k.expect(c)
	}
	return total
}

func (k *clock) done(c cell, took time.Duration) {
	k.guessed += c.expect(k.short)
	k.taken += took
	k.measured[c.String()] = took
}

// runAll measures the cells. One that fails is told of and left out; the error names them all. Rounds after the first
// are left out where they would take longer than the budget allows.
func (b *bed) runAll(ctx context.Context, o options, cells []cell, out io.Writer) ([]measurement, error) {
	var measured []measurement
	var failed []error
	begun, skipped := time.Now(), 0
	if err := b.warm(ctx, out); err != nil {
		return nil, err
	}
	k := &clock{short: o.short, measured: map[string]time.Duration{}}
	for i, c := range cells {
		if c.Round > 1 && time.Since(begun)+k.expect(c) > o.budget {
			skipped++
			continue
		}
		left := min(k.left(cells[i:]), max(o.budget-time.Since(begun), k.expect(c)))
		fmt.Fprintf(out, "[%d/%d, %v left] %v, round %d: ", i+1, len(cells), left.Round(time.Second), c, c.Round)
		started := time.Now()
		m, err := b.measure(ctx, o, c)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		k.done(c, time.Since(started))
		if err != nil {
			err = fmt.Errorf("%v, round %d: %w", c, c.Round, err)
			fmt.Fprintln(out, "failed:", err)
			failed = append(failed, err)
			continue
		}
		fmt.Fprintln(out, m)
		measured = append(measured, m)
	}
	if skipped > 0 {
		fmt.Fprintf(out, "%d cells of later rounds were left out: they would not have ended within %v\n", skipped, o.budget)
	}
	return measured, errors.Join(failed...)
}

// measure runs one cell.
func (b *bed) measure(ctx context.Context, o options, c cell) (m measurement, err error) {
	if err := b.settle(ctx); err != nil {
		return m, err
	}
	p := findProgram(c.Program)
	d, _ := dataset(c.Row, o.short)
	row := b.filled[d.Name]
	switch {
	case c.Row == rowLatency:
		m, err = b.latency(ctx, p, latencyPhases(p, o.short))
	case c.Program == programRelay:
		m, err = b.relayFloor(ctx, row)
	case c.Program == programFloor:
		m, err = b.brokerFloor(ctx, row)
	default:
		m, err = b.drain(ctx, row, p, c.Row == rowTLS)
	}
	m.Row, m.Program, m.Round = c.Row, c.Program, c.Round
	return m, err
}

// String returns the main figures in one line.
func (m measurement) String() string {
	if m.Samples > 0 {
		return fmt.Sprintf("p50 %.2f ms, p99 %.1f ms, %.0f %% of a core", m.P50Millis, m.P99Millis, m.CPUPercent)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%.3f CPU-s per GB of values, %.3f per wire GB", m.SteadyValueCPU, m.SteadyWireCPU)
	if m.MBps > 0 {
		fmt.Fprintf(&text, " (first to last %.3f), %.0f MB/s, %d MiB", m.CopyWireCPU, m.MBps, m.PeakRSSBytes>>20)
	}
	for _, p := range m.Parts {
		fmt.Fprintf(&text, ", %s %.3f", p.Name, p.CPUSeconds/float64(p.Bytes)*1e9)
	}
	return text.String()
}
