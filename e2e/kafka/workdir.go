package kafka

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// dataName is the directory, in the directory of a node, that is removed when only logs are kept.
const dataName = "data"

// workDir is the directory of one cluster or ensemble; each node has a directory in it.
type workDir struct {
	path      string
	temporary bool // made here, so removed here
	keepLogs  atomic.Bool
}

// openWorkDir creates the directory, which must be empty; an empty path asks for a temporary one.
func openWorkDir(path, pattern string) (*workDir, error) {
	if path == "" {
		temp, err := os.MkdirTemp("", "tributary-"+pattern+"-")
		if err != nil {
			return nil, fmt.Errorf("create a temporary directory: %w", err)
		}
		return &workDir{path: temp, temporary: true}, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolve the directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("create the directory: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("directory %s is not empty", path)
	}
	return &workDir{path: path}, nil
}

// node creates and returns the directory of one node.
func (d *workDir) node(name string) (string, error) {
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(filepath.Join(path, dataName), 0o755); err != nil {
		return "", fmt.Errorf("create the directory of %s: %w", name, err)
	}
	return path, nil
}

// close removes a temporary directory, or all but the logs and the configuration.
func (d *workDir) close() error {
	if !d.temporary {
		return nil
	}
	if !d.keepLogs.Load() {
		return os.RemoveAll(d.path)
	}
	data, err := filepath.Glob(filepath.Join(d.path, "*", dataName))
	if err != nil {
		return fmt.Errorf("list data directories: %w", err)
	}
	var errs []error
	for _, path := range data {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}
