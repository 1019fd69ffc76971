package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The programs, by the names that -peers takes.
const (
	programMirror  = "mirror"
	programDefault = "mm2"
	programTuned   = "mm2-tuned"
	programSarama  = "sarama"
	programKgo     = "kgo"
	programFloor   = "floor"
	programRelay   = "relay"
)

// program is one row of a table.
type program struct {
	name  string
	label string
	java  bool // takes long to start and to get warm

	// start starts the program; nil for floors, which are no mirrors.
	start func(ctx context.Context, b *bed, j job) (process, error)

	// target names the destination topic of a job where the program chooses it; nil takes the job's.
	target func(j job) string

	// rate is a guess in MB/s for the time that is left, on a slow machine.
	rate float64
}

// job is one run of a program.
type job struct {
	name   string // new for every run: the group, link, alias and directory
	source string // topic
	target string // topic
	codec  string
	tls    bool
}

func programs() []program {
	return []program{
		{name: programRelay, label: "relay of bytes (floor)", rate: 1500},
		{name: programFloor, label: "real-broker floor", rate: 200},
		{name: programMirror, label: "mirror", start: startMirror, rate: 250},
		{name: programKgo, label: "franz-go loop", start: startPeer(programKgo), rate: 90},
		{name: programSarama, label: "sarama loop", start: startPeer(programSarama), rate: 60},
		{name: programDefault, label: "MirrorMaker 2, default", java: true, start: startMirrorMaker(false), target: mirrorMakerTopic, rate: 35},
		{name: programTuned, label: "MirrorMaker 2, tuned", java: true, start: startMirrorMaker(true), target: mirrorMakerTopic, rate: 35},
	}
}

func programNames() []string {
	var names []string
	for _, p := range programs() {
		names = append(names, p.name)
	}
	return names
}

// defaultPrograms are those measured when -peers does not say.
func defaultPrograms(short bool) []string {
	var names []string
	for _, p := range programs() {
		if !short || !p.java {
			names = append(names, p.name)
		}
	}
	return names
}

func findProgram(name string) program {
	all := programs()
	return all[slices.IndexFunc(all, func(p program) bool { return p.name == name })]
}

// startup is a guess of how long a program takes to its first record.
func (p program) startup() time.Duration {
	if p.java {
		return 30 * time.Second
	}
	return time.Second
}

// newJob names a run of p on a topic.
func (b *bed) newJob(p program, source, codec string, tls bool) job {
	name := b.name()
	j := job{name: name, source: source, target: name + "-" + source, codec: codec, tls: tls}
	if p.target != nil {
		j.target = p.target(j)
	}
	return j
}

// startPeer starts a loop of the peer binary.
func startPeer(subcommand string) func(context.Context, *bed, job) (process, error) {
	return func(_ context.Context, b *bed, j job) (process, error) {
		return startChild(b.dir, j.name+"-"+subcommand, b.peer, subcommand,
			"-from", b.source.Direct()[0], "-to", b.destination.Direct()[0], "-source", j.source, "-destination", j.target,
			"-partitions", fmt.Sprint(partitions), "-codec", j.codec)
	}
}
