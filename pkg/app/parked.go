package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
	"tributary/pkg/park"
)

// ParkedOptions say which parked records are meant.
type ParkedOptions struct {
	Link, Topic string // "" for all
	Partition   int32  // of the source; -1 for all
	Offset      int64  // of the source; -1 for all
	ToTopic     string // of a replay: where to instead of where they belonged, "" for that
	DryRun      bool   // of a replay
}

func (o ParkedOptions) filter() park.Filter {
	return park.Filter{Link: o.Link, Topic: o.Topic, Partition: o.Partition, Offset: o.Offset}
}

// ParkedEntry is one record of mirror.parked.
type ParkedEntry = park.Entry

// ReplayedEntry is what became of one in a replay.
type ReplayedEntry = park.Replayed

// ParkedTopic is where a destination cluster keeps what its links could not copy.
const ParkedTopic = park.Topic

// ListParked calls found with what is parked at the destinations of the configured links, or of the one that o names. It
// returns how many records of the topic were not written by a mirror. The error may be tried with IsUsage.
func ListParked(ctx context.Context, cfg *config.Config, o ParkedOptions, found func(ParkedEntry) error, log *slog.Logger) (foreign int, err error) {
	err = eachDestination(cfg, o.Link, log, func(c *kafka.Cluster) error {
		n, err := park.List(ctx, c, o.filter(), found)
		foreign += n
		return err
	})
	return foreign, err
}

// ReplayParked writes what is parked to where it belonged, and calls told with what became of each entry.
func ReplayParked(ctx context.Context, cfg *config.Config, o ParkedOptions, told func(ReplayedEntry) error, log *slog.Logger) error {
	return eachDestination(cfg, o.Link, log, func(c *kafka.Cluster) error {
		return park.Replayer{Cluster: c, Topic: o.ToTopic, DryRun: o.DryRun}.Run(ctx, o.filter(), told)
	})
}

// eachDestination calls do once with every cluster that links go to.
func eachDestination(cfg *config.Config, link string, log *slog.Logger, do func(*kafka.Cluster) error) error {
	clusters := &dialed{log: log, byName: map[string]*kafka.Cluster{}}
	defer clusters.close()
	known := false
	for _, l := range cfg.Links {
		if link != "" && l.Name != link {
			continue
		}
		known = true
		if clusters.byName[l.To] != nil {
			continue
		}
		c, err := clusters.named(l.To, cfg.Clusters[l.To])
		if err != nil {
			return err
		}
		if err := do(c); err != nil {
			return err
		}
	}
	if !known {
		return usage("there is no link %s in the configuration; its links are %s", link, strings.Join(linkNames(cfg), ", "))
	}
	return nil
}

// ParkedPlace names an entry's place in the topic.
func ParkedPlace(e ParkedEntry) string {
	return fmt.Sprintf("%s %s/%d@%d", e.Cluster, park.Topic, e.Partition, e.Offset)
}
