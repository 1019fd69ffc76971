package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// verifyFlags are the flags of verify as they are written.
type verifyFlags struct {
	app.VerifyOptions
	since, until string
	sample       string
	rate, memory string
	print        string
	format       output
}

func newVerify(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [LINK [TOPIC...]]",
		Short: "Prove that the destination holds what the source holds",
		Long: `Prove that the destination holds what the source holds: every record once, unchanged, in order, and no other.
Both sides are read, so it costs what reading them costs; nothing is written. Mirroring may go on meanwhile.
Exit code 0: equal; 1: different, with the records named; 2: not all that was asked for could be compared.`,
		Example: `  mirror verify edge-region
  mirror verify edge-region clicks 'bids.*' --since 24h -o json
  mirror verify edge1-region clicks --with-link edge2-region
  mirror verify --source 10.0.1.7:9092 --destination 10.0.9.1:9092 --topics 'clicks*'
  mirror verify edge-region --also 10.0.9.9:9092=edge.      the same for another tool's copy`,
	}
	var f verifyFlags
	flags := cmd.Flags()
	flags.StringSliceVar(&f.WithLinks, "with-link", nil, "further `links` that write into the same topics")
	flags.StringSliceVar(&f.Source, "source", nil, "`host:port` of the source, without a configuration")
	flags.StringSliceVar(&f.Destination, "destination", nil, "`host:port` of the destination, without a configuration")
	flags.StringSliceVar(&f.Topics, "topics", nil, "`globs` of source topics to compare")
	flags.StringVar(&f.Rename, "rename", "", "`template` of the destination's topic names, such as edge.{topic}; with --source")
	flags.BoolVar(&f.Spread, "spread", false, "source partitions may be in any one partition; with --source")
	flags.StringArrayVar(&f.Also, "also", nil, "`host:port[=prefix]` of another copy to hold against the source; may be repeated")
	flags.StringVar(&f.since, "since", "", "compare records not older than that: a `time` or an age such as 24h")
	flags.StringVar(&f.until, "until", "", "compare records older than that: a `time` or an age such as 10m")
	flags.StringVar(&f.sample, "sample", "", "compare slice `n/t` of the partitions only")
	flags.BoolVar(&f.Compacted, "compacted", false, "compare the last value of each key (default: where cleanup.policy says so)")
	flags.StringVar(&f.rate, "max-rate", "", "`bytes` to read per second at most, such as 20MiB")
	flags.StringVar(&f.memory, "memory", "256MiB", "`bytes` for sums and sorting; what does not fit is spilled to TMPDIR")
	flags.DurationVar(&f.Timeout, "timeout", time.Minute, "how long to wait until the destination has what the source held at the start")
	flags.StringVar(&f.print, "print", "", "print the report in a `file` that was saved with -o json; - is stdin")
	format := addOutput(cmd)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		f.format = *format
		if f.print != "" {
			return printReport(cmd.InOrStdin(), cmd.OutOrStdout(), f.print, f.format)
		}
		if err := f.read(args, time.Now()); err != nil {
			return &exitError{exitUsage, err}
		}
		return runVerify(cmd.Context(), *path, f, cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
	return cmd
}

// read turns what was written into options.
func (f *verifyFlags) read(args []string, now time.Time) error {
	if len(args) > 0 {
		f.Link = args[0]
		f.Topics = append(f.Topics, args[1:]...)
	}
	if f.Link != "" && len(f.Source)+len(f.Destination) > 0 {
		return errors.New("name either a link or --source and --destination")
	}
	if f.Link != "" && (f.Spread || f.Rename != "") {
		return errors.New("--spread and --rename go with --source; a link has its own in the configuration")
	}
	if f.Link == "" && len(f.WithLinks) > 0 {
		return errors.New("--with-link needs a link before it")
	}
	var problems []error
	var err error
	if f.Since, err = readTime(f.since, now); err != nil {
		problems = append(problems, fmt.Errorf("--since %w", err))
	}
	if f.Until, err = readTime(f.until, now); err != nil {
		problems = append(problems, fmt.Errorf("--until %w", err))
	}
	if f.Slice, f.Slices, err = readSample(f.sample); err != nil {
		problems = append(problems, err)
	}
	if err := readBytes(f.rate, &f.Rate); err != nil {
		problems = append(problems, fmt.Errorf("--max-rate %q %w", f.rate, err))
	}
	if err := readBytes(f.memory, &f.Memory); err != nil {
		problems = append(problems, fmt.Errorf("--memory %q %w", f.memory, err))
	}
	if f.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("--timeout %v is not above zero", f.Timeout))
	}
	return errors.Join(problems...)
}

func readBytes(text string, into *config.Bytes) error {
	if text == "" {
		return nil
	}
	return into.UnmarshalText([]byte(text))
}

// readTime reads a time of RFC 3339, a date, or an age.
func readTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a time such as 2026-07-01T12:00:00Z, a date, nor an age such as 24h", text)
}

// readSample reads n/t.
func readSample(text string) (slice, slices int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	n, of, _ := strings.Cut(text, "/")
	slice, nErr := strconv.Atoi(n)
	slices, ofErr := strconv.Atoi(of)
	if nErr != nil || ofErr != nil || slice < 1 || slice > slices {
		return 0, 0, fmt.Errorf("--sample %q is not a slice such as 1/10", text)
	}
	return slice, slices, nil
}

func runVerify(ctx context.Context, path string, f verifyFlags, out, stderr io.Writer) error {
	var cfg *config.Config
	if f.Link != "" {
		var err error
		if cfg, err = loadConfig(path); err != nil {
			return err
		}
	}
	bar := &progressBar{out: stderr, terminal: isTerminal(stderr)}
	var results app.VerifyResults
	err := logged(stderr, config.Log{Level: "warn", Format: "auto"}, func(log *slog.Logger, _ *slog.LevelVar) (err error) {
		results, err = app.Verify(ctx, cfg, f.VerifyOptions, bar.show, log)
		return err
	})
	bar.clear()
	if app.IsUsage(err) {
		return &exitError{exitUsage, err}
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was proven: put right what it names, and run it again", err)
	}
	return printResults(out, results, f.format)
}

// printReport prints saved reports.
func printReport(stdin io.Reader, out io.Writer, path string, format output) error {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("open the report: %w", err)
		}
		defer file.Close()
		in = file
	}
	results, err := app.ReadVerifyReports(in)
	if err != nil {
		return err
	}
	return printResults(out, results, format)
}

// printResults prints and turns the worst verdict into the exit code.
func printResults(out io.Writer, results app.VerifyResults, format output) error {
	var err error
	if format == outputJSON {
		err = printJSON(out, results)
	} else {
		_, err = io.WriteString(out, results.Text())
	}
	if err != nil {
		return err
	}
	switch {
	case results.Different():
		return &exitError{code: exitFailure}
	case results.Inconclusive():
		return &exitError{code: exitInconclusive}
	}
	return nil
}
