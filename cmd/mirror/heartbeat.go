package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// forgetTimeout is more than the mirror itself takes, so that it is the mirror that says how it ended.
const forgetTimeout = 30 * time.Second

// heartbeats are the part of the status that is about heartbeats, worst first.
type heartbeats struct {
	origins  []api.Heartbeat
	clusters []api.HeartbeatCluster
}

// heartbeatStates are in the order of urgency, the worst first. One that is not known here counts as worst.
func heartbeatStates() []string {
	return []string{api.HeartbeatSilent, api.HeartbeatUnknown, api.HeartbeatWarn, api.HeartbeatOK}
}

func newHeartbeat(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "heartbeat",
		Short: "Show the mirrors whose heartbeats arrive here, and those that are silent, worst first",
		Long: `Show the mirrors whose heartbeats arrive at the clusters that this mirror reads (heartbeat.read), worst first. AGE is the
time since the newest one was written, LAG and LOSS IN are what it said: LOSS IN goes on falling while the mirror is
silent, as it is a time that comes nearer. A "?" stands for what is not known. The running mirror is asked; no cluster is.`,
		Example: `  mirror heartbeat
  mirror heartbeat -o json | jq '.heartbeats[] | select(.state == "silent") | .origin'
  mirror heartbeat forget ad-0417`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	var o statusOptions
	cmd.Flags().StringVar(&o.address, "address", "", "`host:port` of the mirror (default: listen of the configuration)")
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		o.config, o.named, o.format = *path, cmd.Flags().Changed("config"), *format
		return showHeartbeats(cmd.Context(), cmd.OutOrStdout(), o)
	})
	cmd.AddCommand(newForget(path))
	return cmd
}

func newForget(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget ORIGIN",
		Short: "Expect no more heartbeats of a mirror that is gone for good",
		Long: `Expect no more heartbeats of a mirror that is gone for good: it is not called silent any more, and what it lost is no
longer counted. One that is heard again is back. Without this an origin is forgotten after seven days of silence. The
running mirror is asked through the socket in its state directory; that it was done is kept in its journal (mirror events).`,
		Example: `  mirror heartbeat forget ad-0417`,
		Args:    cobra.ExactArgs(1),
	}
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return forget(cmd.Context(), cmd.OutOrStdout(), c, args[0], *format)
	})
	return cmd
}

func forget(ctx context.Context, out io.Writer, c *control, origin string, format output) error {
	var done struct {
		Origin string           `json:"origin"`
		Was    *json.RawMessage `json:"was"`
	}
	if err := c.ask(ctx, http.MethodPost, "/api/v1/heartbeats/"+url.PathEscape(origin)+"/forget", struct{}{}, &done, forgetTimeout); err != nil {
		return err
	}
	if format == outputJSON {
		return printJSON(out, done)
	}
	_, err := fmt.Fprintf(out, "origin %s is forgotten, until it is heard again\n", clean(done.Origin))
	return err
}

// showHeartbeats prints the origins. Where none are read that is an error, as there would be none at any time.
func showHeartbeats(ctx context.Context, out io.Writer, o statusOptions) error {
	address, err := statusAddress(o)
	if err != nil {
		return err
	}
	body, err := fetchStatus(ctx, address, o.config)
	if err != nil {
		return err
	}
	var report api.Status
	if err := json.Unmarshal(body, &report); err != nil {
		return fmt.Errorf("read the status of %s: %w; is that a mirror of this version?", address, err)
	}
	heard := newHeartbeats(&report)
	if !heard.reads() {
		return fmt.Errorf("the mirror at %s reads no heartbeats; ask one that has heartbeat.read in its configuration, with --address", address)
	}
	if o.format == outputJSON {
		return printHeartbeats(out, body)
	}
	_, err = io.WriteString(out, heard.render(time.Now(), useColor(out)))
	return err
}

// newHeartbeats puts the worst first: by state, by how soon it loses something, by age.
func newHeartbeats(r *api.Status) heartbeats {
	never := time.Unix(1<<40, 0)
	states := heartbeatStates()
	return heartbeats{clusters: r.HeartbeatClusters, origins: slices.SortedStableFunc(slices.Values(r.Heartbeats), func(a, b api.Heartbeat) int {
		return cmp.Or(cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State)),
			lossDeadline(a, never).Compare(lossDeadline(b, never)), a.Time.Compare(b.Time), cmp.Compare(a.Origin, b.Origin))
	})}
}

func (r heartbeats) reads() bool {
	return slices.ContainsFunc(r.clusters, func(c api.HeartbeatCluster) bool { return c.Side == api.SideRead })
}

