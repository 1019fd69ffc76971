package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// brokerHeapMB is what the two brokers get; their page cache is the machine's.
const brokerHeapMB = 768

// bed is what everything is measured on: two clusters of one broker, the source's topics, the binaries.
type bed struct {
	dir       string // logs, configurations and binaries of the programs
	temporary bool
	mirror    string // binaries
	peer      string
	memory    int // MiB, the mirror's budget

	source, destination *kafka.Cluster
	secure              *secureRoute // nil where no row needs it
	filled              map[string]filled
	used                int // names given out so far
}

// secureRoute is how the mirror reaches both clusters with TLS.
type secureRoute struct{ source, destination, authority string }

// filled is a source topic as it was written.
type filled struct {
	data
	Topic      string
	TotalBytes int64 // of values
	LogBytes   int64 // at the source: of the batches as they are stored and sent
}

// openBed builds, starts and fills what the cells need.
func openBed(ctx context.Context, o options, todo []cell, progress io.Writer) (b *bed, err error) {
	b = &bed{dir: o.keepDir, memory: o.memory, mirror: o.binary, filled: map[string]filled{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "tributary-bench-"); err != nil {
			return b, fmt.Errorf("create a directory: %w", err)
		}
		b.temporary = true
	} else if b.dir, err = prepareDir(o.keepDir); err != nil {
		return b, err
	}
	if err := b.build(ctx, progress); err != nil {
		return b, err
	}
	if err := b.start(ctx, todo, progress); err != nil {
		return b, err
	}
	return b, b.fill(ctx, o, todo, progress)
}

// prepareDir returns the absolute path of a directory, which it creates.
func prepareDir(path string) (string, error) {
	dir, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("resolve -dir: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create -dir: %w", err)
	}
	return dir, nil
}

// build compiles the mirror, unless one was given, and the peers.
func (b *bed) build(ctx context.Context, progress io.Writer) error {
	compile := func(name, pkg string) (string, error) {
		fmt.Fprintln(progress, "building", pkg)
		path := filepath.Join(b.dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile builds it
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
		}
		return path, nil
	}
	var err error
	if b.peer, err = compile("peer", "tributary/e2e/bench/peer"); err != nil {
		return err
	}
	if b.mirror == "" {
		b.mirror, err = compile("mirror", "tributary/cmd/mirror")
		return err
	}
	b.mirror, err = filepath.Abs(b.mirror)
	return err
}

// start starts the clusters, with the flags and time-outs of production brokers.
func (b *bed) start(ctx context.Context, todo []cell, progress io.Writer) error {
	fmt.Fprintln(progress, "starting two brokers")
	options := kafka.Options{Version: kafka.Kafka43, HeapMB: brokerHeapMB,
		JVMArgs: []string{"-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"},
		Properties: map[string]string{
			"num.network.threads": "3", "num.io.threads": "8",
			"broker.session.timeout.ms": "30000", "broker.heartbeat.interval.ms": "2000",
			"controller.quorum.election.timeout.ms": "10000", "controller.quorum.fetch.timeout.ms": "20000",
			"log.segment.delete.delay.ms": "1000", // gives the disk back between two cells
		}}
	secure := slices.ContainsFunc(todo, func(c cell) bool { return c.Row == rowTLS })
	var files certificates
	if secure {
		var err error
		if files, err = writeCertificates(b.dir); err != nil {
			return err
		}
		options.Proxy = true
		maps.Copy(options.Properties, secureProperties(files))
	}
	var err error
	if b.source, err = kafka.Start(ctx, options); err != nil {
		return fmt.Errorf("start the source: %w", err)
	}
	if b.destination, err = kafka.Start(ctx, options); err != nil {
		return fmt.Errorf("start the destination: %w", err)
	}
	if secure {
		return b.openSecureRoute(ctx, files)
	}
	return nil
}

func (b *bed) openSecureRoute(ctx context.Context, files certificates) error {
	route := secureRoute{authority: files.authority}
	var err error
	if route.source, err = bypassProxy(ctx, b.source); err != nil {
		return fmt.Errorf("open TLS at the source: %w", err)
	}
	if route.destination, err = bypassProxy(ctx, b.destination); err != nil {
		return fmt.Errorf("open TLS at the destination: %w", err)
	}
	b.secure = &route
	return nil
}

// fill writes each topic that a cell reads.
func (b *bed) fill(ctx context.Context, o options, todo []cell, progress io.Writer) error {
	for _, c := range todo {
		d, ok := dataset(c.Row, o.short)
		if _, done := b.filled[d.Name]; !ok || done {
			continue
		}
		topic := "bench-" + d.Name
		if err := b.source.CreateTopic(ctx, topic, partitions, 1, nil); err != nil {
			return err
		}
		report, err := load.Fill(ctx, b.source.Direct(), load.FillSpec{Topic: topic, Partitions: partitions, Records: d.Records,
			ValueBytes: d.ValueBytes, Codec: d.Codec, RecordsPerBatch: d.PerBatch, Seed: 1})
		if err != nil {
			return err
		}
		logBytes, err := logSize(ctx, b.source, topic)
		if err != nil {
			return err
		}
		fmt.Fprintf(progress, "%s: %v\n", d.Name, report)
		b.filled[d.Name] = filled{data: d, Topic: topic, TotalBytes: report.ValueBytes, LogBytes: logBytes}
	}
	return nil
}

// rows returns the topics that were filled, in the order of the tables.
func (b *bed) rows() []filled {
	var rows []filled
	for _, d := range datasets() {
		if f, ok := b.filled[d.Name]; ok {
			rows = append(rows, f)
		}
	}
	return rows
}

// name returns a name that no cell before had: that nobody has positions, topics or a state under.
func (b *bed) name() string {
	b.used++
	return "b" + strconv.Itoa(b.used)
}

// settle lets the brokers finish what the last cell left behind: they flush and delete in the background.
func (b *bed) settle(ctx context.Context) error {
	const rest = 500 * time.Millisecond
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(rest):
		return nil
	}
}

// close stops the brokers and removes what was temporary.
func (b *bed) close() error {
	var errs []error
	for _, c := range []*kafka.Cluster{b.source, b.destination} {
		if c != nil {
			errs = append(errs, c.Stop())
		}
	}
	if b.temporary {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}
