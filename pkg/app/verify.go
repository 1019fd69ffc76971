package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
	"tributary/pkg/verify"
)

// VerifyOptions say what Verify compares and at what cost.
type VerifyOptions struct {
	// Link and WithLinks are links of the configuration; all of them must go to one cluster. Topics narrows them to
	// source topics by glob; none means all.
	Link      string
	WithLinks []string
	Topics    []string
	// Source and Destination are addresses, for a comparison without a link. Rename is the destination's name of a topic,
	// with {topic} for the source's; empty means the same.
	Source, Destination []string
	Rename              string
	Spread              bool
	// Also are further destinations that must hold the same: an address and, after an =, what comes before their topics'
	// names.
	Also []string

	Since, Until  time.Time
	Slice, Slices int
	Compacted     bool
	Timeout       time.Duration
	Rate, Memory  config.Bytes
}

// VerifyProgress is how far a comparison is.
type VerifyProgress = verify.Progress

// readingBytes is what reading takes beside sums and sorting.
const readingBytes = 64 << 20

// progressInterval is how often Verify tells how far it is.
const progressInterval = 500 * time.Millisecond

// usageError is that something was asked for that cannot be.
type usageError struct{ error }

// Unwrap returns what is wrong.
func (e usageError) Unwrap() error { return e.error }

// IsUsage says whether the caller of Verify asked for what cannot be.
func IsUsage(err error) bool {
	_, ok := errors.AsType[usageError](err)
	return ok
}

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Verify compares, one destination after the other. cfg may be nil where no link is named. told is called twice a second
// with the name of the comparison under way and how far it is, by one goroutine at a time. The error may be tried with
// IsUsage; without one the results say whether the sides are equal.
func Verify(ctx context.Context, cfg *config.Config, o VerifyOptions, told func(name string, p VerifyProgress), log *slog.Logger) (VerifyResults, error) {
	var results VerifyResults
	if o.Memory > 0 {
		limitMemory(int64(o.Memory) + readingBytes)
	}
	clusters := &dialed{log: log, byName: map[string]*kafka.Cluster{}}
	defer clusters.close()
	base, err := comparison(cfg, o, clusters)
	if err != nil {
		return results, err
	}
	all := []verify.Config{base}
	for _, text := range o.Also {
		other, err := alsoComparison(base, text, clusters)
		if err != nil {
			return results, err
		}
		all = append(all, other)
	}
	for _, c := range all {
		report, err := verifyOne(ctx, c, told, log)
		if err != nil {
			return results, fmt.Errorf("compare %s: %w", c.Name, err)
		}
		results.Comparisons = append(results.Comparisons, report)
	}
	return results, nil
}

func verifyOne(ctx context.Context, c verify.Config, told func(string, VerifyProgress), log *slog.Logger) (*verify.Report, error) {
	v, err := verify.New(c, log)
	if err != nil {
		return nil, usage("%w", err)
	}
	var report *verify.Report
	ended, end := context.WithCancel(ctx)
	var work errgroup.Group
	work.Go(func() error {
		defer end()
		var err error
		report, err = v.Run(ctx)
		return err
	})
	work.Go(func() error {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ended.Done():
				return nil
			case <-ticker.C:
				told(c.Name, v.Progress())
			}
		}
	})
	return report, work.Wait()
}

// comparison makes what is compared of the options.
func comparison(cfg *config.Config, o VerifyOptions, clusters *dialed) (verify.Config, error) {
	c := verify.Config{Since: o.Since, Until: o.Until, Slice: o.Slice, Slices: o.Slices, Compacted: o.Compacted, Timeout: o.Timeout,
		RateBytes: int64(o.Rate), MemoryBytes: int64(o.Memory), Workers: 2 * runtime.GOMAXPROCS(0)}
	chosen, err := topicGlobs(o.Topics)
	if err != nil {
		return c, err
	}
	if o.Link == "" {
		return adHoc(c, o, chosen, clusters)
	}
	c.Name = strings.Join(append([]string{o.Link}, o.WithLinks...), "+")
	to := ""
	for _, name := range append([]string{o.Link}, o.WithLinks...) {
		i := slices.IndexFunc(cfg.Links, func(l config.Link) bool { return l.Name == name })
		if i < 0 {
			return c, usage("there is no link %s in the configuration; its links are %s", name, strings.Join(linkNames(cfg), ", "))
		}
		l := cfg.Links[i]
		if to != "" && l.To != to {
			return c, usage("link %s goes to %s, not to %s as %s does; verify them one by one", name, l.To, to, o.Link)
		}
		to = l.To
		source, err := linkSource(cfg, l, chosen, clusters)
		if err != nil {
			return c, err
		}
		c.Sources = append(c.Sources, source)
	}
	c.Destination, err = clusters.named(to, cfg.Clusters[to])
	return c, err
}

