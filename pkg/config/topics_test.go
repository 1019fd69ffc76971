package config

import (
	"strings"
	"testing"
)

func TestTopicFilterMatch(t *testing.T) {
	link := Link{Name: "up", From: "edge", Topics: Topics{Rename: "{topic}",
		Include: []string{"events.*", "clicks", "v?", "/metrics-[0-9]+|raw/"}, Exclude: []string{"events.debug", "*.tmp", "/events\\.x.*/"}}}
	filter, err := link.Filter()
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bool{
		"events.a": true, "events.": true, "events": false, "eventsxa": false, "my.events.a": false,
		"events.debug": false, "events.debug2": true, "events.a.tmp": false, "events.xyz": false,
		"clicks": true, "clicks2": false, "aclicks": false,
		"v1": true, "v": false, "v12": false,
		"metrics-12": true, "metrics-": false, "my-metrics-1": false, "raw": true, "raw2": false, "draw": false,
	} {
		if got := filter.Match(topic); got != want {
			t.Errorf("Match(%q) = %v, want %v", topic, got, want)
		}
	}
	all, err := Link{Topics: Topics{Rename: "{topic}", Include: []string{"*", "/.*/"}}}.Filter()
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bool{"__consumer_offsets": false, "__": false, "_schemas": true, "a": true} {
		if got := all.Match(topic); got != want {
			t.Errorf("* matches %q: %v, want %v", topic, got, want)
		}
	}
}

func TestTopicFilterRename(t *testing.T) {
	for _, test := range []struct{ template, topic, want, problem string }{
		{"{topic}", "clicks", "clicks", ""},
		{"{from}.{topic}", "clicks", "edge.clicks", ""},
		{"{link}-{topic}-{topic}", "a", "up-a-a", ""},
		{"{topic}", strings.Repeat("a", 249), strings.Repeat("a", 249), ""},
		{"{topic}x", strings.Repeat("a", 249), "", "has 250 characters"},
		{"{topic}", "", "", "not a legal topic name"},
		{"{topic}", "a/b", "", "not a legal topic name"},
		{"{topic}", "..", "", "not a legal topic name"},
		{"{topic}", "{from}", "", "not a legal topic name"},
		{"_{topic}", "_a", "", "internal topic"},
		{"mirror.{topic}", "parked", "", "cannot copy"},
	} {
		filter, err := Link{Name: "up", From: "edge", Topics: Topics{Rename: test.template}}.Filter()
		if err != nil {
			t.Fatal(err)
		}
		got, err := filter.Rename(test.topic)
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%s of %.20q: %v, want %q", test.template, test.topic, err, test.problem)
			}
		} else if got != test.want || err != nil {
			t.Errorf("%s of %.20q = %q, %v; want %q", test.template, test.topic, got, err, test.want)
		}
	}
}

func TestFilterRefusesBadPatterns(t *testing.T) {
	for _, pattern := range []string{"", "a b", "a/b", "[a-z]", "/(/", "/a)|(b/", "//", "/a", "a{1}", "é", ".", "\x1b[2J", "/a{2000}/", strings.Repeat("*", 300)} {
		if _, err := (Link{Topics: Topics{Rename: "{topic}", Include: []string{pattern}}}).Filter(); err == nil {
			t.Errorf("include %.20q was accepted", pattern)
		}
		if _, err := (Link{Topics: Topics{Rename: "{topic}", Exclude: []string{pattern}}}).Filter(); err == nil {
			t.Errorf("exclude %.20q was accepted", pattern)
		}
	}
}
