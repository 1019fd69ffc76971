package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"tributary/pkg/app"
)

const (
	barWidth = 24
	// quietInterval is how often progress is written where no terminal shows it.
	quietInterval = 10 * time.Second
)

// progressBar shows how far a comparison is: a line that is written over on a terminal, one every ten seconds elsewhere.
// Its methods are not called concurrently.
type progressBar struct {
	out      io.Writer
	terminal bool
	shown    time.Time
	begun    bool // a line on the terminal is not ended
}

func (b *progressBar) show(name string, p app.VerifyProgress) {
	if p.Phase == "" {
		return
	}
	if b.terminal {
		b.begun = true
		fmt.Fprintf(b.out, "\r\x1b[K%s", progressLine(name, p, true))
		return
	}
	if b.shown.IsZero() {
		b.shown = time.Now()
	}
	if time.Since(b.shown) >= quietInterval {
		b.shown = time.Now()
		fmt.Fprintln(b.out, progressLine(name, p, false))
	}
}

// clear removes the line from a terminal.
func (b *progressBar) clear() {
	if b.begun {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

// progressLine tells the phase, the share done, the rate and the time left.
func progressLine(name string, p app.VerifyProgress, bar bool) string {
	share := 0.0
	if p.Total > 0 {
		share = min(1, float64(p.Done)/float64(p.Total))
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s", name, p.Phase)
	if bar {
		full := int(share * barWidth)
		fmt.Fprintf(&out, " [%s%s]", strings.Repeat("#", full), strings.Repeat(".", barWidth-full))
	}
	seconds := max(p.Elapsed.Seconds(), 0.001)
	fmt.Fprintf(&out, " %3.0f%% %.2f M records, %.0f k/s, %.1f MB/s", 100*share, float64(p.Records)/1e6, float64(p.Records)/seconds/1e3, float64(p.Bytes)/seconds/1e6)
	if p.Total > 0 && p.Done > 0 && p.PhaseTime > 2*time.Second {
		left := time.Duration(float64(p.PhaseTime) * float64(max(0, p.Total-p.Done)) / float64(p.Done))
		fmt.Fprintf(&out, ", %v left", left.Round(time.Second))
	}
	return out.String()
}
