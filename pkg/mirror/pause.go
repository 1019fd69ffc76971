package mirror

import (
	"maps"
	"time"
)

// WholeLink stands for all topics of a link among its pauses.
const WholeLink = ""

// SetPauses says which topics are not read, and until when, in place of what was said before; of a topic that is named and of
// the WholeLink the later time counts. What was read already is sent, acknowledged and saved. A time that has come changes
// nothing: whoever set it takes it back. Safe for concurrent use.
func (l *Link) SetPauses(until map[string]time.Time) {
	pauses := maps.Clone(until)
	l.pauses.Store(&pauses)
	for _, t := range l.all() {
		for _, p := range t.pipelines() {
			l.source.Wake(p) // one that is paused stays where it is
		}
	}
}

// pausedUntil is until when a topic, or the WholeLink, is paused; zero when it is not.
func (l *Link) pausedUntil(topic string) time.Time {
	pauses := l.pauses.Load()
	if pauses == nil {
		return time.Time{}
	}
	return latest((*pauses)[WholeLink], (*pauses)[topic])
}

// paused says that nothing more is to be read.
func (p *Pipeline) paused() bool { return !p.link.pausedUntil(p.source.Topic).IsZero() }

// pauseText tells people about it.
func (p *Pipeline) pauseText() string {
	return "by an operator until " + p.link.pausedUntil(p.source.Topic).UTC().Format(time.RFC3339)
}
