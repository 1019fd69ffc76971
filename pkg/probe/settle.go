package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tributary/pkg/kafka"
)

const (
	// codeTopicAuthorization is what a broker answers who may not describe a topic's settings.
	codeTopicAuthorization = 29
	// settingsPerQuestion bounds the topics of one question.
	settingsPerQuestion = 500
)

// settingsAsked is the question of what settings topics have, and its answer.
type settingsAsked struct {
	at      time.Time
	names   []string
	read    map[string]map[string]string
	refused map[string]bool // whose settings the cluster does not tell
	errs    []error         // why others were not read
}

// unsettled returns the topics whose settings are to be read: those that were not for settingsEvery, the longest first. A topic
// whose settings the cluster does not tell is asked about as often as others, and keeps nobody from it.
func (p *Prober) unsettled(now time.Time) *settingsAsked {
	s := &settingsAsked{at: now, read: map[string]map[string]string{}, refused: map[string]bool{}}
	for name := range p.asked {
		if now.Sub(p.topics[name].settled) >= settingsEvery {
			s.names = append(s.names, name)
		}
	}
	slices.SortFunc(s.names, func(a, b string) int {
		return cmp.Or(p.topics[a].settled.Compare(p.topics[b].settled), strings.Compare(a, b))
	})
	return s
}

// ask reads the settings. After a question that was not answered the rest is left to a later round.
func (s *settingsAsked) ask(ctx context.Context, cluster *kafka.Cluster) {
	for names := range slices.Chunk(s.names, settingsPerQuestion) {
		var read map[string]map[string]string
		err := bounded(ctx, func(ctx context.Context) (err error) {
			read, err = cluster.TopicConfigs(ctx, names, settingNames()...)
			return err
		})
		maps.Copy(s.read, read)
		code, told := kafka.Code(err)
		if told && code == codeTopicAuthorization {
			for _, name := range names {
				_, ok := read[name]
				s.refused[name] = !ok
			}
			continue
		}
		s.errs = append(s.errs, err)
		if err != nil && !told && len(read) == 0 {
			return
		}
	}
}

// settle takes in what was read, and returns why settings are not known. What was known before stands where nothing is told, or
// not all that matters.
func (p *Prober) settle(s *settingsAsked) error {
	for _, name := range s.names {
		t := p.topics[name]
		if values, ok := s.read[name]; ok {
			settings, err := newSettings(values)
			if err == nil {
				t.settings = &settings
			}
			t.untold, t.settled = err, s.at
		} else if s.refused[name] {
			t.untold, t.settled = kafka.Error{Code: codeTopicAuthorization}, s.at
		}
	}
	var untold []string
	var all error
	for _, name := range slices.Sorted(maps.Keys(p.asked)) {
		if err := p.topics[name].untold; err != nil {
			untold, all = append(untold, fmt.Sprintf("%s: %v", name, err)), errors.Join(all, err)
		}
	}
	if len(untold) == 0 {
		return errors.Join(s.errs...)
	}
	err := fmt.Errorf("settings are not told: %s", shorten(untold))
	if code, ok := kafka.Code(all); ok && code == codeTopicAuthorization {
		err = rights(err, "DESCRIBE_CONFIGS on the topics")
	}
	return errors.Join(append(s.errs, err)...)
}
