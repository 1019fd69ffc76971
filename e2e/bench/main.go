// Command bench measures what mirroring costs: this mirror, MirrorMaker 2 of the same Kafka version, and the loops that
// one writes with sarama and franz-go, side by side on real brokers and on the same topics, above two floors that no
// mirror gets below. It prints Markdown tables and says which of the bounds that the project promises hold.
//
// Every program under measurement is a process of its own and a black box: its CPU time and memory are read from the
// kernel, its progress from the destination's end offsets. CPU seconds per GB are the figure to compare; MB/s and
// latencies say as much of the machine, which is shared by the brokers and the programs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errBounds = errors.New("a bound is missed")

func run(ctx context.Context, args []string, stdout, progress io.Writer) (err error) {
	o, err := parseOptions(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return nil // the flags printed it
	}
	if err != nil {
		return err
	}
	todo := plan(o)
	if len(todo) == 0 {
		return errors.New("nothing to measure: -rows, -peers and -only leave no cell")
	}
	machine := readMachine()
	fmt.Fprintln(progress, machine)
	b, err := openBed(ctx, o, todo, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()

	measured, failed := b.runAll(ctx, o, todo, progress)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	machine.LoadAfter = loadAverage()
	r := newReport(machine, o, b.rows(), measured)
	if err := write(stdout, o.output, r); err != nil {
		return errors.Join(failed, err)
	}
	if !o.noGate && r.missed() {
		failed = errors.Join(failed, errBounds)
	}
	return failed
}

func write(w io.Writer, format string, r report) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
		return nil
	}
	if _, err := io.WriteString(w, markdown(r)); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
