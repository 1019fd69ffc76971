package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// options is what the command line says.
type options struct {
	rounds  int
	short   bool
	only    *regexp.Regexp // of row/program; nil takes all
	rows    []string
	peers   []string
	output  string        // text or json
	memory  int           // MiB, the mirror's budget
	budget  time.Duration // rounds after the first end here
	binary  string        // the mirror; empty builds it
	noGate  bool
	keepDir string
	command string // as typed, for the reader of the tables
}

const (
	defaultBudget = 24 * time.Minute // and one to build, start and fill
	shortBudget   = 4 * time.Minute
	minMemoryMiB  = 8
)

func parseOptions(args []string, usage io.Writer) (options, error) {
	o := options{command: strings.Join(append([]string{"go run ./e2e/bench"}, args...), " ")}
	var only, rows, peers string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&o.rounds, "n", 3, "`rounds` of the Go programs; MirrorMaker runs once")
	flags.BoolVar(&o.short, "short", false, "a fifth of the data, one round, no MirrorMaker unless -peers names it")
	flags.StringVar(&only, "only", "", "measure what matches this `regexp`, as row/program")
	flags.StringVar(&rows, "rows", "", "comma-separated `rows`: "+strings.Join(rowNames(), ", "))
	flags.StringVar(&peers, "peers", "", "comma-separated `programs`: "+strings.Join(programNames(), ", "))
	flags.StringVar(&o.output, "o", "text", "`format` of the results: text (Markdown) or json")
	flags.IntVar(&o.memory, "memory", 64, "the mirror's budget for records on their way, in `MiB`")
	flags.DurationVar(&o.budget, "time", 0, "begin nothing that would end after this `duration`, but for the first round; default 24m, 4m with -short")
	flags.StringVar(&o.binary, "mirror", "", "measure this `binary` instead of building one")
	flags.BoolVar(&o.noGate, "no-gate", false, "exit with 0 also where a bound is missed")
	flags.StringVar(&o.keepDir, "dir", "", "keep the programs' configurations and logs in this `directory`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	set := func(name string) (found bool) {
		flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
		return found
	}
	o.rows, o.peers = split(rows), split(peers)
	if len(o.rows) == 0 {
		o.rows = rowNames()
	}
	if len(o.peers) == 0 {
		o.peers = defaultPrograms(o.short)
	}
	if o.short && !set("n") {
		o.rounds = 1
	}
	if o.budget == 0 {
		o.budget = defaultBudget
		if o.short {
			o.budget = shortBudget
		}
	}
	return o, o.validate(only)
}

func (o *options) validate(only string) error {
	var problems []error
	if only != "" {
		var err error
		if o.only, err = regexp.Compile(only); err != nil {
			problems = append(problems, fmt.Errorf("-only: %w", err))
		}
	}
	for _, name := range o.rows {
		if !slices.Contains(rowNames(), name) {
			problems = append(problems, fmt.Errorf("-rows: %q is not one of %v", name, rowNames()))
		}
	}
	for _, name := range o.peers {
		if !slices.Contains(programNames(), name) {
			problems = append(problems, fmt.Errorf("-peers: %q is not one of %v", name, programNames()))
		}
	}
	if o.rounds < 1 {
		problems = append(problems, fmt.Errorf("-n: %d is not positive", o.rounds))
	}
	if o.memory < minMemoryMiB {
		problems = append(problems, fmt.Errorf("-memory: %d MiB is less than %d", o.memory, minMemoryMiB))
	}
	if o.output != "text" && o.output != "json" {
		problems = append(problems, fmt.Errorf("-o: %q is neither text nor json", o.output))
	}
	return errors.Join(problems...)
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
