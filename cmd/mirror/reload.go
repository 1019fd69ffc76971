package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// reloadWait is for how long the mirror may take: it reads a file.
const reloadWait = 30 * time.Second

// reloadAnswer is what a reload changed.
type reloadAnswer struct {
	Changed []struct {
		Key  string `json:"key"`
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"changed"`
}

func newReload(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Let the running mirror read its configuration again",
		Long: `Let the running mirror read its configuration again, and wait for the result. What can change without a restart is the
topics that links include and exclude, their retention thresholds, watchers and the level of the log. All that changed is
applied, or nothing: a file that is wrong, or that changes anything else, leaves everything as it was, and what stands
against it is said (exit code 78 for a wrong file, 1 for what needs a restart). A topic that is excluded is drained and its
position saved; included again it goes on there. In a pool it stops when no member includes it any more.`,
		Example: `  mirror validate && mirror reload
  systemctl reload mirror
  mirror reload -o json | jq -r '.changed[].key'`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return reload(cmd.Context(), cmd.OutOrStdout(), c, *format)
	})
	return cmd
}

func reload(ctx context.Context, out io.Writer, c *control, format output) error {
	var done reloadAnswer
	err := c.ask(ctx, http.MethodPost, "/api/v1/reload", struct{}{}, &done, reloadWait)
	if refusal, ok := errors.AsType[*refused](err); ok && refusal.code == http.StatusUnprocessableEntity {
		return &exitError{exitConfig, err}
	}
	if err != nil {
		return err
	}
	if format == outputJSON {
		return printJSON(out, done)
	}
	if len(done.Changed) == 0 {
		fmt.Fprintln(out, "reloaded: nothing has changed")
	}
	for _, change := range done.Changed {
		fmt.Fprintf(out, "%s: %s -> %s\n", clean(change.Key), clean(change.From), clean(change.To))
	}
	return nil
}
