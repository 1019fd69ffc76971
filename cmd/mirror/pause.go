package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pauseWait is for how long the mirror may take: it writes a small file.
const pauseWait = 30 * time.Second

// pauseRequest is what the mirror is asked; of a resume without seconds.
type pauseRequest struct {
	Topic   string   `json:"topic"`
	Seconds *float64 `json:"seconds,omitempty"`
}

// pauseAnswer is what came of it.
type pauseAnswer struct {
	Link        string     `json:"link"`
	Topic       string     `json:"topic,omitempty"`
	PausedUntil *time.Time `json:"paused_until"`
	Warning     string     `json:"warning,omitempty"`
}

func newPause(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause LINK [TOPIC] --for DURATION",
		Short: "Read nothing more of a link or a topic for a while",
		Long: `Read nothing more of a link, or of one of its topics, for a while. What was read already is delivered, and the positions
are saved; then its state is paused, and the lag grows. A pause always ends: after --for, with mirror resume, or by itself
when the time until loss is critical, where that is known. It outlives a restart of the mirror. A link of a pool cannot be paused.`,
		Example: `  mirror pause edge-region --for 1h
  mirror pause edge-region clicks --for 15m`,
		Args: cobra.RangeArgs(1, 2),
	}
	format := addOutput(cmd)
	var d time.Duration
	var at reach
	cmd.Flags().DurationVar(&d, "for", 0, "for how long, such as 90s, 15m or 2h; at most 168h")
	addReach(cmd, &at)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		if d < time.Second {
			return &exitError{exitUsage, fmt.Errorf("a pause always ends: name for how long with --for, such as --for 1h")}
		}
		seconds := d.Seconds()
		return changePause(cmd, *path, &at, "pause", args, pauseRequest{Seconds: &seconds}, *format)
	})
	return cmd
}

func newResume(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume LINK [TOPIC]",
		Short: "End a pause",
		Long:  `End a pause of a link, with those of its topics, or of one topic. It goes on where it stopped.`,
		Example: `  mirror resume edge-region
  mirror resume edge-region clicks`,
		Args: cobra.RangeArgs(1, 2),
	}
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		return changePause(cmd, *path, &at, "resume", args, pauseRequest{}, *format)
	})
	return cmd
}

// changePause asks for a pause or its end.
func changePause(cmd *cobra.Command, path string, at *reach, what string, args []string, request pauseRequest, format output) error {
	c, err := at.control(cmd, path)
	if err != nil {
		return err
	}
	if len(args) > 1 {
		request.Topic = args[1]
	}
	done, err := c.pause(cmd.Context(), args[0], what, request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, strings.Join(args, " "), err)
	}
	return printPause(cmd.OutOrStdout(), done, format)
}

// pause sends the request.
func (c *control) pause(ctx context.Context, link, what string, request pauseRequest) (done pauseAnswer, err error) {
	return done, c.ask(ctx, http.MethodPost, "/api/v1/links/"+url.PathEscape(link)+"/"+what, request, &done, pauseWait)
}

func printPause(out io.Writer, done pauseAnswer, format output) error {
	if format == outputJSON {
		return printJSON(out, done)
	}
	name := "link " + done.Link
	if done.Topic != "" {
		name += ", topic " + done.Topic
	}
	if done.PausedUntil == nil {
		_, err := fmt.Fprintf(out, "%s: goes on\n", clean(name))
		return err
	}
	text := fmt.Sprintf("%s: paused until %s; end it before with: mirror resume %s\n", clean(name), done.PausedUntil.Local().Format("2006-01-02 15:04:05 MST"), resumeArgs(done))
	if done.Warning != "" {
		text += "WARNING  " + clean(done.Warning) + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

func resumeArgs(done pauseAnswer) string {
	if done.Topic == "" {
		return clean(done.Link)
	}
	return clean(done.Link + " " + done.Topic)
}
