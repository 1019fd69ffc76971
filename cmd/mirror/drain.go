package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
)

const (
	// drainPoll is how often a drain asks how far it is.
	drainPoll = 200 * time.Millisecond
	// drainWait is for how long it asks, unless --wait says more: a hand-over takes a second.
	drainWait = 30 * time.Second
)

// drainOptions are the arguments and flags of drain.
type drainOptions struct {
	link   string
	wait   time.Duration // 0: does not
	undo   bool
	format output
}

// drainRequest is what the mirror is asked.
type drainRequest struct {
	On bool `json:"on"`
}

// drainReport is how a drain went.
type drainReport struct {
	Link       string  `json:"link"`
	Draining   bool    `json:"draining"`
	Owned      int     `json:"owned"`
	HandedOver int     `json:"handed_over"`
	Seconds    float64 `json:"seconds"`
}

func newDrain(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain LINK",
		Short: "Hand everything of a link over to the other members of its pool",
		Long: `Hand everything that this member of a pool mirrors over to the others, one by one, each within a second, and wait until
nothing is left. It stays a member that takes nothing until --undo, or until the process ends. Not needed before a stop:
SIGTERM hands everything over too. Exit code 1: something was still here when the time was over; the drain goes on.`,
		Example: `  mirror drain region-home
  mirror drain region-home --wait 5m
  mirror drain region-home --undo`,
		Args: cobra.ExactArgs(1),
	}
	format := addOutput(cmd)
	var o drainOptions
	var at reach
	cmd.Flags().DurationVar(&o.wait, "wait", drainWait, "how long to wait until nothing is left; 0 does not wait")
	cmd.Flags().BoolVar(&o.undo, "undo", false, "take units again")
	addReach(cmd, &at)
	cmd.ValidArgsFunction = completePools(path, &at, false)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		if o.wait < 0 {
			return &exitError{exitUsage, fmt.Errorf("--wait is %v, and cannot be negative", o.wait)}
		}
		o.link, o.format = args[0], *format
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return drain(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c, o)
	})
	return cmd
}

// drain asks for the hand-over, or for its end, and waits for it.
func drain(ctx context.Context, out, progress io.Writer, c *control, o drainOptions) error {
	before, err := c.pool(ctx, o.link)
	if err != nil {
		return err
	}
	begun := time.Now()
	now, err := c.changePool(ctx, o.link, "drain", drainRequest{On: !o.undo})
	if err != nil {
		return err
	}
	if !o.undo && o.wait > 0 {
		if now, err = awaitDrained(ctx, progress, c, o, now); err != nil {
			return err
		}
	}
	report := drainReport{Link: o.link, Draining: now.Draining, Owned: now.Owned, HandedOver: max(0, before.Owned-now.Owned), Seconds: time.Since(begun).Seconds()}
	if o.format == outputJSON {
		return printJSON(out, report)
	}
	_, err = fmt.Fprintln(out, report.text(o))
	return err
}

func (r drainReport) text(o drainOptions) string {
	switch {
	case o.undo:
		return fmt.Sprintf("link %s: units are taken again, within seconds", o.link)
	case o.wait == 0:
		return fmt.Sprintf("link %s: %d units are handed over; see: mirror owners %s", o.link, r.Owned, o.link)
	}
	return fmt.Sprintf("link %s: nothing is left here, %d units were handed over in %.1fs; take units again with: mirror drain %s --undo", o.link, r.HandedOver, r.Seconds, o.link)
}

// awaitDrained asks until nothing is left. What is left when the time is over is an error.
func awaitDrained(ctx context.Context, progress io.Writer, c *control, o drainOptions, now api.Pool) (api.Pool, error) {
	over := time.NewTimer(o.wait)
	defer over.Stop()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	said, saidAt := -1, time.Time{}
	for !now.Draining || now.Owned > 0 {
		if now.Owned != said && time.Since(saidAt) >= time.Second {
			fmt.Fprintf(progress, "%d units are still here\n", now.Owned)
			said, saidAt = now.Owned, time.Now()
		}
		select {
		case <-ctx.Done():
			return now, fmt.Errorf("no longer waiting; the drain goes on, and ends with: mirror drain %s --undo", o.link)
		case <-over.C:
			return now, undrained(now, o)
		case <-tick.C:
		}
		next, err := c.pool(ctx, o.link)
		if err != nil && ctx.Err() == nil {
			return now, fmt.Errorf("see how far the drain is: %w", err)
		}
		if err == nil {
			now = next
		}
	}
	return now, nil
}

// undrained says what is left, and what to do.
func undrained(now api.Pool, o drainOptions) error {
	var left []string
	for _, u := range now.Units {
		if u.Incarnation == now.Incarnation && len(left) < 5 {
			left = append(left, clean(u.Unit))
		}
	}
	takers := 0
	for _, m := range now.Members {
		if !m.Draining && m.Incarnation != now.Incarnation {
			takers++
		}
	}
	text := fmt.Sprintf("after %v %d units are still here, such as %s", o.wait, now.Owned, strings.Join(left, ", "))
	switch {
	case !now.Draining:
		text = fmt.Sprintf("after %v the pool does not know of the drain", o.wait)
	case takers == 0:
		text += "; no other member takes units: start one, or end the drain of another"
	}
	return errors.New(text + fmt.Sprintf("; the drain goes on (mirror owners %s shows it, a longer --wait waits for it, mirror drain %s --undo ends it)", o.link, o.link))
}
