package mirror

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// equaliser keeps the named settings of the topics equal whose first partition this process mirrors, until ctx ends.
func (l *Link) equaliser(ctx context.Context) {
	if len(l.cfg.Equal.Names) == 0 {
		return
	}
	tick := time.NewTicker(equalEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.equalDue:
		}
		if err := l.equalise(ctx); l.note(&l.equalErr, err) && ctx.Err() == nil {
			l.log.Warn("topic settings not compared", "err", err)
		}
	}
}

// equalise takes one look at all of them. What could not be read stays as it was; the error says why.
func (l *Link) equalise(ctx context.Context) error {
	to, _, _ := l.sink.Catalog()
	var topics []*topic
	var names, dests []string
	for _, t := range l.all() {
		if list := t.pipelines(); to != nil && len(list) > 0 && list[0].source.Partition == 0 {
			if _, exists := to.Topics[t.dest]; exists {
				topics, names, dests = append(topics, t), append(names, t.name), append(dests, t.dest)
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	source, err := l.cfg.Equal.From.Settings(bounded, names, l.cfg.Equal.Names)
	if err != nil && len(source) == 0 {
		return err
	}
	slices.Sort(dests)
	dest, wrong := l.cfg.Equal.To.Settings(bounded, slices.Compact(dests), l.cfg.Equal.Names)
	for _, t := range topics {
		from, fromOK := source[t.name]
		there, thereOK := dest[t.dest]
		if fromOK && thereOK && ctx.Err() == nil {
			l.equaliseTopic(ctx, t, from, there)
		}
	}
	if err == nil {
		err = wrong
	}
	return err
}

// equaliseTopic brings one topic's settings up to the source's, and notes why it could not.
func (l *Link) equaliseTopic(ctx context.Context, t *topic, source, dest map[string]Setting) {
	var reasons []string
	for _, name := range l.cfg.Equal.Names {
		from, told := source[name]
		there, known := dest[name]
		why := ""
		switch {
		case !told:
			why = fmt.Sprintf("%s has no setting %s", l.cfg.From, name)
		case !known:
			why = fmt.Sprintf("%s has no setting %s", l.cfg.To, name)
		default:
			why = l.equaliseSetting(ctx, t, name, from, there)
		}
		if why != "" {
			reasons = append(reasons, why)
		}
	}
	text := strings.Join(reasons, "; ")
	if text != "" {
		text = "settings of " + t.dest + " at " + l.cfg.To + " are not those of " + t.name + " at " + l.cfg.From + ": " + text
	}
	t.mu.Lock()
	before := t.unequal
	t.unequal = text
	t.mu.Unlock()
	if text != "" && text != before {
		l.log.Warn("topic settings differ", "topic", t.name, "why", text)
		l.tellSetting(t, EventSettingNotCopied, text)
	}
}

// equaliseSetting does it for one setting, and returns why the two differ from now on, "" when they do not.
func (l *Link) equaliseSetting(ctx context.Context, t *topic, name string, source, dest Setting) string {
	if t.equalled == nil {
		t.equalled = map[string]*equalled{}
	}
	e := t.equalled[name]
	if e == nil {
		e = &equalled{}
		t.equalled[name] = e
	}
	next := e.next(name, source, dest)
	if !next.change {
		e.refused = ""
		return next.why
	}
	wanted := "the cluster's default"
	if next.to != nil {
		wanted = *next.to
	}
	if e.refused != "" && e.wanted == wanted && time.Since(e.at) < equalRetry {
		return e.refused
	}
	bounded, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if err := l.cfg.Equal.To.ChangeSetting(bounded, t.dest, name, next.to); err != nil {
		if ctx.Err() == nil {
			e.refused, e.wanted, e.at = fmt.Sprintf("%s stays %s, as it cannot be set to %s: %v", name, dest.Value, wanted, err), wanted, time.Now()
		}
		return e.refused
	}
	e.value, e.refused = next.to, ""
	text := fmt.Sprintf("%s of %s at %s from %s to %s, as at %s", name, t.dest, l.cfg.To, dest.Value, wanted, l.cfg.From)
	l.log.Info("topic setting copied", "topic", t.name, "what", text)
	l.tellSetting(t, EventSettingCopied, text)
	return ""
}

func (l *Link) tellSetting(t *topic, kind EventKind, text string) {
	l.events.Record(Event{Time: time.Now(), Kind: kind, Link: l.cfg.Name, Topic: t.name, Partition: -1, Text: text})
}

// wantedAt returns the source's own values of the named settings, for a topic that is made.
func (l *Link) wantedAt(ctx context.Context, topic string) (map[string]string, error) {
	if len(l.cfg.Equal.Names) == 0 {
		return nil, nil
	}
	all, err := l.cfg.Equal.From.Settings(ctx, []string{topic}, l.cfg.Equal.Names)
	if err != nil {
		return nil, err
	}
	own := map[string]string{}
	for name, s := range all[topic] {
		if s.Own {
			own[name] = s.Value
		}
	}
	maps.DeleteFunc(own, func(name, _ string) bool { return name == raisedOnly }) // the destination's default may be larger
	return own, nil
}

// equalSoon has the settings compared: partitions were started.
func (l *Link) equalSoon() {
	select {
	case l.equalDue <- struct{}{}:
	default: // it is due anyway
	}
}
