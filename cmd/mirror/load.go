package main

import (
	"errors"
	"fmt"
	"io/fs"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// loadConfig loads the file at path; every error ends with exit code 78 and a next step.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path, app.Supported)
	if err != nil {
		return nil, &exitError{exitConfig, explain(path, err)}
	}
	return cfg, nil
}

// explain adds what to do about an unusable configuration.
func explain(path string, err error) error {
	if _, ok := errors.AsType[*config.Problems](err); ok {
		return fmt.Errorf("the configuration is not sound; no cluster was touched:\n%w", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; write one with mirror init, or from configs/reference.yaml, or name another with --config", err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; run it as the user the service runs as, or make %s readable", err, path)
	}
	return err
}
