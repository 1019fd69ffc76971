package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tributary/pkg/api"
)

const (
	lossSoon   = 6 * time.Hour    // until something may be lost
	diskSoon   = 24 * time.Hour   // until a disk is full
	poolSilent = 15 * time.Second // a connection to ZooKeeper comes back before that, or its session ends
	probeOld   = 2 * time.Minute  // since the clusters were asked; that is done every ten seconds
	slowBehind = time.Minute      // what is less behind is not worth a word
	slowSpeed  = 1.02             // seconds of the source per second: what is faster catches up
	pressed    = 0.5              // of the time something waits
	examples   = 3                // of topics that are named
)

// examination is of one link.
type examination struct {
	Facts
	link  api.Link
	found []Diagnosis
}

func (e *examination) run() []Diagnosis {
	e.halted()
	e.losing()
	e.disks()
	e.ownership()
	e.troubles()
	e.probes()
	e.slow()
	e.paused()
	e.nothing()
	return e.found
}

func (e *examination) add(d Diagnosis) {
	d.Link = e.link.Name
	e.found = append(e.found, d)
}

// topics are those that this mirror knows something of.
func (e *examination) topics() []api.Topic {
	return slices.DeleteFunc(slices.Clone(e.link.Topics), func(t api.Topic) bool { return t.State == api.StateElsewhere })
}

// halted finds partitions that wait for an operator.
func (e *examination) halted() {
	for _, t := range e.topics() {
		for _, p := range t.Partitions {
			if p.State == api.StateHalted {
				e.add(Diagnosis{Cause: "halted", Text: fmt.Sprintf("%s/%d is halted: %s", t.Topic, p.Partition, p.Reason), Evidence: evidence(p.Error),
					Next: or(p.NextStep, "mirror skip "+e.link.Name+" "+fmt.Sprintf("%s/%d", t.Topic, p.Partition)), rank: rankOperator})
			}
		}
	}
}

// losing finds what may be lost soon, or by now.
func (e *examination) losing() {
	for _, t := range e.topics() {
		if t.LossDeadline == nil {
			continue
		}
		left := t.LossDeadline.Sub(e.Now)
		critical := t.RetentionUsed != nil && *t.RetentionUsed >= 1-e.link.Retention.Critical
		if !critical && (t.RetentionUsed != nil || left > lossSoon) { // a short retention is always near its end
			continue
		}
		text := fmt.Sprintf("records of %s may be lost in %v (%s)", t.Topic, left.Round(time.Second), t.LossCause)
		if left <= 0 {
			text = fmt.Sprintf("records of %s may have been lost since %s (%s)", t.Topic, t.LossDeadline.UTC().Format(time.RFC3339), t.LossCause)
		}
		e.add(Diagnosis{Cause: "loss_imminent", Text: text, Evidence: []string{"loss_deadline is " + t.LossDeadline.UTC().Format(time.RFC3339)},
			Next: fmt.Sprintf("gain time: raise the retention of %s at %s, or free its disks; what keeps it from being mirrored stands below", t.Topic, e.link.From), rank: rankLoss})
	}
}

// disks finds log directories of the source that fill up.
func (e *examination) disks() {
	for _, d := range e.link.Disks {
		full := d.UsableBytes != nil && *d.UsableBytes == 0
		if !full && (d.FullAt == nil || d.FullAt.Sub(e.Now) > diskSoon) {
			continue
		}
		text := fmt.Sprintf("the disk of broker %d of %s is full", d.Broker, e.link.From)
		if !full {
			text = fmt.Sprintf("the disk of broker %d of %s is full in %v", d.Broker, e.link.From, d.FullAt.Sub(e.Now).Round(time.Minute))
		}
		e.add(Diagnosis{Cause: "disk_full", Text: text, Evidence: []string{d.Dir + bytesLeft(d)}, Next: fmt.Sprintf("free or add space at broker %d, or lower the retention of topics that are mirrored by now; see: mirror lag %s", d.Broker, e.link.Name), rank: rankLoss})
	}
}

func bytesLeft(d api.Disk) string {
	if d.UsableBytes == nil || d.TotalBytes == nil {
		return ""
	}
	return fmt.Sprintf(": %d of %d bytes are free", *d.UsableBytes, *d.TotalBytes)
}

// ownership finds pools that are out of reach, and topics that nobody has.
func (e *examination) ownership() {
	if p := e.link.Pool; p != nil && p.State != api.PoolConnected && (p.Since == nil || e.Now.Sub(*p.Since) >= poolSilent) {
		e.add(Diagnosis{Cause: "zookeeper_unreachable", Text: "ZooKeeper does not answer: nobody takes topics over, and old records wait", Evidence: []string{"the session is " + p.State + sinceText(p.Since)},
			Next: "see to the ensemble of ownership.zookeeper.servers, and the way to it; then: mirror owners " + e.link.Name, rank: rankOwnership})
	}
	var unowned []string
	why := ""
	for _, t := range e.link.Topics {
		if t.State == api.StateUnowned {
			unowned, why = append(unowned, t.Topic), or(why, t.Problem)
		}
	}
	if len(unowned) > 0 {
		e.add(Diagnosis{Cause: "unowned", Text: "nobody mirrors " + named(unowned), Evidence: evidence(why), Next: "mirror owners " + e.link.Name, rank: rankOwnership})
	}
}

