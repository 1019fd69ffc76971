package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// MirrorMakerOptions says how to run MirrorMaker 2 in dedicated mode.
type MirrorMakerOptions struct {
	// Properties are the content of mm2.properties: clusters, bootstrap servers, flows.
	Properties map[string]string

	// HeapMB is the heap limit in MiB; zero means 2048, as connect-mirror-maker.sh has it.
	HeapMB int

	// JVMArgs replaces the collector flags of connect-mirror-maker.sh; nil keeps them.
	JVMArgs []string

	// Dir is where mm2.properties and mm2.log go; it is created where it is missing, and stays. It must be given.
	Dir string
}

const mirrorMakerHeapMB = 2048

// StartMirrorMaker starts MirrorMaker 2 of Kafka 4.3, optimising compiler and all, and returns at once: the first
// records flow some 15 to 60 s later. The caller ends the process, and reads in its log what it did.
func StartMirrorMaker(ctx context.Context, o MirrorMakerOptions) (*Process, error) {
	if o.Dir == "" {
		return nil, errors.New("start MirrorMaker: no directory given")
	}
	if o.HeapMB == 0 {
		o.HeapMB = mirrorMakerHeapMB
	}
	if o.JVMArgs == nil {
		o.JVMArgs = mirrorMakerFlags()
	}
	prepareCtx, cancel := context.WithTimeout(ctx, coldTimeout)
	defer cancel()
	h, err := prepare(prepareCtx, os.Stderr, Kafka43)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve the directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the directory of MirrorMaker: %w", err)
	}
	config := filepath.Join(dir, "mm2.properties")
	if err := writeProperties(config, o.Properties); err != nil {
		return nil, err
	}
	argv, err := h.command(jvm{heapMB: o.HeapMB, flags: o.JVMArgs,
		main: "org.apache.kafka.connect.mirror.MirrorMaker", args: []string{config}})
	if err != nil {
		return nil, err
	}
	return startProcess(processSpec{name: "mirrormaker", argv: argv, dir: dir, log: filepath.Join(dir, "mm2.log")})
}

// mirrorMakerFlags are those that connect-mirror-maker.sh and kafka-run-class.sh pass.
func mirrorMakerFlags() []string {
	return []string{
		"-Xms256m", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
	}
}
