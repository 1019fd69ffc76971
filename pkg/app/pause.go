package app

import (
	"fmt"
	"path/filepath"
	"time"

	"tributary/pkg/config"
	"tributary/pkg/journal"
	"tributary/pkg/lag"
	"tributary/pkg/pause"
)

// diskReserve is how long before a disk of the source is full nothing may be paused any more.
const diskReserve = time.Hour

// openPauses applies what is paused. That an earlier process's pauses cannot be read must not keep this one from mirroring.
func (p *process) openPauses(cfg *config.Config) {
	c := pause.Config{Path: filepath.Join(cfg.StateDir, "pauses.json"), Danger: p.danger,
		Apply: func(link string, until map[string]time.Time) {
			if l, ok := p.byName[link]; ok { // a link may be configured no more
				l.SetPauses(until)
			}
		},
		Ended: func(link, topic, why string) {
			p.log.Info("pause ended", "link", link, "topic", topic, "why", why)
			p.journal.Add(journal.Event{Kind: journal.KindPauseEnded, Link: link, Topic: topic, Text: why})
		}}
	var err error
	if p.pauses, err = pause.Open(c, p.log); err != nil {
		p.log.Warn("pauses not kept", "err", err)
	}
}

// danger says why a topic of a link, or with "" any of it, must not be paused: what it has used up of its retention is critical,
// or a disk is nearly full.
func (p *process) danger(link, topic string) string {
	snapshot := p.observer.Snapshot()
	if snapshot == nil {
		return ""
	}
	for _, l := range snapshot.Links {
		if l.Name != link {
			continue
		}
		for _, t := range l.Topics {
			if topic == "" || t.Topic == topic {
				if why := endangered(&t, l.Retention.Critical, time.Now()); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

func endangered(t *lag.Topic, critical float64, now time.Time) string {
	switch {
	case t.LossDeadline == nil || t.Away:
		return ""
	case t.Used != nil && *t.Used >= 1-critical:
		return fmt.Sprintf("topic %s has used up %.0f%% of its retention, and may lose records from %s on", t.Topic, 100**t.Used, t.LossDeadline.UTC().Format(time.RFC3339))
	case t.LossCause == lag.CauseDiskFull && t.LossDeadline.Sub(now) < diskReserve:
		return fmt.Sprintf("a disk of topic %s at the source is full at %s", t.Topic, t.LossDeadline.UTC().Format(time.RFC3339))
	}
	return ""
}
