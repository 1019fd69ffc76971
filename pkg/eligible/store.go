package eligible

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tributary/pkg/durable"
)

// fileName is the file of the state directory that outlives the process: an operator's word must.
const fileName = "eligible.json"

// load returns the state that was saved, nil where there is none.
func load(dir string) (*State, error) {
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read whether the host takes traffic: %w", err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read whether the host takes traffic from %s: %w; remove it to begin anew", fileName, err)
	}
	return &s, nil
}

// save replaces what was saved. A power cut leaves the one or the other.
func save(dir string, s State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save whether the host takes traffic: %w", err)
	}
	if err := durable.Replace(filepath.Join(dir, fileName), text); err != nil {
		return fmt.Errorf("save whether the host takes traffic: %w", err)
	}
	return nil
}
