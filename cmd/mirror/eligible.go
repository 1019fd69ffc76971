package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

const (
	// eligibleTimeout is more than the mirror itself takes to change the mode.
	eligibleTimeout = 15 * time.Second
	// eligibleFor is for how long an operator's word holds unless --for says more.
	eligibleFor = 2 * time.Hour
)

// eligibleRequest is what the mirror is asked.
type eligibleRequest struct {
	Mode string  `json:"mode"`
	For  float64 `json:"for_seconds,omitempty"`
}

func newEligible(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pool",
		Short: "Show or say whether this host may take new traffic",
		Long: `Show whether this host may take new traffic, as its mirror answers at /poolz, where load balancers and discovery ask, or say so for a
while. Nothing of this stops the mirroring, nor has it to do with pools of mirrors: those have owners, drain and pin.`,
		Example: `  mirror pool
  mirror pool drain --for 2h
  mirror pool auto`,
	}
	group(cmd)
	unknown := cmd.RunE
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	show := action(func(cmd *cobra.Command, _ []string) error {
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		var report api.Status
		if err := c.get(cmd.Context(), "/api/v1/status", &report); err != nil {
			return err
		}
		if report.Eligible == nil {
			return errors.New("the mirror does not say whether its host may take new traffic; is it of this version?")
		}
		return printEligible(cmd.OutOrStdout(), *format, report.Eligible)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		return show(cmd, args)
	}
	cmd.AddCommand(newEligibleMode(path, "drain", "Keep new traffic away from this host", true),
		newEligibleMode(path, "in", "Let this host take new traffic, whatever its mirror thinks", true),
		newEligibleMode(path, "auto", "Let the rules of the configuration decide again", false))
	return cmd
}

func newEligibleMode(path *string, mode, short string, ends bool) *cobra.Command {
	cmd := &cobra.Command{Use: mode, Short: short, Args: cobra.NoArgs, Example: "  mirror pool " + mode}
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	var long time.Duration
	if ends {
		cmd.Example += " --for 30m"
		cmd.Long = short + ". It ends by itself, survives a restart of the mirror until then, and is in the journal."
		cmd.Flags().DurationVar(&long, "for", eligibleFor, "how long it holds, at most a week")
	}
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if ends && long <= 0 {
			return &exitError{exitUsage, fmt.Errorf("--for is %v, and must be above 0", long)}
		}
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return setEligible(cmd.Context(), cmd.OutOrStdout(), c, eligibleRequest{mode, long.Seconds()}, *format)
	})
	return cmd
}

// setEligible asks for a mode and prints what is then.
func setEligible(ctx context.Context, out io.Writer, c *control, request eligibleRequest, format output) error {
	var report api.Eligible
	if err := c.ask(ctx, http.MethodPost, "/api/v1/eligible", request, &report, eligibleTimeout); err != nil {
		return err
	}
	return printEligible(out, format, &report)
}

func printEligible(out io.Writer, format output, r *api.Eligible) error {
	if format == outputJSON {
		return printJSON(out, r)
	}
	if _, err := fmt.Fprintln(out, eligibleLine(r, time.Now())); err != nil {
		return fmt.Errorf("print whether the host takes traffic: %w", err)
	}
	return nil
}

// unusual says whether there is more to say than that the host takes traffic.
func unusual(r *api.Eligible) bool { return !r.In || r.Until != nil }

// eligibleLine says for people whether the host takes traffic.
func eligibleLine(r *api.Eligible, now time.Time) string {
	word := "DRAIN"
	if r.In {
		word = "IN"
	}
	text := fmt.Sprintf("%s for %s", word, check.Short(now.Sub(r.Since)))
	if r.Text != "" {
		text += ": " + r.Text
	}
	if r.Until != nil {
		text += fmt.Sprintf("; an operator decides for %s more (mirror pool auto ends it)", check.Short(r.Until.Sub(now)))
	}
	if r.Cut {
		text += "; the destinations cannot be written to"
	}
	return clean(text)
}
