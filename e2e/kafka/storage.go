package kafka

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// formatStorage prepares the data directory of a KRaft node. It writes what StorageTool would, in no time: the
// checkpoint is the tool's own of the same version, and holds nothing of a node or a cluster but feature levels.
func (h home) formatStorage(data, clusterID string, id int32) error {
	checkpoint, err := os.ReadFile(filepath.Join(h.dir, checkpointName))
	if err != nil {
		return fmt.Errorf("format storage: %w", err)
	}
	if err := os.WriteFile(filepath.Join(data, checkpointName), checkpoint, 0o644); err != nil {
		return fmt.Errorf("format storage: %w", err)
	}
	meta := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", clusterID, id, newUUID())
	if err := os.WriteFile(filepath.Join(data, "meta.properties"), []byte(meta), 0o644); err != nil {
		return fmt.Errorf("format storage: %w", err)
	}
	return nil
}

// saveCheckpoint lets StorageTool format a directory, and keeps the checkpoint that formatStorage copies.
func (h home) saveCheckpoint(ctx context.Context, version Version) error {
	temp, err := os.MkdirTemp("", "tributary-format-")
	if err != nil {
		return fmt.Errorf("create a temporary directory: %w", err)
	}
	defer os.RemoveAll(temp)

	l := &layout{
		options:   Options{Version: version},
		clusterID: newUUID(),
		brokers:   []broker{{id: 1, direct: loopback(firstPort), controller: loopback(firstPort + 1)}},
	}
	config := filepath.Join(temp, "server.properties")
	if err := writeProperties(config, l.properties(&l.brokers[0], temp, nil)); err != nil {
		return err
	}
	argv, err := h.command(jvm{heapMB: defaultHeapMB, main: "kafka.tools.StorageTool",
		args: []string{"format", "--cluster-id", l.clusterID, "--config", config}})
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("run StorageTool: %w: %s", err, bytes.TrimSpace(out))
	}
	if err := os.Rename(filepath.Join(temp, dataName, checkpointName), filepath.Join(h.dir, checkpointName)); err != nil {
		return fmt.Errorf("keep the checkpoint: %w", err)
	}
	return nil
}
