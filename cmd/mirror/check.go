package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

const (
	// checkTimeout is for how long a check asks unless --timeout says more: less than what Sensu gives it.
	checkTimeout = 10 * time.Second
	// checkPoll is how often a check asks again while the outcome may still change by itself.
	checkPoll = 500 * time.Millisecond
	// checkDaemon is the check of the process itself.
	checkDaemon = "daemon"
)

// probe is one check of the command: what it is called, what it is about, and how it judges.
type probe struct {
	name, short, long, example string
	flags                      func(cmd *cobra.Command, o *checkOptions)
	judge                      func(r *api.Status, ready check.Readiness, now time.Time, o check.Options) check.Result
}

// checkOptions are the flags of a check.
type checkOptions struct {
	judged         check.Options
	warn, critical time.Duration
	timeout        time.Duration
	address        string // "" the socket
	config         string
	named          bool // the configuration was, on the command line
	stateDir       string
	anonymous      bool // it is not the watcher sensu
	format         output
}

func newCheck(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Judge the running mirror, for Nagios and Sensu",
		Long: `Judge the running mirror as a plugin of Nagios or Sensu does: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, one line
with performance data, and details on further lines. Whatever keeps a check from judging is UNKNOWN: a mirror that cannot be
reached, wrong flags, an error of its own. What may pass by itself within seconds, such as a start, is asked again until the
time is over. -c is --critical here; name the configuration with --config.`,
		Example: `  mirror check lag -w 1m -c 5m
  mirror check headroom -w 24h -c 12h
  mirror check daemon --config /etc/mirror/mirror.yaml`,
	}
	group(cmd)
	bare := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return bare(cmd, args)
		}
		return errors.New("which one? lag, headroom, heartbeat, daemon or watchers")
	}
	cmd.PersistentFlags().StringVar(path, "config", defaultConfig, "configuration `file`") // frees -c
	for _, p := range probes() {
		cmd.AddCommand(newProbe(path, p))
	}
	return cmd
}

func probes() []probe {
	link := func(cmd *cobra.Command, o *checkOptions) {
		cmd.Flags().StringVar(&o.judged.Link, "link", "", "judge this `link` alone")
	}
	plain := func(judge func(*api.Status, time.Time, check.Options) check.Result) func(*api.Status, check.Readiness, time.Time, check.Options) check.Result {
		return func(r *api.Status, _ check.Readiness, now time.Time, o check.Options) check.Result {
			return judge(r, now, o)
		}
	}
	return []probe{
		{"lag", "How far behind the topics are", fmt.Sprintf(`Judge how far behind the topics are: WARNING above -w (default %v), CRITICAL above -c (default %v), and CRITICAL for what is
halted or has no owner. A lag that is not known is UNKNOWN. What is behind and catches up is OK.`, check.DefaultLagWarn, check.DefaultLagCritical),
			"  mirror check lag\n  mirror check lag --link edge-region -w 1m -c 5m", link, plain(check.Lag)},
		{"headroom", "How long until records may be lost", fmt.Sprintf(`Judge how long it takes until the source may remove what is not mirrored: CRITICAL below -c, WARNING below -w. Without them the
shares in the links' retention decide, and for deadlines that are not about time %v and %v.`, check.DefaultHeadroomWarn, check.DefaultHeadroomCritical),
			"  mirror check headroom\n  mirror check headroom -w 24h -c 12h", link, plain(check.Headroom)},
		{"heartbeat", "Whether all origins are heard of", fmt.Sprintf(`Judge for how long the origins whose heartbeats this mirror reads were not heard of: WARNING above -w (default %v), CRITICAL
above -c (default %v).`, check.DefaultHeartbeatWarn, check.DefaultHeartbeatCritical),
			"  mirror check heartbeat\n  mirror check heartbeat --expect 500", func(cmd *cobra.Command, o *checkOptions) {
				cmd.Flags().IntVar(&o.judged.Expect, "expect", 0, "CRITICAL when fewer `origins` were ever heard of")
			}, plain(check.Heartbeats)},
		{checkDaemon, "Whether the mirror itself works", fmt.Sprintf(`Judge the process: that it is ready, a member of its pools, and looks at its links, the last time at most -w (default %v) and
-c (default %v) ago. One that takes the connection and does not answer within --timeout hangs, which is CRITICAL.`, check.DefaultDaemonWarn, check.DefaultDaemonCritical), "  mirror check daemon\n  mirror check daemon --anonymous # as a container's health check", nil, check.Daemon},
		{"watchers", "Whether those who watch the mirror do", `Judge whether Prometheus, Sensu, the load balancer and the dead-man's service were heard of within the time that watchers of the
configuration gives them. A threshold here holds for all of them instead.`, "  mirror check watchers", nil, plain(check.Watchers)},
	}
}

