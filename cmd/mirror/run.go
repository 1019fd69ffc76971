package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
)

func newRun(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Mirror until told to stop",
		Long: `Mirror what the configuration says until told to stop. The first SIGTERM or interrupt ends in good order: what is
on its way is finished and the positions are saved. A second one ends at once, which loses and doubles nothing either.`,
		Example: `  mirror run
  mirror run -c mirror.yaml`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(*path)
			if err != nil {
				return err
			}
			return logged(cmd.ErrOrStderr(), cfg.Log, func(log *slog.Logger) error {
				return app.Run(cmd.Context(), cfg, readVersion().Version, log)
			})
		}),
	}
}
