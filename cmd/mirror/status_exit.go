package main

import (
	"cmp"
	"context"
	"errors"

	"tributary/pkg/check"
)

// judged shows the status once and ends with the exit code of the worst of what lag, headroom and daemon of check find.
func judged(ctx context.Context, o statusOptions, show func() error) error {
	address, err := statusAddress(o)
	if err != nil {
		return err
	}
	shown := show()
	if coded, ok := errors.AsType[*exitError](shown); ok {
		return coded
	}
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	asker := askAt(address)
	if hung, err := asker.hung(bounded); hung != "" || errors.Is(err, errHangs) {
		return &exitError{int(check.Critical), cmp.Or(shown, err, errors.New(hung))}
	}
	if shown != nil {
		return &exitError{int(check.Unknown), shown}
	}
	report, ready, now, err := asker.ask(bounded, true)
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
