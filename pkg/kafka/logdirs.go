package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// logDirsVersion is the first that names the size of the volume; the versions before lack it.
const logDirsVersion = 4

// LogDir is one log directory of a broker.
type LogDir struct {
	Path          string
	Total, Usable int64                      // bytes of its volume; -1 where the broker does not tell, as before Kafka 3.3
	Sizes         map[string]map[int32]int64 // bytes of the partitions that were asked about and are in it, by topic
}

// LogDirs asks the broker at addr for its log directories, and what the given partitions take there. A directory that the
// broker cannot use is left out. Without the right to describe the cluster it returns the code 31.
func (c *Cluster) LogDirs(ctx context.Context, addr string, partitions map[string][]int32) ([]LogDir, error) {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.SetVersion(logDirsVersion)
	req.Topics = []kmsg.DescribeLogDirsRequestTopic{} // nil would be all
	for _, name := range slices.Sorted(maps.Keys(partitions)) {
		topic := kmsg.NewDescribeLogDirsRequestTopic()
		topic.Topic, topic.Partitions = name, partitions[name]
		req.Topics = append(req.Topics, topic)
	}
	answer, err := c.askAt(ctx, addr, req)
	if err != nil {
		return nil, fmt.Errorf("%s: read log directories of %s: %w", c.name, addr, err)
	}
	dirs := answer.(*kmsg.DescribeLogDirsResponse)
	code := dirs.ErrorCode
	if code == 0 && len(dirs.Dirs) == 0 {
		code = codeClusterAuthorization // how brokers before version 3 of the request say it
	}
	if code != 0 {
		return nil, fmt.Errorf("%s: read log directories of %s: %w", c.name, addr, Error{code})
	}
	return newLogDirs(dirs), nil
}

func newLogDirs(answer *kmsg.DescribeLogDirsResponse) []LogDir {
	var dirs []LogDir
	for _, d := range answer.Dirs {
		if d.ErrorCode != 0 {
			continue
		}
		dir := LogDir{Path: d.Dir, Total: -1, Usable: -1, Sizes: map[string]map[int32]int64{}}
		if answer.Version >= logDirsVersion && d.TotalBytes > 0 && d.UsableBytes >= 0 {
			dir.Total, dir.Usable = d.TotalBytes, d.UsableBytes
		}
		for _, t := range d.Topics {
			sizes := make(map[int32]int64, len(t.Partitions))
			for _, p := range t.Partitions {
				if !p.IsFuture { // a copy under way to another directory
					sizes[p.Partition] = p.Size
				}
			}
			dir.Sizes[t.Topic] = sizes
		}
		dirs = append(dirs, dir)
	}
	return dirs
}
