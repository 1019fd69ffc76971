package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tributary/pkg/api"
)

const (
	topEvery  = 2 * time.Second // between two looks
	topEvents = 20              // that are asked for
)

func newTop(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top [LINK]",
		Short: "Watch all topics live, the most urgent first",
		Long: `Watch all topics live, the most urgent first; what is shown is asked for every two seconds. Keys: s sorts by the next
column (time until loss, behind, state, name), l shows the next link alone, e shows what happened, q ends.`,
		Example: `  mirror top
  mirror top edge-region --address 10.0.1.7:9464`,
		Args: cobra.MaximumNArgs(1),
	}
	var o viewOptions
	addView(cmd, &o)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.read(cmd, *path, args)
		filter := o.link
		o.link = "" // others can be chosen
		v, err := newViewer(o)
		if err != nil {
			return err
		}
		in, out := os.Stdin, os.Stdout
		if !isTerminal(in) || !isTerminal(out) {
			return &exitError{exitUsage, errors.New("top needs a terminal; in scripts use: mirror lag -o json, or mirror status --watch")}
		}
		return runTop(cmd.Context(), in, out, v, &topScreen{link: filter, color: useColor(out)})
	})
	return cmd
}

// runTop shows the screen until q, an interrupt or the end of ctx. The terminal is as before when it returns, whatever happens.
func runTop(ctx context.Context, in, out *os.File, v *viewer, s *topScreen) (err error) {
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("set up the terminal: %w", err)
	}
	const enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l" // a screen of its own, without a cursor
	defer func() {
		_, shown := out.WriteString(leave)
		err = errors.Join(err, shown, term.Restore(int(in.Fd()), was))
	}()
	if _, err := out.WriteString(enter); err != nil {
		return fmt.Errorf("show the screen: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	keys := make(chan byte, 16) // typed ahead
	looks := make(chan topLook, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { readKeys(ctx, in, keys) })
	wg.Go(func() { lookOn(ctx, v, looks) })
	for {
		s.width, s.height, err = term.GetSize(int(out.Fd()))
		if err != nil || s.width == 0 || s.height == 0 {
			s.width, s.height = 80, 24
		}
		if _, err := out.WriteString(s.frame(time.Now())); err != nil {
			return fmt.Errorf("show the screen: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case look := <-looks:
			s.take(look)
		case key := <-keys:
			if s.key(key) {
				return nil
			}
		}
	}
}

// topLook is what one look found.
type topLook struct {
	report *api.Status
	now    time.Time // by the clock of the mirror
	events []event
	err    error
}

// lookOn looks at once and then every two seconds until ctx ends.
func lookOn(ctx context.Context, v *viewer, looks chan<- topLook) {
	tick := time.NewTicker(topEvery)
	defer tick.Stop()
	for {
		var l topLook
		if l.report, l.now, l.err = v.look(ctx); l.err == nil {
			l.events, l.err = v.events(ctx, topEvents)
		}
		select {
		case <-ctx.Done():
			return
		case looks <- l:
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// events asks for the newest events, oldest first.
func (v *viewer) events(ctx context.Context, newest int) ([]event, error) {
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	code, body, err := v.get(bounded, fmt.Sprintf("/api/v1/events?limit=%d", newest))
	if err != nil {
		return nil, err
	}
	var report struct{ Events []event }
	if code != http.StatusOK || json.Unmarshal(body, &report) != nil {
		return nil, nil // a mirror without a journal has none
	}
	return report.Events, nil
}