func linkNames(cfg *config.Config) []string {
	var names []string
	for _, l := range cfg.Links {
		names = append(names, l.Name)
	}
	return names
}

func linkSource(cfg *config.Config, l config.Link, chosen func(string) bool, clusters *dialed) (verify.Source, error) {
	if l.Partitions == config.PartitionsKey {
		return verify.Source{}, usage("link %s deals records out by key; this version cannot verify that", l.Name)
	}
	filter, err := l.Filter()
	if err != nil {
		return verify.Source{}, err
	}
	from, err := clusters.named(l.From, cfg.Clusters[l.From])
	if err != nil {
		return verify.Source{}, err
	}
	return verify.Source{Link: l.Name, Cluster: from, Match: func(topic string) bool { return filter.Match(topic) && chosen(topic) }, Rename: filter.Rename,
		Spread: l.Partitions == config.PartitionsSpread, Latest: l.Start == config.StartLatest, Group: "mirror." + l.Name}, nil
}

// adHoc compares two clusters that are given by address.
func adHoc(c verify.Config, o VerifyOptions, chosen func(string) bool, clusters *dialed) (verify.Config, error) {
	if len(o.Source) == 0 || len(o.Destination) == 0 {
		return c, usage("name a link of the configuration, or --source and --destination")
	}
	if len(o.Topics) == 0 {
		return c, usage("say which topics to compare with --topics")
	}
	from, err := clusters.at("source", o.Source)
	if err != nil {
		return c, err
	}
	if c.Destination, err = clusters.at("destination", o.Destination); err != nil {
		return c, err
	}
	rename := o.Rename
	if rename == "" {
		rename = "{topic}"
	}
	c.Name = strings.Join(o.Source, ",") + " -> " + strings.Join(o.Destination, ",")
	c.Sources = []verify.Source{{Link: "source", Cluster: from, Match: chosen, Spread: o.Spread,
		Rename: func(topic string) (string, error) { return strings.ReplaceAll(rename, "{topic}", topic), nil }}}
	return c, nil
}

// alsoComparison holds another destination against the same sources. Nothing tells how far that copy is but its growth.
func alsoComparison(base verify.Config, text string, clusters *dialed) (verify.Config, error) {
	address, prefix, _ := strings.Cut(text, "=")
	to, err := clusters.at(text, strings.Split(address, ","))
	if err != nil {
		return base, err
	}
	other := base
	other.Name, other.Destination, other.Sources = base.Name+", also "+text, to, nil
	for _, s := range base.Sources {
		s.Group, s.Spread = "", false
		s.Rename = func(topic string) (string, error) { return prefix + topic, nil }
		other.Sources = append(other.Sources, s)
	}
	return other, nil
}

// topicGlobs returns what matches any of the globs; none matches everything.
func topicGlobs(globs []string) (func(topic string) bool, error) {
	for _, g := range globs {
		if _, err := path.Match(g, ""); err != nil {
			return nil, usage("%q is not a topic or a glob with * and ?: %w", g, err)
		}
	}
	return func(topic string) bool {
		return len(globs) == 0 || slices.ContainsFunc(globs, func(g string) bool {
			ok, err := path.Match(g, topic)
			return ok && err == nil
		})
	}, nil
}

// dialed are the clusters of one comparison.
type dialed struct {
	log    *slog.Logger
	byName map[string]*kafka.Cluster
}

func (d *dialed) named(name string, c config.Cluster) (*kafka.Cluster, error) {
	return d.open(name, clusterConfig(c))
}

func (d *dialed) at(name string, brokers []string) (*kafka.Cluster, error) {
	return d.open(name, kafka.Config{Brokers: brokers})
}

func (d *dialed) open(name string, c kafka.Config) (*kafka.Cluster, error) {
	if d.byName[name] == nil {
		cluster, err := kafka.New(name, c, d.log)
		if err != nil {
			return nil, usage("%w", err)
		}
		d.byName[name] = cluster
	}
	return d.byName[name], nil
}

func (d *dialed) close() {
	for _, c := range d.byName {
		_ = c.Close() // only read from
	}
}
