package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/app"
)

const (
	// followInterval is how often -f asks again.
	followInterval = time.Second
	// maxEvents is how many events the mirror gives in one answer.
	maxEvents = 1000
)

// eventsOptions are the flags of events.
type eventsOptions struct {
	follow bool
	newest int
	format output
}

// event is one event, as far as a line shows it.
type event struct {
	ID        uint64     `json:"id"`
	Time      time.Time  `json:"time"`
	Kind      string     `json:"kind"`
	Link      string     `json:"link"`
	Topic     string     `json:"topic"`
	Partition *int32     `json:"partition"`
	Cause     string     `json:"cause"`
	Text      string     `json:"text"`
	Lost      *api.Lost  `json:"lost"`
	Surplus   *api.Range `json:"surplus"`
	UID       *uint32    `json:"uid"`
	Remote    string     `json:"remote"`
}

func newEvents(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened: losses, halts, what operators did, starts and stops",
		Long: `Show what happened, oldest first: losses, halts, what operators did about them, partitions that waited for long, starts
and stops. The running mirror is asked; when none runs, the files in its state directory are read.`,
		Example: `  mirror events
  mirror events -f
  mirror events -n 1000 -o json | jq -c 'select(.kind == "halted")'`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	var o eventsOptions
	var stateDir string
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on showing what happens until interrupted")
	cmd.Flags().IntVarP(&o.newest, "number", "n", 20, "how many of the newest `events`, at most 1000")
	addStateDir(cmd, &stateDir)
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if o.newest < 1 || o.newest > maxEvents {
			return &exitError{exitUsage, fmt.Errorf("--number is %d, want 1 to %d", o.newest, maxEvents)}
		}
		o.format = *format
		c, err := newControl(stateDir, *path, cmd.Flags().Changed("config"))
		if err != nil {
			return err
		}
		return showEvents(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, o)
	})
	return cmd
}

// showEvents prints the newest events, and with follow those that come. notes says where they are from when no mirror runs.
func showEvents(ctx context.Context, out, notes io.Writer, c *control, o eventsOptions) error {
	last, limit, noted := uint64(0), o.newest, false
	for {
		events, running, err := c.events(ctx, last, limit)
		if err != nil && (last == 0 || ctx.Err() != nil) {
			return ignoreInterrupt(ctx, o, err)
		}
		if err == nil && !running && !noted {
			fmt.Fprintln(notes, c.noteFiles(len(events)))
			noted = true
		}
		for _, raw := range events { // a mirror that restarts is asked again
			id, err := printEvent(out, raw, o.format)
			if err != nil {
				return err
			}
			last = max(last, id)
		}
		if !o.follow {
			return nil
		}
		limit = maxEvents
		if len(events) == maxEvents {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return nil // interrupting is how following ends
		case <-time.After(followInterval):
		}
	}
}

// ignoreInterrupt returns err, unless the interrupt that ends following caused it.
func ignoreInterrupt(ctx context.Context, o eventsOptions, err error) error {
	if o.follow && ctx.Err() != nil {
		return nil
	}
	return err
}

// noteFiles says that events are those that a mirror left, and where to look when it left none.
func (c *control) noteFiles(events int) string {
	if events > 0 {
		return fmt.Sprintf("mirror: no mirror runs in %s; this is what was written there", c.stateDir)
	}
	return fmt.Sprintf("mirror: no mirror runs in %s, and none left events there; name its directory with --state-dir or its configuration with --config", c.stateDir)
}

// events asks the running mirror, and reads the files where there is none.
func (c *control) events(ctx context.Context, after uint64, limit int) (events []json.RawMessage, running bool, err error) {
	var report struct{ Events []json.RawMessage }
	path := fmt.Sprintf("/api/v1/events?limit=%d", limit)
	if after > 0 {
		path += fmt.Sprintf("&after=%d", after)
	}
	err = c.get(ctx, path, &report)
	if !errors.Is(err, errNoMirror) {
		return report.Events, true, err
	}
	events, read := app.Events(c.stateDir, after, limit)
	if read != nil {
		return nil, false, errors.Join(err, read)
	}
	return events, false, nil
}

func printEvent(out io.Writer, raw json.RawMessage, format output) (id uint64, err error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return 0, fmt.Errorf("read an event: %w; is that a mirror of this version?", err)
	}
	line := e.line()
	if format == outputJSON {
		line = string(raw)
	}
	if _, err := fmt.Fprintln(out, line); err != nil {
		return 0, fmt.Errorf("print an event: %w", err)
	}
	return e.ID, nil
}

// line is an event for people.
func (e event) line() string {
	where := cmp.Or(e.Link, "-")
	if e.Topic != "" {
		where += " " + e.Topic
	}
	if e.Partition != nil {
		where += fmt.Sprintf("/%d", *e.Partition)
	}
	text := fmt.Sprintf("%s  %-15s  %s", e.Time.Local().Format("2006-01-02 15:04:05"), e.Kind, where)
	if e.Cause != "" {
		text += "  " + e.Cause
	}
	if e.Text != "" {
		text += "  " + e.Text
	}
	if e.Lost != nil {
		text += "  lost: " + describeLoss(e.Lost, e.Surplus)
	}
	if e.UID != nil {
		text += fmt.Sprintf("  by uid %d", *e.UID)
	}
	if e.Remote != "" {
		text += "  by " + e.Remote
	}
	return clean(text)
}
