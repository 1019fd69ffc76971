package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// urgency is the place of a state among all, the worst first. One that is not known here counts as worst: it is new, and hiding it
// would be wrong.
func urgency(state string) int { return slices.Index(api.States(), state) }

// row is one line of the table with what it is sorted by.
type row struct {
	cells    []string
	state    string
	deadline time.Time     // far away when unknown
	behind   time.Duration // the largest when unknown
	worst    api.Partition
}

const unknown = "?"

// statusText draws the table: a heading, the topics worst first, and the steps that are waiting for someone.
func statusText(r *api.Status, now time.Time, color bool) string {
	rows := statusRows(r, now)
	cells := table{{"LINK", "TO", "TOPIC", "OWNER", "STATE", "BEHIND", "LOSS IN", "LAG", "REGIME", "WHY"}}
	for _, row := range rows {
		cells = append(cells, row.cells)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s  zone %s  version %s\n", known(r.Instance), known(r.Zone), known(r.Version))
	if e := r.Eligible; e != nil && unusual(e) {
		fmt.Fprintf(&out, "TRAFFIC  %s\n", eligibleLine(e, now))
	}
	line := -1
	for text := range cells.lines() {
		if line >= 0 && color {
			text = paint(text, rows[line].state)
		}
		out.WriteString(text + "\n")
		line++
	}
	if len(rows) == 0 {
		out.WriteString("no topic is mirrored here\n")
	}
	for _, link := range r.Links {
		out.WriteString(poolLines(link, now))
	}
	out.WriteString(diskLines(r, now))
	out.WriteString(newHeartbeats(r).lines(now))
	said := map[string]bool{"": true}
	for _, row := range rows {
		if step := clean(row.worst.NextStep); !said[step] {
			out.WriteString(waysOn(row.worst))
			said[step] = true
		}
	}
	return out.String()
}

func statusRows(r *api.Status, now time.Time) []row {
	var rows []row
	for _, link := range r.Links {
		for _, topic := range link.Topics {
			if topic.State != api.StateElsewhere {
				rows = append(rows, newRow(link, topic, now))
			}
		}
		if len(link.Topics) == 0 {
			cells := []string{known(link.Name), known(link.To), "-", "-", known(link.State), unknown, unknown, unknown, unknown, cmp.Or(clean(link.Problem), "no topic matches yet")}
			rows = append(rows, row{cells: cells, state: link.State, deadline: now.AddDate(1000, 0, 0)})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(urgency(a.state), urgency(b.state)), a.deadline.Compare(b.deadline),
			cmp.Compare(b.behind, a.behind), slices.Compare(a.cells, b.cells))
	})
	return rows
}

func newRow(link api.Link, topic api.Topic, now time.Time) row {
	out := row{state: topic.State, deadline: now.AddDate(1000, 0, 0), behind: 1<<63 - 1}
	if topic.LossDeadline != nil {
		out.deadline = *topic.LossDeadline
	}
	behind, lag := unknown, unknown
	if topic.ReplicatedThrough != nil {
		out.behind = max(0, now.Sub(*topic.ReplicatedThrough))
		behind = check.Short(out.behind)
	}
	if topic.LagRecords != nil {
		lag = strconv.FormatInt(*topic.LagRecords, 10)
	}
	worst, regime := worstPartition(topic.Partitions)
	out.worst = worst
	out.cells = []string{known(link.Name), known(link.To), known(topic.Topic), known(topic.Owner), known(topic.State),
		behind, lossIn(topic.Outlook, link.Probe.Source, now), lag, known(regime), cmp.Or(why(worst), clean(topic.Problem), clean(link.Problem), clean(topic.Warning))}
	return out
}

// worstPartition returns the partition to explain a topic by, and the regime of all, careful when they differ.
func worstPartition(partitions []api.Partition) (worst api.Partition, regime string) {
	for i, p := range partitions {
		if i == 0 || urgency(p.State) < urgency(worst.State) || worst.NextStep == "" && p.NextStep != "" && p.State == worst.State {
			worst = p
		}
		if regime == "" || p.Regime == "careful" {
			regime = p.Regime
		}
	}
	return worst, regime
}

// why says in one line what is the matter with a partition.
func why(p api.Partition) string {
	var parts []string
	if p.Reason != "" {
		parts = append(parts, p.Reason)
	}
	if p.Lost != nil || p.Surplus != nil {
		parts = append(parts, "lost "+describeLoss(p.Lost, p.Surplus))
	}
	if p.Error != "" {
		parts = append(parts, p.Error)
	}
	if len(parts) == 0 {
		return ""
	}
	return clean(fmt.Sprintf("partition %d: %s", p.Partition, strings.Join(parts, ": ")))
}

// known shows a word that may be missing.
func known(word string) string {
	if word == "" {
		return unknown
	}
	return clean(word)
}

// clean replaces control characters: an error text may come from a broker, and must not steer the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// cleanLines is clean for a text of several lines.
func cleanLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, clean(strings.TrimSuffix(line, "\n")))
	}
	return strings.Join(lines, "\n")
}

// paint colours a line by its state: red for what loses time to act, yellow for what waits. The words say the same.
func paint(line, state string) string {
	switch u := urgency(state); {
	case u <= 1:
		return "\x1b[31m" + line + "\x1b[0m"
	case u <= 5:
		return "\x1b[33m" + line + "\x1b[0m"
	}
	return line
}
