package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"tributary/pkg/journal"
)

// Socket is where the mirror with a state directory takes commands.
func Socket(stateDir string) string { return filepath.Join(stateDir, "mirror.sock") }

// Events reads the journal in a state directory, whether or not a mirror runs: the newest limit events, or with after > 0
// the first limit of those with a greater id, oldest first, each as one line of JSON.
func Events(stateDir string, after uint64, limit int) ([]json.RawMessage, error) {
	events, err := journal.Read(stateDir, after, limit)
	if err != nil {
		return nil, err
	}
	lines := make([]json.RawMessage, len(events))
	for i, e := range events {
		if lines[i], err = json.Marshal(e); err != nil {
			return nil, fmt.Errorf("write event %d: %w", e.ID, err)
		}
	}
	return lines, nil
}

// journaled runs the process between the events of its start and its end. The journal takes events until all else ended.
func (p *process) journaled(ctx context.Context, version string) error {
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	var failed error // set before wg is done
	wg.Go(func() { failed = p.journal.Run(writing) })
	p.journal.Add(journal.Event{Kind: journal.KindProcessStarted, Text: "version " + version})
	err := p.run(ctx)
	ended := journal.Event{Kind: journal.KindProcessStopped, Text: "in good order"}
	if err != nil {
		ended.Text = err.Error()
	}
	p.journal.Add(ended)
	stop()
	wg.Wait()
	return errors.Join(err, failed)
}
