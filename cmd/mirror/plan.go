package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/check"
	"tributary/pkg/config"
)

func newPlan(path *string) *cobra.Command {
	var o app.PlanOptions
	var speed string
	cmd := &cobra.Command{
		Use:   "plan [LINK...]",
		Short: "Ask the clusters what a mirror would do, and what stands against it",
		Long: `Ask the clusters what a mirror would do: which topics match, what would be created or grown, where each partition goes on and where
its records go, how much waits, how long each end keeps it, and which rights are missing. Nothing is changed at either cluster, and no
mirror has to run. It ends with 1 where something would keep a link or a topic from being mirrored.
How the clocks of the clusters differ is not asked: Kafka does not tell.`,
		Example: `  mirror plan -c mirror.yaml
  mirror plan edge-region --speed 20MB
  mirror plan -o json | jq '.links[].findings[] | select(.stops)'`,
	}
	cmd.Flags().StringVar(&speed, "speed", "", "bytes per second to reckon the time with, such as `20MB` (default: the link's rate)")
	format := addOutput(cmd)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.Links = args
		if err := readBytes(speed, &o.Speed); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--speed %q %w", speed, err)}
		}
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		var plan *app.Plan
		err = logged(cmd.ErrOrStderr(), config.Log{Level: "error", Format: "auto"}, func(log *slog.Logger, _ *slog.LevelVar) (err error) {
			plan, err = app.MakePlan(cmd.Context(), cfg, o, log)
			return err
		})
		if app.IsUsage(err) {
			return &exitError{exitUsage, err}
		}
		if err != nil {
			return fmt.Errorf("%w; nothing was changed: run it again", err)
		}
		return printPlan(cmd.OutOrStdout(), plan, *format)
	})
	return cmd
}

func printPlan(out io.Writer, plan *app.Plan, format output) error {
	var err error
	if format == outputJSON {
		err = printJSON(out, plan)
	} else {
		for _, l := range plan.Links {
			if _, err = io.WriteString(out, renderPlan(l, plan.At)); err != nil {
				break
			}
		}
	}
	if err == nil && !plan.OK {
		return &exitError{code: exitFailure}
	}
	return err
}

// renderPlan draws one link: what it is, its topics, and what is to be known.
func renderPlan(l app.PlanLink, now time.Time) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s  from %s to %s  %s  %s\n", l.Name, l.From, l.To, l.Guarantee, l.Ownership)
	if len(l.Topics) > 0 {
		rows := table{{"TOPIC", "TO", "ACTION", "PARTITIONS", "WAITING", "BYTES", "OLDEST", "KEPT", "KEPT THERE", "REGIME"}}
		for _, t := range l.Topics {
			rows = append(rows, planRow(t, now))
		}
		out.WriteString(rows.String())
	}
	if l.WaitingRecords != nil {
		fmt.Fprintf(&out, "waiting: %d records, %s bytes", *l.WaitingRecords, number(l.WaitingBytes))
		if l.Seconds != nil {
			fmt.Fprintf(&out, ", %s at %d bytes per second", check.Short(time.Duration(*l.Seconds*float64(time.Second))), *l.SpeedBytes)
		}
		out.WriteString("\n")
	}
	for _, f := range l.Findings {
		word, about := "note", ""
		if f.Stops {
			word = "STOP"
		}
		if f.Topic != "" {
			about = f.Topic + ": "
		}
		fmt.Fprintf(&out, "%s  %s%s\n", word, clean(about), clean(f.Text))
	}
	if !slices.ContainsFunc(l.Findings, func(f app.Finding) bool { return f.Stops }) {
		out.WriteString("nothing stands against it\n")
	}
	return out.String()
}

func planRow(t app.PlanTopic, now time.Time) []string {
	partitions := strconv.Itoa(len(t.Partitions)) + " -> "
	if t.DestinationPartitions == nil {
		partitions += "default"
	} else {
		partitions += strconv.Itoa(*t.DestinationPartitions)
	}
	oldest := "-"
	if t.OldestWaiting != nil {
		oldest = check.Short(max(0, now.Sub(*t.OldestWaiting)))
	}
	return []string{clean(t.Topic), clean(t.Destination), t.Action, partitions, number(t.WaitingRecords), number(t.WaitingBytes), oldest,
		kept(t.SourceRetentionSeconds), kept(t.TargetRetentionSeconds), known(t.Regime)}
}

func number(n *int64) string {
	if n == nil {
		return unknown
	}
	return strconv.FormatInt(*n, 10)
}

// kept is for how long records are kept by age; a dash where that is not limited, or not known.
func kept(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return check.Short(time.Duration(*seconds * float64(time.Second)))
}