// printHeartbeats writes what the mirror said of heartbeats, with fields that this version does not know as they are.
func printHeartbeats(out io.Writer, body []byte) error {
	var report struct {
		Heartbeats json.RawMessage `json:"heartbeats"`
		Clusters   json.RawMessage `json:"heartbeat_clusters"`
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return fmt.Errorf("read the mirror's status: %w", err)
	}
	return printJSON(out, report)
}

// render draws the table, and under it what keeps heartbeats from being written or read.
func (r heartbeats) render(now time.Time, color bool) string {
	cells := table{{"ORIGIN", "STATE", "AGE", "LOST", "LATENCY", "LAG", "LOSS IN", "VERSION", "WHY"}}
	for _, h := range r.origins {
		cells = append(cells, heartbeatCells(h, now))
	}
	var out strings.Builder
	if len(r.origins) > 0 {
		line := -1
		for text := range cells.lines() {
			if line >= 0 && color {
				text = paintHeartbeat(r.origins[line], text)
			}
			out.WriteString(text + "\n")
			line++
		}
	}
	out.WriteString(r.counts() + "\n")
	for _, c := range r.clusters {
		if c.Problem != "" {
			fmt.Fprintf(&out, "%s at %s: %s\n", clean(c.Side), clean(c.Cluster), clean(c.Problem))
		}
	}
	return out.String()
}

// counts says in one line how many origins are how.
func (r heartbeats) counts() string {
	if len(r.origins) == 0 {
		return "heartbeats: none was heard yet"
	}
	count := map[string]int{}
	for _, h := range r.origins {
		count[h.State]++
	}
	var parts []string
	for _, state := range slices.Backward(heartbeatStates()) {
		if n := count[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, shout(state)))
		}
	}
	return fmt.Sprintf("heartbeats of %d origins: %s", len(r.origins), strings.Join(parts, ", "))
}

// shout is the word for a state: what is silent must not be overlooked.
func shout(state string) string {
	if state == api.HeartbeatSilent {
		return strings.ToUpper(state)
	}
	return clean(state)
}

// lossDeadline is when the origin may lose something, as it said last.
func lossDeadline(h api.Heartbeat, never time.Time) time.Time {
	if h.Summary == nil || h.Summary.LossDeadline == nil {
		return never
	}
	return *h.Summary.LossDeadline
}

func heartbeatCells(h api.Heartbeat, now time.Time) []string {
	latency, lag, loss, version := unknown, unknown, unknown, unknown
	if h.LatencySeconds != nil {
		latency = strconv.FormatFloat(*h.LatencySeconds, 'f', 2, 64) + "s"
	}
	if s := h.Summary; s != nil {
		version = known(s.Version)
		if s.LagSeconds != nil {
			lag = check.Short(time.Duration(*s.LagSeconds * float64(time.Second)))
		}
		if s.LossDeadline != nil {
			loss = untilLoss(*s.LossDeadline, now)
		}
	}
	return []string{known(h.Origin), shout(h.State), check.Short(max(0, now.Sub(h.Time))), strconv.FormatInt(h.Lost, 10), latency, lag, loss, version, clean(h.Why)}
}

// untilLoss is the time that is left.
func untilLoss(deadline, now time.Time) string {
	if !deadline.After(now) {
		return "over"
	}
	return check.Short(deadline.Sub(now))
}

// paintHeartbeat colours a line: red for silence, yellow for what is not well. The words say the same.
func paintHeartbeat(h api.Heartbeat, line string) string {
	switch h.State {
	case api.HeartbeatOK:
		return line
	case api.HeartbeatSilent:
		return "\x1b[31m" + line + "\x1b[0m"
	}
	return "\x1b[33m" + line + "\x1b[0m"
}

// lines are what the status shows of heartbeats: how many origins are how, and the worst that are not well.
func (r heartbeats) lines(now time.Time) string {
	if len(r.clusters) == 0 {
		return ""
	}
	var out strings.Builder
	if r.reads() {
		out.WriteString(r.counts() + "\n")
	}
	const few = 5
	for i, h := range r.origins {
		if h.State == api.HeartbeatOK {
			break
		}
		if i == few {
			out.WriteString("  all: mirror heartbeat\n")
			break
		}
		loss := "loss in " + untilLoss(lossDeadline(h, now), now)
		if h.Summary == nil || h.Summary.LossDeadline == nil {
			loss = "loss in " + unknown
		}
		fmt.Fprintf(&out, "  %s %s: written %s ago, %s: %s\n", known(h.Origin), shout(h.State), check.Short(max(0, now.Sub(h.Time))), loss, clean(h.Why))
	}
	for _, c := range r.clusters {
		if c.Problem != "" {
			fmt.Fprintf(&out, "heartbeats, %s at %s: %s\n", clean(c.Side), clean(c.Cluster), clean(c.Problem))
		}
	}
	return out.String()
}
