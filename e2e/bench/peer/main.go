// Command peer holds the programs that the benchmark compares the mirror with: the loops that a team would write with
// sarama or franz-go, and the floors below which no mirror can get. Each runs as a process of its own, so that its
// costs are measured from outside just as the mirror's are.
//
//	peer sarama   consumers -> AsyncProducer
//	peer kgo      franz-go consumer -> producer
//	peer relay    read, check a CRC and write the same bytes between two synthetic ends
//	peer floor    what no mirror of real brokers avoids, part by part
//
// The loops run until SIGTERM; they store no positions. The floors end by themselves and report on stdout as JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// route is what is copied, and from where to where. The brokers of both sides lead all partitions.
type route struct {
	from, to            string // host:port of one broker; of a synthetic end for relay
	source, destination string // topics
	partitions          int
	codec               string // that the destination is written with
	bytes               int64  // how much a floor handles
}

func run(ctx context.Context, args []string) error {
	programs := map[string]func(context.Context, route) error{
		"sarama": runSarama, "kgo": runKgo, "relay": runRelay, "floor": runFloor,
	}
	if len(args) == 0 || programs[args[0]] == nil {
		return errors.New("name one of: sarama, kgo, relay, floor")
	}
	r, err := parseRoute(args[0], args[1:])
	if err != nil {
		return err
	}
	if err := programs[args[0]](ctx, r); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

func parseRoute(program string, args []string) (route, error) {
	var r route
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&r.from, "from", "", "`address` of the source")
	flags.StringVar(&r.to, "to", "", "`address` of the destination")
	flags.StringVar(&r.source, "source", "", "`topic` to read")
	flags.StringVar(&r.destination, "destination", "", "`topic` to write")
	flags.IntVar(&r.partitions, "partitions", 1, "of both topics")
	flags.StringVar(&r.codec, "codec", "none", "`codec` to write with")
	flags.Int64Var(&r.bytes, "bytes", 0, "how much a floor handles")
	if err := flags.Parse(args); err != nil {
		return r, err
	}
	var missing []string
	need := []string{"from", "to"}
	switch program {
	case "relay":
		need = append(need, "bytes")
	case "floor":
		need = append(need, "bytes", "source", "destination")
	default:
		need = append(need, "source", "destination")
	}
	for _, name := range need {
		if value := flags.Lookup(name).Value.String(); value == "" || value == "0" {
			missing = append(missing, "-"+name)
		}
	}
	if len(missing) > 0 {
		return r, fmt.Errorf("%s is missing", strings.Join(missing, ", "))
	}
	return r, nil
}
