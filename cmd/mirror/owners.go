package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

func newOwners(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "owners [LINK]",
		Short: "Show which member of a pool mirrors what",
		Long: `Show which member of a pool mirrors what: a topic, or a range of the partitions of a large one (wide@2/4), with the
member that takes it when its owner dies. What has no owner comes first. Any member may be asked: it is asked through
the socket in its state directory, and answers as it sees the pool.`,
		Example: `  mirror owners
  mirror owners region-home
  mirror owners region-home -o json | jq -r '.pools[].units[] | select(.owner == "mirror-3") | .unit'`,
		Args: cobra.MaximumNArgs(1),
	}
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	cmd.ValidArgsFunction = completePools(path, &at, false)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return showOwners(cmd.Context(), cmd.OutOrStdout(), c, strings.Join(args, ""), *format)
	})
	return cmd
}

// showOwners prints the pools, or with a link the one of it.
func showOwners(ctx context.Context, out io.Writer, c *control, link string, format output) error {
	var report struct {
		Instance string            `json:"instance"`
		Pools    []json.RawMessage `json:"pools"` // with fields that this version does not know
	}
	if err := c.get(ctx, "/api/v1/pool", &report); err != nil {
		return err
	}
	pools := make([]api.Pool, len(report.Pools))
	for i, raw := range report.Pools {
		if err := json.Unmarshal(raw, &pools[i]); err != nil {
			return fmt.Errorf("read the mirror's pools: %w; is that a mirror of this version?", err)
		}
	}
	if i := slices.IndexFunc(pools, func(p api.Pool) bool { return p.Link == link }); i >= 0 {
		report.Pools, pools = report.Pools[i:i+1], pools[i:i+1]
	} else if link != "" || len(pools) == 0 {
		return noPool(link, pools)
	}
	if format == outputJSON {
		return printJSON(out, report)
	}
	var text strings.Builder
	for i := range pools {
		if i > 0 {
			text.WriteString("\n")
		}
		text.WriteString(poolText(&pools[i], time.Now()))
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print owners: %w", err)
	}
	return nil
}

// poolText draws a pool: a line about it, what keeps it from working, and its units.
func poolText(p *api.Pool, now time.Time) string {
	var text strings.Builder
	timeout := unknown
	if p.SessionTimeout != nil {
		timeout = strconv.FormatFloat(*p.SessionTimeout, 'g', -1, 64) + "s"
	}
	fmt.Fprintf(&text, "%s  ZooKeeper %s for %s, session timeout %s  %d members  leader %s  %d units, %d of them here, %d without an owner\n", clean(p.Link), known(p.State),
		age(p.Since, now), timeout, len(p.Members), known(poolLeader(p)), len(p.Units)+len(p.Unowned), p.Owned, len(p.Unowned))
	for _, m := range p.Members {
		if m.Draining {
			fmt.Fprintf(&text, "draining: %s\n", clean(m.Instance))
		}
	}
	if p.Incarnation == "" {
		text.WriteString("this mirror is no member at the moment: it may not know who has what\n")
	}
	for _, problem := range p.Problems {
		fmt.Fprintf(&text, "problem: %s\n", clean(problem))
	}
	rows := table{{"UNIT", "OWNER", "ZONE", "STANDBY", "TERM", "SINCE", "PINNED", "WHY"}}
	for _, u := range p.Unowned {
		rows = append(rows, unownedRow(u, now))
	}
	for _, u := range p.Units {
		rows = append(rows, unitRow(u, now))
	}
	if len(rows) > 1 {
		text.WriteString(rows.String())
	}
	return text.String()
}

// unitRow is the line of a unit in the table. A dash stands for what there is none of.
func unitRow(u api.Unit, now time.Time) []string {
	why := ""
	if u.Leaving {
		why = "is handed over"
	}
	return []string{clean(u.Unit), dash(u.Owner), dash(u.Zone), dash(u.Standby), strconv.FormatInt(u.Term, 10), age(u.Since, now), dash(u.Pinned), why}
}

// unownedRow is the line of a unit that has no owner.
func unownedRow(u api.Unowned, now time.Time) []string {
	why := u.Why
	if u.Planned != "" {
		why = "planned for " + strings.TrimSuffix(u.Planned+": "+u.Why, ": ")
	}
	return []string{clean(u.Unit), "-", "-", dash(u.Standby), "-", age(u.Since, now), dash(u.Pinned), clean(why)}
}

func dash(word string) string { return clean(cmp.Or(word, "-")) }

// age is how long ago a time was; "?" when it is not known.
func age(t *time.Time, now time.Time) string {
	if t == nil {
		return unknown
	}
	return check.Short(max(0, now.Sub(*t)))
}
