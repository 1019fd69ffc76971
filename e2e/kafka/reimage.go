package kafka

import (
	"context"
	"fmt"
	"os"
)

// Reimage gives every node an empty data directory and the cluster a new id, at the same addresses, as the fresh
// installation of a host does. It returns when the new cluster serves. KRaft only.
func (c *Cluster) Reimage(ctx context.Context) error {
	if c.version.usesZooKeeper() {
		return fmt.Errorf("reimage: %s keeps its cluster id in ZooKeeper", c.version)
	}
	id := newUUID()
	for _, n := range c.nodes {
		if err := n.Kill(); err != nil {
			return fmt.Errorf("reimage: %w", err)
		}
	}
	for _, n := range c.nodes {
		if err := n.reformat(c.home, id); err != nil {
			return fmt.Errorf("reimage: %w", err)
		}
	}
	if err := c.start(ctx); err != nil {
		return fmt.Errorf("reimage: %w", err)
	}
	return nil
}

func (n *Node) reformat(h home, clusterID string) error {
	if err := os.RemoveAll(n.dataDir()); err != nil {
		return err
	}
	if err := os.Mkdir(n.dataDir(), 0o755); err != nil {
		return err
	}
	return h.formatStorage(n.dataDir(), clusterID, n.id)
}
