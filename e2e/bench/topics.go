package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/e2e/kafka"
)

// logSize returns the bytes that a topic's log has on the disks of a cluster.
func logSize(ctx context.Context, c *kafka.Cluster, topic string) (int64, error) {
	var topics kadm.TopicsSet
	topics.Add(topic)
	for p := range int32(partitions) {
		topics.Add(topic, p)
	}
	dirs, err := c.Admin().DescribeAllLogDirs(ctx, topics)
	if err != nil {
		return 0, fmt.Errorf("describe the log of %s: %w", topic, err)
	}
	var total int64
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == topic {
				total += p.Size
			}
		})
	})
	if total == 0 {
		return 0, fmt.Errorf("describe the log of %s: it has no bytes", topic)
	}
	return total, nil
}

// removeTimeout bounds what is cleaned up behind a cell, also after the end of its context.
const removeTimeout = 30 * time.Second

// remove deletes a topic that a cell made.
func remove(ctx context.Context, c *kafka.Cluster, topic string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	return c.DeleteTopic(ctx, topic)
}

// countRecords returns how many records a topic has that were never deleted from.
func countRecords(ctx context.Context, c *kafka.Cluster, topic string) (int64, error) {
	ends, err := c.EndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, end := range ends {
		total += end
	}
	return total, nil
}