// probes finds a prober that does not ask any more: what it says is old.
func (e *examination) probes() {
	for _, side := range []struct {
		name, cluster string
		api.Probed
	}{{"source", e.link.From, e.link.Probe.Source}, {"target", e.link.To, e.link.Probe.Target}} {
		switch {
		case side.Success == nil || e.Now.Sub(*side.Success) < probeOld:
		case side.Problem != "":
			e.trouble(trouble{text: side.Problem, side: side.name})
		default:
			e.add(Diagnosis{Cause: "prober_frozen", Text: "the prober of " + side.cluster + " does nothing: retention and disks are as of then",
				Evidence: []string{"it succeeded last at " + side.Success.UTC().Format(time.RFC3339) + ", and tells of no problem"}, Next: "mirror debug bundle, then: systemctl restart mirror", rank: rankProber})
		}
	}
}

// slow finds what gets on, but not as fast as records come.
func (e *examination) slow() {
	var slow, limited []string
	for _, t := range e.topics() {
		behind := t.ReplicatedThrough != nil && e.Now.Sub(*t.ReplicatedThrough) >= slowBehind
		switch {
		case !behind || t.Speed != nil && *t.Speed >= slowSpeed:
		case t.State == api.StateCopying:
			slow = append(slow, t.Topic)
		case t.State == api.StateThrottled:
			limited = append(limited, t.Topic)
		}
	}
	if len(limited) > 0 {
		e.add(Diagnosis{Cause: "rate_limited", Text: named(limited) + " is copied more slowly than records come: the link's rate holds it back", Evidence: []string{"the state is throttled"},
			Next: "raise rate of link " + e.link.Name + " in the configuration, then: mirror reload", rank: rankSlow})
	}
	if len(slow) == 0 {
		return
	}
	d := Diagnosis{Cause: "slow", Text: named(slow) + " is copied more slowly than records come", Next: "mirror top " + e.link.Name, rank: rankSlow}
	target, source := e.Pressure[Way{e.link.Name, "target"}], e.Pressure[Way{e.link.Name, "source"}]
	switch {
	case target >= pressed:
		d.Cause, d.Text = "destination_slow", d.Text+": "+e.link.To+" takes no more, by a quota, its disks or the bandwidth to it"
		d.Next = fmt.Sprintf("kafka-configs.sh --bootstrap-server ... --describe --entity-type users (and clients, brokers) at %s: producer_byte_rate; then the bandwidth to it", e.link.To)
	case source >= pressed:
		d.Cause, d.Text = "memory_short", d.Text+": the memory for records on their way is used up"
		d.Next = "raise memory in the configuration, and restart the mirror"
	}
	d.Evidence = []string{fmt.Sprintf("it waited for %s %.0f%% of the time, and for memory %.0f%%", e.link.To, 100*target, 100*source)}
	if _, known := e.Pressure[Way{e.link.Name, "target"}]; !known {
		d.Evidence = []string{"what it waits for is not known: the metrics do not tell"}
	}
	e.add(d)
}

// paused says what an operator wants to stand still.
func (e *examination) paused() {
	var paused []string
	for _, t := range e.topics() {
		if t.State == api.StatePaused {
			paused = append(paused, t.Topic)
		}
	}
	if len(paused) > 0 {
		e.add(Diagnosis{Cause: "paused", Text: named(paused) + " is paused by an operator, and goes on by itself", Evidence: evidence(untilText(e.link, paused[0])),
			Next: "mirror resume " + e.link.Name, rank: rankWanted})
	}
}

// nothing finds a link without topics.
func (e *examination) nothing() {
	if len(e.link.Topics) == 0 && e.link.Problem == "" {
		e.add(Diagnosis{Cause: "no_topics", Text: "no topic of " + e.link.From + " matches the link", Evidence: []string{"the status shows none"},
			Next: "compare topics.include of the link with the topics that there are, and the right to DESCRIBE them", rank: rankConfig})
	}
}

func untilText(l api.Link, topic string) string {
	for _, t := range l.Topics {
		if t.Topic == topic && t.PausedUntil != nil {
			return "until " + t.PausedUntil.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

func sinceText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " since " + t.UTC().Format(time.RFC3339)
}

// named names a few topics.
func named(topics []string) string {
	text := strings.Join(topics[:min(examples, len(topics))], ", ")
	if more := len(topics) - examples; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func evidence(texts ...string) []string {
	return append([]string{}, slices.DeleteFunc(texts, func(s string) bool { return s == "" })...)
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
