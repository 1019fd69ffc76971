package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"tributary/pkg/catalog"
	"tributary/pkg/config"
	"tributary/pkg/consume"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
	"tributary/pkg/probe"
	"tributary/pkg/produce"
)

// planner finds out what a link would do.
type planner struct {
	link     config.Link
	from, to *kafka.Cluster
	log      *slog.Logger
	out      PlanLink

	source, dest   *kafka.Metadata
	renamed        map[string]string // destination topic by source topic
	loaded         map[mirror.TopicPartition]mirror.Loaded
	limits         map[string]mirror.Limits // by destination topic that is there
	there, beyond  *probe.Answer            // source, destination
	fromMay, toMay map[string]kafka.Rights
}

// stop notes what keeps a topic, or with "" the link, from being mirrored.
func (p *planner) stop(topic, format string, args ...any) {
	p.out.Findings = append(p.out.Findings, Finding{Stops: true, Topic: topic, Text: fmt.Sprintf(format, args...)})
}

// warn notes what an operator should know.
func (p *planner) warn(topic, format string, args ...any) {
	p.out.Findings = append(p.out.Findings, Finding{Topic: topic, Text: fmt.Sprintf(format, args...)})
}

func planLink(ctx context.Context, cfg *config.Config, l config.Link, o PlanOptions, clusters *dialed, log *slog.Logger) (PlanLink, error) {
	p := &planner{link: l, log: log, out: PlanLink{Name: l.Name, From: l.From, To: l.To, Guarantee: string(l.Guarantee), Ownership: "static", Findings: []Finding{}, Topics: []PlanTopic{}}}
	if l.Ownership.ZooKeeper != nil {
		p.out.Ownership = "zookeeper"
	}
	var err error
	if p.from, err = clusters.named(l.From, cfg.Clusters[l.From]); err != nil {
		return p.out, err
	}
	if p.to, err = clusters.named(l.To, cfg.Clusters[l.To]); err != nil {
		return p.out, err
	}
	if p.reach(ctx) && p.match() {
		p.ask(ctx)
		for _, name := range slices.Sorted(maps.Keys(p.renamed)) {
			p.out.Topics = append(p.out.Topics, p.topic(name))
		}
		p.sum(cmp.Or(o.Speed, l.Rate))
	}
	slices.SortStableFunc(p.out.Findings, func(a, b Finding) int { return order(b.Stops) - order(a.Stops) })
	return p.out, nil
}

func order(stops bool) int {
	if stops {
		return 1
	}
	return 0
}

// reach asks both clusters what they have.
func (p *planner) reach(ctx context.Context) bool {
	var err, wrong error
	if p.source, err = p.from.Metadata(ctx); err != nil {
		p.stop("", "%v; see to clusters.%s, and the way to it", err, p.link.From)
	}
	if p.dest, wrong = p.to.Metadata(ctx); wrong != nil {
		p.stop("", "%v; see to clusters.%s, and the way to it", wrong, p.link.To)
	}
	if err != nil || wrong != nil {
		return false
	}
	if p.source.ClusterID != "" && p.source.ClusterID == p.dest.ClusterID {
		p.stop("", "%s and %s are the same cluster, with the id %s; correct the addresses of one of them", p.link.From, p.link.To, p.source.ClusterID)
		return false
	}
	return true
}

// match finds the topics of the link.
func (p *planner) match() bool {
	filter, err := p.link.Filter()
	if err != nil {
		p.stop("", "%v", err)
		return false
	}
	p.renamed = map[string]string{}
	for name, t := range p.source.Topics {
		if t.Internal || !filter.Match(name) {
			continue
		}
		if t.Err != nil {
			p.stop(name, "%s does not describe it: %v", p.link.From, t.Err)
			continue
		}
		if p.renamed[name], err = filter.Rename(name); err != nil {
			p.stop(name, "%v", err)
			delete(p.renamed, name)
		}
	}
	if len(p.renamed) == 0 {
		p.warn("", "no topic of %s matches the link: compare topics.include with the topics that there are, and the right to DESCRIBE them", p.link.From)
	}
	return len(p.renamed) > 0
}

// ask puts all further questions. What is not answered is a finding, and unknown in the plan.
func (p *planner) ask(ctx context.Context) {
	watchers := [2]*catalog.Watcher{catalog.NewWatcher(p.from, p.log), catalog.NewWatcher(p.to, p.log)}
	partitions := map[string][]int32{}
	var dests []string
	for name, dest := range p.renamed {
		for id := range p.source.Topics[name].Partitions {
			partitions[name] = append(partitions[name], int32(id))
		}
		if t, ok := p.dest.Topics[dest]; ok && t.Err == nil && !slices.Contains(dests, dest) {
			dests = append(dests, dest)
		}
	}
	slices.Sort(dests)
	group := mirror.GroupPrefix + p.link.Name
	var err error
	source := consume.NewSource(p.from, watchers[0], mirror.NewBudget(int64(config.MinMemory)), p.log)
	if p.loaded, err = source.LoadPositions(ctx, group, partitions); err != nil {
		p.stop("", "%v; it needs READ on group %s", err, group)
	}
	if len(dests) > 0 {
		if p.limits, err = produce.NewSink(p.to, watchers[1], p.log).Limits(ctx, dests); err != nil {
			p.stop("", "%v", err)
		}
	}
	names := slices.Sorted(maps.Keys(p.renamed))
	if p.fromMay, err = p.from.TopicRights(ctx, names); err != nil {
		p.warn("", "%v", err)
	}
	if p.toMay, err = p.to.TopicRights(ctx, dests); err != nil {
		p.warn("", "%v", err)
	}
	p.probe(ctx, names, dests)
}

// probe asks for ends, sizes, ages and settings, as a running mirror does beside its copy path.
func (p *planner) probe(ctx context.Context, names, dests []string) {
	wants := probe.Wants{Sources: map[string][]probe.Offset{}}
	for _, name := range names {
		wants.Sources[name] = []probe.Offset{}
	}
	for tp, at := range p.loaded {
		if at.Err == nil {
			wants.Sources[tp.Topic] = append(wants.Sources[tp.Topic], probe.Offset{Partition: tp.Partition, Offset: at.Position.Source})
		}
	}
	one := func(c *kafka.Cluster, w probe.Wants) *probe.Answer {
		a := probe.New(probe.Config{Wants: func() probe.Wants { return w }}, c, slog.New(slog.DiscardHandler)).Once(ctx)
		if a != nil && a.Problem != "" {
			p.warn("", "%s does not tell all that sizes and retention are reckoned from: %s", c.Name(), strings.ReplaceAll(a.Problem, "\n", "; "))
		}
		return a
	}
	p.there, p.beyond = one(p.from, wants), one(p.to, probe.Wants{Settings: dests})
}
