package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

func newRun(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Mirror until told to stop",
		Long: `Mirror what the configuration says until told to stop. The first SIGTERM or interrupt ends in good order: what is
on its way is finished and the positions are saved. A second one ends at once, which loses and doubles nothing either. SIGHUP reads the
configuration again, as mirror reload does.`,
		Example: `  mirror run
  mirror run -c mirror.yaml`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(*path)
			if err != nil {
				return err
			}
			hangup := make(chan os.Signal, 1) // one that comes while one is taken is enough
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			return logged(cmd.ErrOrStderr(), cfg.Log, func(log *slog.Logger, level *slog.LevelVar) error {
				reload := app.Reload{Load: func() (*config.Config, error) { return loadConfig(*path) }, Hangup: hangup, Level: level}
				return app.Run(cmd.Context(), cfg, readVersion().Version, log, app.WithReload(reload))
			})
		}),
	}
}
