package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

const (
	waitVerifyMemory = 256 * config.MiB // for sums and sorting, as verify has it
	waitVerifyPause  = 5 * time.Second  // between two comparisons that could not compare all
)

// awaitVerified compares what the links hold until nothing is left that could not be compared, or ctx ends. What differs is an
// error: waiting does not cure it.
func awaitVerified(ctx context.Context, o waitOptions, progress io.Writer) (left []string, err error) {
	cfg, err := loadConfig(o.config)
	if err != nil {
		return nil, err
	}
	bar := &progressBar{out: progress, terminal: isTerminal(progress)}
	if !bar.terminal {
		bar.out = io.Discard
	}
	defer bar.clear()
	err = logged(progress, config.Log{Level: "error", Format: "auto"}, func(log *slog.Logger, _ *slog.LevelVar) error {
		for {
			var different error
			if left, different = verifyOnce(ctx, cfg, o, bar, log); different != nil || len(left) == 0 {
				return different
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(waitVerifyPause):
			}
		}
	})
	return left, err
}

// verifyOnce compares each link once, and names those of which not all could be compared.
func verifyOnce(ctx context.Context, cfg *config.Config, o waitOptions, bar *progressBar, log *slog.Logger) (left []string, err error) {
	for _, l := range cfg.Links {
		if o.link != "" && l.Name != o.link {
			continue
		}
		options := app.VerifyOptions{Link: l.Name, Timeout: o.timeout, Memory: waitVerifyMemory}
		if o.topic != "" {
			options.Topics = []string{o.topic}
		}
		results, err := app.Verify(ctx, cfg, options, bar.show, log)
		switch {
		case err != nil:
			return nil, err
		case results.Different():
			return nil, fmt.Errorf("link %s: the destination differs from the source; see: mirror verify %s", l.Name, l.Name)
		case results.Inconclusive():
			left = append(left, l.Name+": not all could be compared; see: mirror verify "+l.Name)
		}
	}
	return left, nil
}
