package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

// onSmallDisk starts a cluster of one broker whose data is on a disk of 192 MiB.
func onSmallDisk(t *testing.T) (c *kafka.Cluster, disk string) {
	t.Helper()
	disk = smallDisk(t, 192<<20)
	return kafka.New(t, kafka.Options{Dir: filepath.Join(disk, "kafka"), Properties: map[string]string{
		"log.retention.ms": "-1", "log.segment.bytes": "1048576", "log.index.size.max.bytes": "65536",
	}}), disk
}

// fullDisk fills the disk of a broker, which ends it, and makes room again.
func fullDisk(c *kafka.Cluster, disk string) strike {
	var filler string
	var size int64
	return strike{name: "disk full", hold: 5 * time.Second, visible: noticeWithin,
		begin: func(ctx context.Context) (err error) {
			if filler, size, err = fillDisk(disk); err != nil {
				return err
			}
			return poll(ctx, time.Minute, func(context.Context) error {
				if c.Node(1).Alive() {
					return fmt.Errorf("the broker still runs although its disk is full")
				}
				return nil
			})
		},
		proof: func(context.Context) (string, error) {
			return fmt.Sprintf("%d MB more were all that fitted, the broker ended itself", size/1e6), nil
		},
		end: func(ctx context.Context) error {
			if err := os.Remove(filler); err != nil {
				return err
			}
			return c.Node(1).Restart(ctx)
		},
	}
}

func sourceDiskFull(t *testing.T, e *evidence) {
	from, disk := onSmallDisk(t)
	e.endure(t, newRoute(t, "fault-e3", from, stage.home.get(t), 3), ordinaryTraffic, fullDisk(from, disk))
}

func destinationDiskFull(t *testing.T, e *evidence) {
	to, disk := onSmallDisk(t)
	e.endure(t, newRoute(t, "fault-r5", stage.edge.get(t), to, 3), ordinaryTraffic, fullDisk(to, disk))
}
