package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dumpGrace is how long a JVM may take to write its class archive when it ends: 3 s on an idle machine.
const dumpGrace = 2 * time.Minute

// warm runs the version once, to keep what every later start uses: the checkpoint of a formatted storage, and an
// archive of the loaded classes.
func (h home) warm(ctx context.Context, version Version) error {
	temp := filepath.Join(h.dir, archiveName+".tmp")
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("remove an unfinished class archive: %w", err)
	}
	flags := append(quickStart(), "-XX:ArchiveClassesAtExit="+temp)
	var err error
	if version == zooKeeper39 {
		err = h.warmZooKeeper(ctx, flags)
	} else {
		err = h.warmKafka(ctx, version, flags)
	}
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if _, err := os.Stat(temp); os.IsNotExist(err) { // this JVM makes none: starts only take longer
		if err := os.WriteFile(temp, nil, 0o644); err != nil {
			return fmt.Errorf("mark the missing class archive: %w", err)
		}
	}
	if err := os.Rename(temp, filepath.Join(h.dir, archiveName)); err != nil {
		return fmt.Errorf("keep the class archive: %w", err)
	}
	return nil
}

func (h home) warmZooKeeper(ctx context.Context, flags []string) error {
	z, err := startZooKeeper(ctx, h, ZooKeeperOptions{JVMArgs: flags})
	if err != nil {
		return err
	}
	return errors.Join(z.Node(1).current().stop(dumpGrace), z.Stop())
}

func (h home) warmKafka(ctx context.Context, version Version, flags []string) error {
	if !version.usesZooKeeper() {
		if err := h.saveCheckpoint(ctx, version); err != nil {
			return err
		}
	}
	o, err := Options{Version: version, JVMArgs: flags}.withDefaults()
	if err != nil {
		return err
	}
	c, err := startCluster(ctx, h, o)
	if err != nil {
		return err
	}
	err = c.roundTrip(ctx)
	return errors.Join(err, c.Node(1).current().stop(dumpGrace), c.Stop())
}

// roundTrip writes one record and reads it back through a group, so that the classes for it are loaded.
func (c *Cluster) roundTrip(ctx context.Context) error {
	const topic = "warm-up"
	if err := c.CreateTopic(ctx, topic, 1, 1, nil); err != nil {
		return err
	}
	client, err := c.Client(kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(topic)}).FirstErr(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := client.PollFetches(ctx).Err(); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
