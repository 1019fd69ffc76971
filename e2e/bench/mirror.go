package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// startMirror starts the mirror with a state and a group that never were, and every other setting at its default.
func startMirror(_ context.Context, b *bed, j job) (process, error) {
	dir := filepath.Join(b.dir, j.name+"-mirror")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the mirror's directory: %w", err)
	}
	config, err := yaml.Marshal(b.mirrorConfig(j, dir))
	if err != nil {
		return nil, fmt.Errorf("encode the mirror's configuration: %w", err)
	}
	path := filepath.Join(dir, "mirror.yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, fmt.Errorf("write the mirror's configuration: %w", err)
	}
	return startChild(dir, "mirror", b.mirror, "run", "-c", path)
}

// mirrorConfig is a configuration file by its keys.
func (b *bed) mirrorConfig(j job, dir string) map[string]any {
	source := map[string]any{"brokers": b.source.Direct()}
	destination := map[string]any{"brokers": b.destination.Direct()}
	if j.tls {
		tls := map[string]any{"ca": b.secure.authority}
		source = map[string]any{"brokers": []string{b.secure.source}, "tls": tls}
		destination = map[string]any{"brokers": []string{b.secure.destination}, "tls": tls}
	}
	return map[string]any{
		"instance":  "bench",
		"listen":    "127.0.0.1:0",
		"memory":    fmt.Sprintf("%dMiB", b.memory),
		"state_dir": filepath.Join(dir, "state"),
		"clusters":  map[string]any{"source": source, "destination": destination},
		"links": []any{map[string]any{
			"name": j.name, "from": "source", "to": "destination",
			"topics": map[string]any{"include": []string{j.source}, "rename": "{link}-{topic}"},
		}},
	}
}