func newProbe(path *string, p probe) *cobra.Command {
	cmd := &cobra.Command{Use: p.name, Short: p.short, Long: p.long, Example: p.example, Args: cobra.NoArgs}
	format := addOutput(cmd)
	var o checkOptions
	cmd.Flags().DurationVarP(&o.warn, "warning", "w", 0, "`threshold` of WARNING")
	cmd.Flags().DurationVarP(&o.critical, "critical", "c", 0, "`threshold` of CRITICAL")
	cmd.Flags().DurationVar(&o.timeout, "timeout", checkTimeout, "for how long to ask until the outcome is UNKNOWN")
	cmd.Flags().StringVar(&o.address, "address", "", "`host:port` of the mirror to ask (default: the socket in its state directory)")
	addStateDir(cmd, &o.stateDir)
	cmd.Flags().BoolVar(&o.anonymous, "anonymous", false, "leave no stamp of the watcher sensu: for health checks of containers and looks by hand")
	if p.flags != nil {
		p.flags(cmd, &o)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.config, o.named, o.format = *path, cmd.Flags().Changed("config"), *format
		if cmd.Flags().Changed("warning") {
			o.judged.Warn = &o.warn
		}
		if cmd.Flags().Changed("critical") {
			o.judged.Critical = &o.critical
		}
		if err := o.validate(); err != nil {
			return err
		}
		return printResult(cmd.OutOrStdout(), o.format, o.run(cmd.Context(), p))
	}
	return cmd
}

func (o *checkOptions) validate() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"--warning", o.warn}, {"--critical", o.critical}} {
		if d.value < 0 {
			return fmt.Errorf("%s is %v, and cannot be negative", d.flag, d.value)
		}
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout is %v, and must be above 0", o.timeout)
	}
	return nil
}

// run asks and judges until the outcome stands or the time is over. Whatever goes wrong here is unknown.
func (o *checkOptions) run(ctx context.Context, p probe) (result check.Result) {
	defer func() {
		if cause := recover(); cause != nil {
			result = check.NewResult(p.name, check.Unknown, fmt.Sprintf("this program failed: %v", cause))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	asker, err := newAsker(o)
	if err != nil {
		return check.NewResult(p.name, check.Unknown, err.Error())
	}
	for asked := false; ; asked = true {
		latest, err := o.once(ctx, asker, p)
		switch {
		case err == nil:
			result = latest
		case !asked || ctx.Err() == nil: // what the end of the time itself causes says less than what was found before
			result = unanswered(p.name, err)
		}
		if result.Severity == check.OK || !result.Passing {
			return result
		}
		select {
		case <-ctx.Done():
			return result
		case <-time.After(checkPoll):
		}
	}
}

// once asks and judges. A report that is too old says nothing of the present; of the process itself it says that it hangs.
func (o *checkOptions) once(ctx context.Context, a *asker, p probe) (check.Result, error) {
	daemon := p.name == checkDaemon
	if daemon {
		if hung, err := a.hung(ctx); err != nil || hung != "" {
			return check.NewResult(p.name, check.Critical, hung), err
		}
	}
	report, ready, now, err := a.ask(ctx, daemon)
	if err != nil {
		return check.Result{}, err
	}
	if stale, is := check.Stale(report, p.name, now); is && !daemon {
		return stale, nil
	}
	return p.judge(report, ready, now, o.judged), nil
}

// unanswered is the result of a check that could not be told anything, as things stand. That the mirror hangs is no answer to
// any but the check of the process itself.
func unanswered(name string, err error) check.Result {
	severity := check.Unknown
	if name == checkDaemon && errors.Is(err, errHangs) {
		severity = check.Critical
	}
	result := check.NewResult(name, severity, err.Error())
	result.Passing = true
	return result
}

// printResult prints a result and returns the error that carries its exit code, if it is not 0.
func printResult(out io.Writer, format output, r check.Result) error {
	var err error
	if format == outputJSON {
		err = printJSON(out, r)
	} else {
		_, err = io.WriteString(out, r.Text())
	}
	if err != nil {
		return &exitError{int(check.Unknown), fmt.Errorf("print the result: %w", err)}
	}
	if r.Severity == check.OK {
		return nil
	}
	return &exitError{code: r.Code}
}

// checkFailed is the exit code of a command line of check that could not be carried out, after saying so as a plugin does.
func checkFailed(out io.Writer, err error) int {
	result := check.NewResult("", check.Unknown, fmt.Sprintf("%v; see: mirror check --help", err))
	_, _ = io.WriteString(out, result.Text()) // the exit code says the same
	return result.Code
}

// isCheck says whether a command is check or one of its own.
func isCheck(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.Name() == "check" && cmd.HasParent() {
			return true
		}
	}
	return false
}
