package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

func newDemo() *cobra.Command {
	var o app.DemoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See edge, region and home mirror in this process, without any Kafka",
		Long: `See edge, region and home mirror in this process, without any Kafka: the brokers are simulated. At the end every
record at home is compared with its original.`,
		Example: `  mirror demo
  mirror demo --records 100000 --duration 30s --seed 7`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().IntVar(&o.Records, "records", 20000, "`number` of records to produce at the edge")
	cmd.Flags().DurationVar(&o.Duration, "duration", 15*time.Second, "how long to produce them")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "`number` that decides contents and faults; the same makes the same run")
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if o.Records < 1 || o.Duration <= 0 {
			return &exitError{exitUsage, errors.New("--records and --duration must be above zero")}
		}
		// What is shown is the point of the demo, and it warns of nothing but the outage that the demo makes itself: its
		// log speaks up only when something is wrong.
		return logged(cmd.ErrOrStderr(), config.Log{Level: "error", Format: "auto"}, func(log *slog.Logger, _ *slog.LevelVar) error {
			return app.Demo(cmd.Context(), o, cmd.OutOrStdout(), log)
		})
	})
	return cmd
}
