package doctor

import (
	"fmt"
	"slices"
	"strings"

	"tributary/pkg/api"
)

// class is a kind of trouble: of errors of one class where the mirror knows that, else of texts with one of the words, which are
// Kafka's and the system's and do not change.
type class struct {
	name  string
	of    string // class of errors, "" none: the words alone tell
	exact bool   // of errors of a connection too, whose words say more than their class
	words []string
	rank  rank
	text  func(cluster string) string
	next  func(cluster, link string) string
}

// classConnection is the class of all errors of a connection that nobody knows more of: also of one that was never made, for want of
// an address, and of one that the other side cut off while the mirror logged in.
const classConnection = "connection"

// classes are in the order to try them in: what is more exact first.
func classes() []class {
	return []class{
		{"topic_gone", "topic", false, []string{"topic is gone", "UNKNOWN_TOPIC", "does not exist at"}, rankOperator,
			func(c string) string { return "a topic is not there at " + c },
			func(c, _ string) string {
				return "make the topic at " + c + ", or give back the right to DESCRIBE it, or exclude it and: mirror reload"
			}},
		{"acl", "authorization", false, []string{"AUTHORIZATION_FAILED"}, rankRights,
			func(c string) string { return "a right is missing at " + c },
			func(c, link string) string {
				return fmt.Sprintf("kafka-acls.sh --list at %s: the mirror's user needs DESCRIBE and READ at the source, DESCRIBE, WRITE, READ and where it creates topics CREATE at the destination, and its group mirror.%s at the source", c, link)
			}},
		{"login", "authentication", true, []string{"SASL", "SCRAM", "log in as", "certificate", "tls:", "x509"}, rankRights,
			func(c string) string { return c + " does not accept the mirror, or the other way round" },
			func(c, _ string) string { return "correct sasl or tls of clusters." + c + ", then restart the mirror" }},
		{"not_enough_replicas", "replicas", false, []string{"NOT_ENOUGH_REPLICAS"}, rankReplicas,
			func(c string) string {
				return c + " has fewer replicas in sync than min.insync.replicas, and takes nothing"
			},
			func(c, _ string) string {
				return "kafka-topics.sh --describe --under-min-isr-partitions at " + c + "; start the brokers that are missing"
			}},
		{"no_leader", "leadership", false, []string{"LEADER_NOT_AVAILABLE", "NOT_LEADER", "no leader is known", "has no leader"}, rankReplicas,
			func(c string) string { return "partitions at " + c + " have no leader" },
			func(c, _ string) string { return "kafka-topics.sh --describe --unavailable-partitions at " + c }},
		{"name_unknown", "", true, []string{"no such host", "server misbehaving"}, rankReach,
			func(c string) string { return "a name of " + c + " is not known" },
			func(c, _ string) string { return "see to DNS, or to brokers of clusters." + c }},
		{"unreachable", classConnection, false, []string{"connection refused", "no route to host", "network is unreachable", "connection reset", "broken pipe", "EOF", "no live broker"}, rankReach,
			func(c string) string { return c + " cannot be reached: nobody listens there, or the way is cut" },
			func(c, _ string) string {
				return "see whether the brokers of " + c + " run, and the network to them; it goes on by itself"
			}},
		{"silent", "timeout", false, []string{"i/o timeout", "deadline exceeded", "did not answer", "no answer", "timed out", "REQUEST_TIMED_OUT", "nothing was acknowledged"}, rankReach,
			func(c string) string {
				return c + " does not answer: packets are dropped on the way, or its brokers hang"
			},
			func(c, _ string) string {
				return "see to firewalls and the way to the brokers of " + c + ", such as: nc -vz BROKER PORT; it goes on by itself"
			}},
	}
}

