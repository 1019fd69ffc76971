package app

import (
	"fmt"
	"path/filepath"

	"tributary/pkg/config"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
	"tributary/pkg/probe"
)

// aside is what asks one cluster beside the copy path. It has connections of its own: what hangs there does not hang here.
type aside struct {
	cluster *kafka.Cluster
	prober  *probe.Prober
}

// probe makes a prober for every cluster of a link.
func (p *process) probe(cfg *config.Config, observed *lag.Config) error {
	live, err := linksOf(cfg)
	if err != nil {
		return err
	}
	observed.Wanted = wanted(live)
	observed.Path = filepath.Join(cfg.StateDir, "outlook.json")
	observed.Probes, observed.Retention = map[string]lag.Probes{}, thresholds(cfg)
	for _, l := range cfg.Links {
		for _, name := range []string{l.From, l.To} {
			if _, ok := p.asides[name]; ok {
				continue
			}
			c, err := kafka.New(name, clusterConfig(cfg.Clusters[name]), p.log)
			if err != nil {
				return fmt.Errorf("%w; correct clusters.%s, or the files that it names", err, name)
			}
			own := probe.Config{Path: filepath.Join(cfg.StateDir, "traffic-"+name), Wants: func() probe.Wants { return wants(p.links, name) }}
			p.asides[name] = aside{c, probe.New(own, c, p.log)}
		}
		observed.Probes[l.Name] = lag.Probes{Source: p.asides[l.From].prober.Answer, Target: p.asides[l.To].prober.Answer}
	}
	return nil
}

// wanted says whether a link mirrors a topic, by the patterns of the links.
func wanted(links map[string]liveLink) func(link, topic string) bool {
	return func(link, topic string) bool { return links[link].match(topic) }
}

// thresholds are those of the headroom, by name of the link.
func thresholds(cfg *config.Config) map[string]lag.Retention {
	all := map[string]lag.Retention{}
	for _, l := range cfg.Links {
		all[l.Name] = lag.Retention{Warn: float64(l.Retention.Warn) / 100, Critical: float64(l.Retention.Critical) / 100}
	}
	return all
}

// wants is what is to be asked of a cluster. Of a topic that another member of a pool mirrors, the traffic is followed too:
// whoever takes it over knows a week of it.
func wants(links []*mirror.Link, cluster string) probe.Wants {
	w := probe.Wants{Sources: map[string][]probe.Offset{}}
	for _, l := range links {
		s := l.Status()
		if s.From == cluster {
			for _, name := range l.Topics() {
				w.Sources[name] = append([]probe.Offset{}, w.Sources[name]...) // there, also without an offset
			}
		}
		for _, t := range s.Topics {
			if s.To == cluster {
				w.Settings = append(w.Settings, t.Dest)
			}
			if s.From != cluster {
				continue
			}
			for _, ps := range t.Partitions {
				if next := ps.Waits(); next >= 0 {
					w.Sources[t.Topic] = append(w.Sources[t.Topic], probe.Offset{Partition: ps.Source.Partition, Offset: next})
				}
			}
		}
	}
	return w
}
