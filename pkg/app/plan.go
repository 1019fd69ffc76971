package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
)

// PlanOptions say what a plan is made of.
type PlanOptions struct {
	Links []string     // names; none: all of the configuration
	Speed config.Bytes // per second, to reckon how long the backlog takes; 0: the link's rate, or no reckoning
}

// Plan is what a mirror would do, and what stands against it. In JSON fields are added, never changed; a number or time that is
// not known is null.
type Plan struct {
	At    time.Time  `json:"at"`
	OK    bool       `json:"ok"` // nothing would keep it from mirroring
	Links []PlanLink `json:"links"`
}

// PlanLink is one link of a plan.
type PlanLink struct {
	Name           string      `json:"name"`
	From           string      `json:"from"`
	To             string      `json:"to"`
	Guarantee      string      `json:"guarantee"`
	Ownership      string      `json:"ownership"` // static or zookeeper
	Findings       []Finding   `json:"findings"`  // those that stop it first
	WaitingRecords *int64      `json:"waiting_records"`
	WaitingBytes   *int64      `json:"waiting_bytes"`
	SpeedBytes     *int64      `json:"speed_bytes_per_second"` // that the time is reckoned with
	Seconds        *float64    `json:"seconds"`                // until the backlog is through, if nothing more came
	Topics         []PlanTopic `json:"topics"`
}

// Finding is something that an operator should know before the start.
type Finding struct {
	Stops bool   `json:"stops"` // it keeps the link, or the topic, from being mirrored
	Topic string `json:"topic"` // at the source; "" the whole link
	Text  string `json:"text"`  // what it is, and what to do about it
}

// What becomes of a destination topic.
const (
	PlanUses    = "uses"    // it is there
	PlanCreates = "creates" // it is made
	PlanGrows   = "grows"   // it gets more partitions
	PlanStops   = "stops"   // it would be needed, and create is false
)

// PlanTopic is one topic of a link.
type PlanTopic struct {
	Topic                  string          `json:"topic"`
	Destination            string          `json:"destination"`
	Action                 string          `json:"action"`                 // uses, creates, grows or stops
	DestinationPartitions  *int            `json:"destination_partitions"` // afterwards; null: the destination's default
	WaitingRecords         *int64          `json:"waiting_records"`        // offsets, so an upper bound
	WaitingBytes           *int64          `json:"waiting_bytes"`
	OldestWaiting          *time.Time      `json:"oldest_waiting"` // a lower bound
	Regime                 string          `json:"regime"`         // fresh or careful; "" not known
	SourceRetentionSeconds *float64        `json:"source_retention_seconds"`
	TargetRetentionSeconds *float64        `json:"target_retention_seconds"`
	Partitions             []PlanPartition `json:"partitions"`
}

// PlanPartition is where a partition goes on, and where its records go.
type PlanPartition struct {
	Partition   int32  `json:"partition"`
	Destination *int32 `json:"destination_partition"` // null: decided when the topic is made
	Next        *int64 `json:"next_offset"`           // of the first record that would be copied
	Saved       bool   `json:"saved"`                 // it goes on at a position; else it begins
	End         *int64 `json:"source_end_offset"`
}

// planTimeout bounds the questions of one link.
const planTimeout = time.Minute

// MakePlan asks the clusters what running cfg would do. It changes nothing at either, and starts nothing. The error is of what was
// asked for; what is wrong with the clusters is in the plan.
func MakePlan(ctx context.Context, cfg *config.Config, o PlanOptions, log *slog.Logger) (*Plan, error) {
	for _, name := range o.Links {
		if !slices.ContainsFunc(cfg.Links, func(l config.Link) bool { return l.Name == name }) {
			return nil, usage("there is no link %q in the configuration", name)
		}
	}
	clusters := &dialed{log: log, byName: map[string]*kafka.Cluster{}}
	defer clusters.close()
	plan := &Plan{At: time.Now().UTC(), OK: true, Links: []PlanLink{}}
	for _, l := range cfg.Links {
		if len(o.Links) > 0 && !slices.Contains(o.Links, l.Name) {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, planTimeout)
		planned, err := planLink(bounded, cfg, l, o, clusters, log)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", l.Name, err)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		plan.Links = append(plan.Links, planned)
		plan.OK = plan.OK && !slices.ContainsFunc(planned.Findings, func(f Finding) bool { return f.Stops })
	}
	return plan, nil
}
