package main

import (
	"context"
	"errors"

	"tributary/pkg/check"
)

// judged shows the status once and ends with the exit code of the worst of what lag, headroom and daemon of check find.
func judged(ctx context.Context, o statusOptions, show func() error) error {
	if err := show(); err != nil {
		if coded, ok := errors.AsType[*exitError](err); ok {
			return coded
		}
		return &exitError{int(check.Unknown), err}
	}
	address, err := statusAddress(o)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	report, ready, now, err := askAt(address).ask(bounded, true)
	if err != nil {
		return &exitError{int(check.Unknown), err}
	}
	of := check.Options{Link: o.link}
	worst := check.Worst(check.Lag(report, now, of), check.Headroom(report, now, of), check.Daemon(report, ready, now, of))
	if worst == check.OK {
		return nil
	}
	return &exitError{code: int(worst)}
}
