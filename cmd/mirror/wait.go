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

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

const (
	// exitTimeout is that of timeout(1).
	exitTimeout = 124
	waitPoll    = time.Second
)

// The things that can be waited for.
const (
	waitCaughtUp = "caught-up"
	waitVerified = "verified"
)

// waitOptions are the arguments and flags of wait.
type waitOptions struct {
	viewOptions
	topic   string // "" for all
	goals   []string
	timeout time.Duration
	format  output
}

// waited is how a wait ended.
type waited struct {
	Reached []string `json:"reached"`
	Left    []string `json:"left"` // what it was not reached for, and why
	Seconds float64  `json:"seconds"`
}

func newWait(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait [LINK [TOPIC]]",
		Short: "Wait until the destination has caught up, for scripts and deployments",
		Long: `Wait until all that the source had when the wait began is at the destination (caught-up), or until that is proven record by
record (verified, which waits for the first and then does what mirror verify does; it needs the configuration and its
secrets). Exit code 124: the time was over before. A mirror that is starting is waited for. What other members of a pool have,
they must be asked for.`,
		Example: `  mirror wait --for caught-up
  mirror wait edge-region clicks --for caught-up,verified --timeout 30m
  mirror wait --timeout 1m || echo not yet`,
		Args: cobra.MaximumNArgs(2),
	}
	format := addOutput(cmd)
	var o waitOptions
	cmd.Flags().StringSliceVar(&o.goals, "for", []string{waitCaughtUp}, "`goals` to wait for: caught-up, verified")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "for how long to wait")
	addView(cmd, &o.viewOptions)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.read(cmd, *path, args)
		if len(args) > 1 {
			o.topic = args[1]
		}
		o.format = *format
		for _, goal := range o.goals {
			if goal != waitCaughtUp && goal != waitVerified {
				return &exitError{exitUsage, fmt.Errorf("--for %s: want %s or %s", goal, waitCaughtUp, waitVerified)}
			}
		}
		if o.timeout <= 0 {
			return &exitError{exitUsage, fmt.Errorf("--timeout is %v, and must be above 0", o.timeout)}
		}
		return wait(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
	})
	return cmd
}

// wait waits for all goals, the cheap one first.
func wait(ctx context.Context, out, progress io.Writer, o waitOptions) error {
	v, err := newViewer(o.viewOptions)
	if err != nil {
		return err
	}
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	result := waited{Reached: []string{}, Left: []string{}}
	result.Left, err = awaitCaughtUp(bounded, v, progress, o.topic, begun)
	if err == nil && len(result.Left) == 0 {
		result.Reached = append(result.Reached, waitCaughtUp)
		if slices.Contains(o.goals, waitVerified) {
			if result.Left, err = awaitVerified(bounded, o, progress); err == nil && len(result.Left) == 0 {
				result.Reached = append(result.Reached, waitVerified)
			}
		}
	}
	result.Seconds = time.Since(begun).Seconds()
	if ctx.Err() != nil {
		return errors.New("interrupted before it was reached")
	}
	if err != nil && bounded.Err() == nil {
		return err
	}
	return result.tell(out, o, err)
}

// tell prints the outcome; err is what kept the mirror from being asked when the time was over.
func (w waited) tell(out io.Writer, o waitOptions, err error) error {
	if o.format == outputJSON {
		if printed := printJSON(out, w); printed != nil {
			return printed
		}
	} else if err == nil && len(w.Left) == 0 {
		if _, printed := fmt.Fprintf(out, "%s after %s\n", strings.Join(w.Reached, ", "), check.Short(time.Duration(w.Seconds*float64(time.Second)))); printed != nil {
			return fmt.Errorf("print the outcome: %w", printed)
		}
	}
	switch {
	case err != nil:
		return &exitError{exitTimeout, fmt.Errorf("not reached within %v: %w", o.timeout, err)}
	case len(w.Left) > 0:
		return &exitError{exitTimeout, fmt.Errorf("not reached within %v: %s; see: mirror doctor", o.timeout, few(w.Left))}
	}
	return nil
}

// few names some of many.
func few(list []string) string {
	const shown = 5
	text := strings.Join(list[:min(shown, len(list))], "; ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// awaitCaughtUp waits until all that reached the source before begun is acknowledged, and returns what is left when ctx ends.
// An error is one that waiting does not cure.
func awaitCaughtUp(ctx context.Context, v *viewer, progress io.Writer, topic string, begun time.Time) (left []string, err error) {
	line := progressText{out: progress, terminal: isTerminal(progress)}
	defer line.clear()
	tick := time.NewTicker(waitPoll)
	defer tick.Stop()
	for {
		report, now, failed := v.look(ctx)
		switch {
		case failed != nil && report != nil:
			return nil, failed // there is no such link
		case failed != nil && ctx.Err() == nil:
			err = failed
		case failed == nil:
			since := begun
			if !report.Time.IsZero() && v.remote {
				since = now.Add(-time.Since(begun)) // by its clock
			}
			left, err = behindOf(report, topic, since)
			if err != nil {
				return nil, err
			}
			if len(left) == 0 {
				return nil, nil
			}
		}
		if ctx.Err() != nil && len(left) == 0 {
			return nil, cmp.Or(err, failed, ctx.Err()) // it never answered
		}
		line.show(waitLine(left, err))
		select {
		case <-ctx.Done():
			return left, err
		case <-tick.C:
		}
	}
}

func waitLine(left []string, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("waiting for %d: %s", len(left), left[0])
}

// behindOf names the topics of which not all that was there at a time is at the destination. What other members of a pool have
// is not this mirror's to tell.
func behindOf(r *api.Status, topic string, since time.Time) ([]string, error) {
	var left []string
	found := 0
	for _, l := range r.Links {
		topics := mine(l)
		if len(topics) == 0 && topic == "" && (l.State != "caught_up" || l.Problem != "") && len(l.Topics) == 0 {
			left = append(left, fmt.Sprintf("%s: %s", clean(l.Name), withProblem(l.State, l.Problem)))
		}
		for _, t := range topics {
			if topic != "" && t.Topic != topic {
				continue
			}
			found++
			if t.ReplicatedThrough == nil || t.ReplicatedThrough.Before(since) || t.Problem != "" {
				left = append(left, fmt.Sprintf("%s %s: %s", clean(l.Name), clean(t.Topic), withProblem(t.State, t.Problem)))
			}
		}
	}
	if topic != "" && found == 0 {
		return nil, fmt.Errorf("topic %s is not mirrored here; see: mirror topics", clean(topic))
	}
	return left, nil
}

func withProblem(state, problem string) string {
	if problem == "" {
		return known(state)
	}
	return known(state) + " (" + clean(problem) + ")"
}

// progressText is a line on a terminal that is written over; elsewhere nothing is written.
type progressText struct {
	out      io.Writer
	terminal bool
}

func (p progressText) show(text string) {
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", clean(text))
	}
}

func (p progressText) clear() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