// troubles finds what is retried: of partitions, of topics, and of the link.
func (e *examination) troubles() {
	for problem := range strings.SplitSeq(e.link.Problem, "\n") { // of both clusters, and of topics
		e.trouble(trouble{text: problem})
	}
	for _, t := range e.topics() {
		if t.State == api.StateWaiting || t.State == api.StateStarting {
			e.trouble(trouble{topic: t.Topic, text: t.Problem})
		}
		for _, p := range t.Partitions {
			if p.State == api.StateWaiting || p.State == api.StateStarting {
				e.trouble(trouble{topic: t.Topic, text: p.Error, side: p.ErrorSide, class: p.ErrorClass})
			}
		}
	}
}

// trouble is something that is retried.
type trouble struct {
	topic       string // "" of more than one
	text        string
	side, class string // as the mirror has them, "" unknown
}

// trouble takes in one trouble. Of the same kind there is one diagnosis.
func (e *examination) trouble(t trouble) {
	if t.text == "" {
		return
	}
	topic, text, side := t.topic, t.text, or(t.side, e.sideOf(t.text))
	cluster := or(map[string]string{"source": e.link.From, "target": e.link.To}[side], e.link.From+" or "+e.link.To)
	c, known := classOf(t)
	cause := sideWord(side) + "_" + c.name
	if !known || side == "" {
		cause = "waiting"
	}
	for i := range e.found {
		if e.found[i].Cause == cause {
			if topic != "" && len(e.found[i].Evidence) < examples && !slices.ContainsFunc(e.found[i].Evidence, func(has string) bool { return strings.Contains(has, text) }) {
				e.found[i].Evidence = append(e.found[i].Evidence, topic+": "+text)
			}
			return
		}
	}
	d := Diagnosis{Cause: cause, Text: "it waits for something at " + cluster, Evidence: e.counted(side, strings.TrimPrefix(topic+": "+text, ": ")),
		Next: "mirror status " + e.link.Name + " shows every partition; it goes on by itself when what the text names is right", rank: rankReach}
	if known && side != "" {
		d.Text, d.Next, d.rank = c.text(cluster), c.next(cluster, e.link.Name), c.rank
	}
	e.add(d)
}

// counted is the evidence of a text with the errors that were counted beside it.
func (e *examination) counted(side, text string) []string {
	list := []string{text}
	for _, n := range e.Errors {
		if n.Link == e.link.Name && n.Side == side && n.Count > 0 {
			list = append(list, fmt.Sprintf("%d errors of class %s at the %s while this ran", n.Count, n.Class, n.Side))
		}
	}
	return list
}

// classOf finds the kind of a trouble: by the class of the error, and by words where nobody knows that, or where it says little.
func classOf(t trouble) (class, bool) {
	for _, c := range classes() {
		said := slices.ContainsFunc(c.words, func(word string) bool { return strings.Contains(t.text, word) })
		switch {
		case t.class == "" && said, t.class != "" && c.of == t.class, t.class == classConnection && c.exact && said:
			return c, true
		}
	}
	return class{}, false
}

// sideOf finds which cluster a text is about: texts name it, and say what was done there.
func (e *examination) sideOf(text string) string {
	names := func(cluster string) bool {
		text := " " + text + " "
		return cluster != "" && slices.ContainsFunc([]string{" of " + cluster + ":", " at " + cluster + ":", " at " + cluster + " ", " at " + cluster + ",", " " + cluster + ": "},
			func(phrase string) bool { return strings.Contains(text, phrase) })
	}
	source, target := names(e.link.From), names(e.link.To)
	switch {
	case source != target && source:
		return "source"
	case source != target:
		return "target"
	case strings.Contains(text, "produce") || strings.Contains(text, "join ") || strings.Contains(text, "nothing was acknowledged") || strings.Contains(text, "destination refuses"):
		return "target"
	case strings.Contains(text, "fetch"):
		return "source"
	}
	return ""
}

// sideWord is what causes call a side.
func sideWord(side string) string {
	if side == "target" {
		return "destination"
	}
	return side
}
