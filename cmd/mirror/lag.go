package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
)

// keepsPace is how much faster than time a topic must get on for it to be catching up.
const keepsPace = 1.02

// topicLag is how far behind a topic is, as lag shows it. Nil is unknown.
type topicLag struct {
	Link        string   `json:"link"`
	Topic       string   `json:"topic"`
	State       string   `json:"state"`
	LagRecords  *int64   `json:"lag_records"`
	LagSeconds  *float64 `json:"lag_seconds"`
	Speed       *float64 `json:"speed"`        // seconds of the source per second: 1 keeps pace
	ETASeconds  *float64 `json:"eta_seconds"`  // until it has caught up; null too where it does not
	LossSeconds *float64 `json:"loss_seconds"` // until something may be lost, negative once it may have been
	LossCause   string   `json:"loss_cause"`
}

func newLag(path *string) *cobra.Command {
	return viewOf(&cobra.Command{
		Use:   "lag [LINK]",
		Short: "Show how far behind every topic is, how fast it gets on, and when it has caught up",
		Long: `Show how far behind every topic is, the one that is next to lose something first. SPEED is in seconds of the source per
second, over the last minute: 1x keeps pace, 0x stands still, 6x catches up. A "?" stands for what is not known.`,
		Example: `  mirror lag
  mirror lag edge-region
  mirror lag -o json | jq -r '.[] | select(.lag_seconds > 60) | .topic'`,
	}, path, func(out io.Writer, r *api.Status, now time.Time, format output) error {
		return printLags(out, lags(r, now), format)
	})
}

// lags are those of all topics, most urgent first.
func lags(r *api.Status, now time.Time) []topicLag {
	list := []topicLag{}
	for _, l := range r.Links {
		for _, t := range mine(l) {
			list = append(list, lagOf(l, t, now))
		}
	}
	slices.SortStableFunc(list, func(a, b topicLag) int {
		return cmp.Or(compareKnown(a.LossSeconds, b.LossSeconds), -compareKnown(a.LagSeconds, b.LagSeconds), cmp.Compare(a.Link, b.Link), cmp.Compare(a.Topic, b.Topic))
	})
	return list
}

// compareKnown puts what is not known behind all that is.
func compareKnown(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(*a, *b)
}

func lagOf(l api.Link, t api.Topic, now time.Time) topicLag {
	g := topicLag{Link: l.Name, Topic: t.Topic, State: t.State, LagRecords: t.LagRecords, Speed: t.Speed, LossSeconds: secondsUntil(now, t.LossDeadline), LossCause: t.LossCause}
	if t.ReplicatedThrough == nil {
		return g
	}
	behind := max(0, now.Sub(*t.ReplicatedThrough).Seconds())
	g.LagSeconds = &behind
	switch {
	case t.State == "caught_up":
		g.ETASeconds = new(0.0)
	case t.Speed != nil && *t.Speed > keepsPace:
		g.ETASeconds = new(behind / (*t.Speed - 1))
	}
	return g
}

func printLags(out io.Writer, list []topicLag, format output) error {
	if format == outputJSON {
		return printJSON(out, list)
	}
	rows := table{{"LINK", "TOPIC", "STATE", "BEHIND", "RECORDS", "SPEED", "CAUGHT UP IN", "LOSS IN"}}
	for _, g := range list {
		rows = append(rows, []string{known(g.Link), known(g.Topic), known(g.State), seconds(g.LagSeconds), count(g.LagRecords), speed(g.Speed), g.eta(), g.loss()})
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no topic is mirrored here, or none is known yet; see: mirror doctor")
		return err
	}
	_, err := io.WriteString(out, rows.String())
	return err
}

// eta is when it has caught up, for people.
func (g topicLag) eta() string {
	switch {
	case g.ETASeconds != nil && *g.ETASeconds == 0:
		return "-"
	case g.ETASeconds != nil:
		return seconds(g.ETASeconds)
	case g.Speed != nil:
		return "never at this speed"
	}
	return unknown
}

// loss is when something may be lost, for people.
func (g topicLag) loss() string {
	switch {
	case g.LossSeconds == nil:
		return unknown
	case *g.LossSeconds <= 0:
		return "NOW (" + clean(g.LossCause) + ")"
	}
	return seconds(g.LossSeconds) + " (" + clean(g.LossCause) + ")"
}

func count(n *int64) string {
	if n == nil {
		return unknown
	}
	return strconv.FormatInt(*n, 10)
}

func speed(s *float64) string {
	if s == nil {
		return unknown
	}
	return strconv.FormatFloat(*s, 'f', 2, 64) + "x"
}
