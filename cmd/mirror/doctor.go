package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/app"
	"tributary/pkg/doctor"
)

// doctorOver is for how long it is counted what goes wrong and what waits, unless --over says otherwise.
const doctorOver = 3 * time.Second

// diagnosis is the answer of doctor.
type diagnosis struct {
	Healthy bool               `json:"healthy"`
	Found   []doctor.Diagnosis `json:"found"` // the worst first
}

func newDoctor(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [LINK]",
		Short: "Find out why a mirror does not do what it should, and what to do",
		Long: `Find out why a mirror does not do what it should: ranked causes, each with its evidence and the next command. The running
mirror is asked for its status and twice for its metrics; no cluster is, and nothing is changed. Exit code 1: something was
found.`,
		Example: `  mirror doctor
  mirror doctor edge-region
  mirror doctor -o json | jq -r '.found[0].next'`,
		Args: cobra.MaximumNArgs(1),
	}
	format := addOutput(cmd)
	var o viewOptions
	over := doctorOver
	cmd.Flags().DurationVar(&over, "over", doctorOver, "for how long to count what goes wrong meanwhile; 0 does not")
	addView(cmd, &o)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.read(cmd, *path, args)
		facts, err := gather(cmd.Context(), o, over)
		if err != nil {
			return err
		}
		found := diagnosis{Found: append([]doctor.Diagnosis{}, doctor.Examine(*facts)...)}
		found.Healthy = len(found.Found) == 0
		if err := found.print(cmd.OutOrStdout(), *format); err != nil {
			return err
		}
		if !found.Healthy {
			return &exitError{code: exitFailure}
		}
		return nil
	})
	return cmd
}

// gather asks for the facts. That a mirror does not answer is one; that there is no such link is an error.
func gather(ctx context.Context, o viewOptions, over time.Duration) (*doctor.Facts, error) {
	link := o.link
	o.link = ""
	v, err := newViewer(o)
	if err != nil {
		return nil, err
	}
	var first *counters
	if over > 0 {
		first = v.counters(ctx)
	}
	if first != nil {
		select {
		case <-ctx.Done():
			return nil, errors.New("interrupted")
		case <-time.After(over):
		}
	}
	facts := &doctor.Facts{Link: link, Now: time.Now()}
	report, now, err := v.look(ctx)
	if errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	if err != nil {
		facts.Silent, facts.Absent = err.Error(), errors.Is(err, errNoMirror) || strings.Contains(err.Error(), "no mirror answers")
		facts.Ended = lastWord(ctx, o)
		return facts, nil
	}
	facts.Report, facts.Now = report, now
	if first != nil {
		compare(facts, first, v.counters(ctx))
	}
	return facts, knownLink(report, link)
}

// knownLink refuses a link that there is not.
func knownLink(r *api.Status, link string) error {
	copied := *r
	return keepOnly(&copied, link)
}

// lastWord is the newest event that a mirror left in its state directory, if that can be read.
func lastWord(ctx context.Context, o viewOptions) string {
	if o.address != "" {
		return ""
	}
	c, err := newControl(o.stateDir, o.config, o.named)
	if err != nil {
		return ""
	}
	raw, err := app.Events(c.stateDir, 0, 1)
	var e event
	if err != nil || len(raw) == 0 || json.Unmarshal(raw[0], &e) != nil || ctx.Err() != nil {
		return ""
	}
	return e.line()
}

// counters are numbers of the metrics that only rise, by series, and when they were read.
type counters struct {
	at     time.Time
	values map[string]float64
}

const (
	pressureMetric = "mirror_backpressure_seconds_total"
	errorsMetric   = "mirror_errors_total"
)

// counters reads what the doctor wants to know of the metrics; nil where they cannot be read, which costs evidence and no more.
func (v *viewer) counters(ctx context.Context) *counters {
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	code, body, err := v.get(bounded, "/metrics")
	if err != nil || code != http.StatusOK {
		return nil
	}
	c := &counters{time.Now(), map[string]float64{}}
	in := bufio.NewScanner(bytes.NewReader(body))
	for in.Scan() {
		series, text, _ := strings.Cut(in.Text(), " ")
		var value float64
		if _, err := fmt.Sscan(text, &value); err == nil && (strings.HasPrefix(series, pressureMetric+"{") || strings.HasPrefix(series, errorsMetric+"{")) {
			c.values[series] = value
		}
	}
	return c
}

// compare takes the difference of two readings, of which the second may be missing, into the facts.
func compare(f *doctor.Facts, first, second *counters) {
	if second == nil {
		return
	}
	elapsed := second.at.Sub(first.at).Seconds()
	f.Pressure = map[doctor.Way]float64{}
	for series, value := range second.values {
		rose := max(0, value-first.values[series]) // less where the mirror was restarted meanwhile
		var way doctor.Way
		var class string
		if _, err := fmt.Sscanf(series, pressureMetric+"{link=%q,side=%q}", &way.Link, &way.Side); err == nil {
			f.Pressure[way] = min(1, rose/elapsed)
		} else if _, err := fmt.Sscanf(series, errorsMetric+"{class=%q,link=%q,side=%q}", &class, &way.Link, &way.Side); err == nil {
			f.Errors = append(f.Errors, doctor.Errors{Way: way, Class: class, Count: int(rose)})
		}
	}
}

// print prints what was found.
func (d diagnosis) print(out io.Writer, format output) error {
	if format == outputJSON {
		return printJSON(out, d)
	}
	var text strings.Builder
	if d.Healthy {
		text.WriteString("nothing is wrong, as far as this mirror knows\n")
	}
	for i, found := range d.Found {
		name := ""
		if found.Link != "" {
			name = clean(found.Link) + ": "
		}
		fmt.Fprintf(&text, "%d. %s%s\n", i+1, name, clean(found.Text))
		for _, e := range found.Evidence {
			fmt.Fprintf(&text, "     %s\n", strings.ReplaceAll(cleanLines(e), "\n", "\n     "))
		}
		fmt.Fprintf(&text, "   NEXT  %s\n", clean(found.Next))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
