package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
)

// mirroredTopic is one topic on its way, as topics shows it. Nil is unknown, or does not apply.
type mirroredTopic struct {
	Link                   string   `json:"link"`
	From                   string   `json:"from"`
	To                     string   `json:"to"`
	Topic                  string   `json:"topic"`
	Destination            string   `json:"destination"`
	Partitions             int      `json:"partitions"` // that this mirror has
	Owner                  string   `json:"owner"`
	State                  string   `json:"state"`
	SourceRetentionSeconds *float64 `json:"source_retention_seconds"`
	SourceRetentionBytes   *int64   `json:"source_retention_bytes"`
	TargetRetentionSeconds *float64 `json:"target_retention_seconds"`
	OutageBudgetSeconds    *float64 `json:"outage_budget_seconds"`
	OutageBudgetAtMost     bool     `json:"outage_budget_at_most"`
	BytesPerSecond         *float64 `json:"bytes_per_second"`
}

func newTopics(path *string) *cobra.Command {
	return viewOf(&cobra.Command{
		Use:   "topics [LINK]",
		Short: "Show what is mirrored whereto, by whom, and how long both sides keep it",
		Long: `Show what is mirrored whereto, by whom, and how long both sides keep it. BUDGET is how long an outage may last that begins
while all is mirrored, at the traffic that 95 % of the last seven days stayed below; <= where not all that limits it is known.`,
		Example: `  mirror topics
  mirror topics edge-region -o json`,
	}, path, func(out io.Writer, r *api.Status, _ time.Time, format output) error {
		return printTopics(out, mirroredTopics(r), format)
	})
}

func mirroredTopics(r *api.Status) []mirroredTopic {
	list := []mirroredTopic{}
	for _, l := range r.Links {
		for _, t := range l.Topics {
			m := mirroredTopic{Link: l.Name, From: l.From, To: l.To, Topic: t.Topic, Destination: t.Destination, Partitions: len(t.Partitions), Owner: t.Owner, State: t.State,
				SourceRetentionSeconds: t.SourceRetentionSeconds, SourceRetentionBytes: t.SourceRetentionBytes, TargetRetentionSeconds: t.TargetRetentionSeconds, OutageBudgetSeconds: t.OutageBudgetSeconds,
				OutageBudgetAtMost: t.OutageBudgetAtMost}
			if t.Traffic != nil {
				m.BytesPerSecond = &t.Traffic.Now
			}
			list = append(list, m)
		}
	}
	return list
}

func printTopics(out io.Writer, list []mirroredTopic, format output) error {
	if format == outputJSON {
		return printJSON(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no topic is mirrored here; see topics.include of the links, and: mirror status")
		return err
	}
	rows := table{{"LINK", "FROM", "TOPIC", "TO", "AS", "PARTITIONS", "OWNER", "STATE", "TRAFFIC", "SOURCE KEEPS", "TARGET KEEPS", "BUDGET"}}
	for _, m := range list {
		partitions := strconv.Itoa(m.Partitions)
		if m.State == api.StateElsewhere {
			partitions = unknown
		}
		rows = append(rows, []string{known(m.Link), known(m.From), known(m.Topic), known(m.To), known(m.Destination), partitions, known(m.Owner), known(m.State),
			rate(m.BytesPerSecond), keeps(m.SourceRetentionSeconds, m.SourceRetentionBytes), keeps(m.TargetRetentionSeconds, nil), m.budget()})
	}
	_, err := io.WriteString(out, rows.String())
	return err
}

// budget says how long an outage may last, as far as it is known.
func (m *mirroredTopic) budget() string {
	if m.OutageBudgetSeconds != nil && m.OutageBudgetAtMost {
		return "<= " + seconds(m.OutageBudgetSeconds)
	}
	return seconds(m.OutageBudgetSeconds)
}

// keeps says for how long, or how much of each partition, a topic is kept.
func keeps(s *float64, bytes *int64) string {
	switch {
	case s != nil && bytes != nil:
		return seconds(s) + ", " + size(float64(*bytes))
	case s == nil && bytes != nil:
		return size(float64(*bytes))
	}
	return seconds(s)
}

func rate(bytesPerSecond *float64) string {
	if bytesPerSecond == nil {
		return unknown
	}
	return size(*bytesPerSecond) + "/s"
}

// size writes bytes for people, in the unit that leaves at most three digits before the point.
func size(bytes float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for bytes >= 1000 && i < len(units)-1 {
		bytes, i = bytes/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%.0fB", bytes)
	}
	return fmt.Sprintf("%.1f%s", bytes, units[i])
}
