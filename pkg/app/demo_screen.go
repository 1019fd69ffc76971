package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"tributary/pkg/mirror"
)

// How often the line of progress is drawn.
const (
	demoRedraw = 200 * time.Millisecond // in place, on a terminal
	demoPrint  = 2 * time.Second        // as a line of its own, elsewhere
)

// demoPhase is what a moment is about. Its words say everything; its colour only repeats it.
type demoPhase string

// The phases.
const (
	phaseMirroring demoPhase = "mirroring"
	phaseCut       demoPhase = "REGION CUT OFF"
	phaseCatchUp   demoPhase = "catching up"
)

// demoSample is one moment of the demo.
type demoSample struct {
	elapsed                time.Duration
	produced, region, home int64
	rate                   float64 // records per second that reach home
	states                 map[mirror.State]int
	phase                  demoPhase
}

// String is the line of progress. The phase comes first, for a narrow terminal cuts the end off.
func (s demoSample) String() string {
	var line strings.Builder
	fmt.Fprintf(&line, "%5.1fs  %-14s  produced %5d  region %5d  home %5d  behind %4d  %4.0f/s  partitions:", s.elapsed.Seconds(), s.phase,
		s.produced, s.region, s.home, max(0, s.produced-s.home), s.rate) // a record may be at home before its producer has counted it
	for _, state := range []mirror.State{mirror.StateHalted, mirror.StateWaiting, mirror.StateStarting, mirror.StateCopying, mirror.StateCaughtUp} {
		if n := s.states[state]; n > 0 {
			fmt.Fprintf(&line, " %d %s", n, strings.ReplaceAll(string(state), "_", " "))
		}
	}
	return line.String()
}

// demoScreen shows progress: on a terminal in one line that is drawn again in place, elsewhere as plain lines. It keeps
// the first error of its writer and is silent from then on. It is for one goroutine.
type demoScreen struct {
	out   io.Writer
	live  *os.File // the terminal; nil elsewhere
	color bool
	drawn time.Time
	open  bool // the cursor stands in the line of progress
	err   error
}

func newDemoScreen(out io.Writer) *demoScreen {
	s := &demoScreen{out: out}
	if file, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd())) {
		s.live, s.color = file, os.Getenv("NO_COLOR") == ""
	}
	return s
}

// draw shows a moment, when it is time to.
func (s *demoScreen) draw(sample demoSample, now time.Time) {
	every := demoPrint
	if s.live != nil {
		every = demoRedraw
	}
	if now.Sub(s.drawn) < every {
		return
	}
	s.drawn = now
	if s.live == nil {
		s.write(sample.String() + "\n")
		return
	}
	s.write("\r" + s.paint(s.fit(sample.String()), sample.phase) + "\x1b[K")
	s.open = true
}

// say prints a line of its own, which stays.
func (s *demoScreen) say(format string, args ...any) {
	if s.open {
		s.write("\r\x1b[K")
		s.open = false
	}
	s.write(fmt.Sprintf(format, args...) + "\n")
}

// fit shortens a line to the terminal's width: a line that wraps cannot be drawn again in place.
func (s *demoScreen) fit(line string) string {
	if width, _, err := term.GetSize(int(s.live.Fd())); err == nil && width > 0 {
		return line[:min(len(line), width-1)]
	}
	return line
}

func (s *demoScreen) paint(line string, phase demoPhase) string {
	switch {
	case !s.color:
		return line
	case phase == phaseCut:
		return "\x1b[31m" + line + "\x1b[0m"
	case phase == phaseCatchUp:
		return "\x1b[33m" + line + "\x1b[0m"
	}
	return line
}

func (s *demoScreen) write(text string) {
	if s.err != nil {
		return
	}
	if _, err := io.WriteString(s.out, text); err != nil {
		s.err = fmt.Errorf("print progress: %w", err)
	}
}
