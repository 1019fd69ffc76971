package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeSettings are the settings of one topic at one cluster.
type fakeSettings struct {
	mu       sync.Mutex
	defaults map[string]string
	own      map[string]string
	refuse   error // of changes
	broken   error // of reading
	changes  []string
}

func newFakeSettings(own map[string]string) *fakeSettings {
	return &fakeSettings{defaults: map[string]string{"retention.ms": "604800000", "max.message.bytes": "1048588", "segment.ms": "604800000"}, own: own}
}

func (f *fakeSettings) Settings(_ context.Context, topics, names []string) (map[string]map[string]Setting, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]map[string]Setting{}
	for _, topic := range topics {
		all[topic] = map[string]Setting{}
		for _, name := range names {
			if value, ok := f.own[name]; ok {
				all[topic][name] = Setting{value, true}
			} else if value, ok := f.defaults[name]; ok {
				all[topic][name] = Setting{value, false}
			}
		}
	}
	if f.broken != nil {
		return nil, f.broken
	}
	return all, nil
}

func (f *fakeSettings) ChangeSetting(_ context.Context, topic, name string, value *string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	to := "default"
	if value != nil {
		to = *value
	}
	f.changes = append(f.changes, fmt.Sprintf("%s %s=%s", topic, name, to))
	if f.refuse != nil {
		return f.refuse
	}
	if value == nil {
		delete(f.own, name)
	} else {
		f.own[name] = to
	}
	return nil
}

// set gives the topic settings, or with "" their defaults, and forgets what was changed before.
func (f *fakeSettings) set(settings map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.own, settings)
	maps.DeleteFunc(f.own, func(_, value string) bool { return value == "" })
	f.changes = nil
}

func (f *fakeSettings) took() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := strings.Join(f.changes, ", ")
	f.changes = nil
	return took
}

// TestSettingsAreKeptEqual pins what becomes of a setting, look by look.
func TestSettingsAreKeptEqual(t *testing.T) {
	type step struct {
		source, dest map[string]string // changes before the look
		want         string            // changes by it
		why          string            // in the status
	}
	ms := func(value string) map[string]string { return map[string]string{"retention.ms": value} }
	for _, test := range []struct {
		name  string
		names []string
		steps []step
	}{
		{"follows the source, and back", []string{"retention.ms"}, []step{
			{ms("1000"), nil, "clicks retention.ms=1000", ""}, {nil, nil, "", ""}, {ms("2000"), nil, "clicks retention.ms=2000", ""},
			{ms(""), nil, "clicks retention.ms=default", ""}, {nil, nil, "", ""}}},
		{"a default of the source is not copied", []string{"retention.ms"}, []step{{nil, nil, "", ""}}},
		{"what came from elsewhere is not taken away", []string{"retention.ms"}, []step{
			{nil, ms("5000"), "", "retention.ms is 5000 at the destination and has its default, 604800000, at the source"},
			{nil, ms("604800000"), "", ""}}},
		{"what was equal is taken away with the source's", []string{"retention.ms"}, []step{
			{ms("1000"), ms("1000"), "", ""}, {ms(""), nil, "clicks retention.ms=default", ""}}},
		{"equal by a default is equal", []string{"retention.ms"}, []step{{ms("604800000"), nil, "", ""}, {ms(""), nil, "", ""}}},
		{"no fight with somebody else", []string{"retention.ms"}, []step{
			{ms("1000"), nil, "clicks retention.ms=1000", ""}, {nil, ms("9000"), "", "another link or somebody has changed it"},
			{nil, nil, "", "another link or somebody has changed it"}, {ms("3000"), nil, "clicks retention.ms=3000", ""}}},
		{"a limit is raised and never lowered", []string{"max.message.bytes"}, []step{
			{map[string]string{"max.message.bytes": "2000000"}, nil, "clicks max.message.bytes=2000000", ""},
			{map[string]string{"max.message.bytes": "1000"}, nil, "", ""},
			{map[string]string{"max.message.bytes": ""}, nil, "", "max.message.bytes is 2000000 at the destination"}}},
		{"others are left alone", []string{"segment.ms"}, []step{{ms("1000"), nil, "", ""}}},
		{"a setting that nobody has", []string{"retention.hours"}, []step{{nil, nil, "", "edge has no setting retention.hours"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, nil)
			source, dest := newFakeSettings(map[string]string{}), newFakeSettings(map[string]string{})
			b.link.cfg.Equal = Equal{Names: test.names, From: source, To: dest}
			tp := &topic{link: b.link, name: "clicks", dest: "clicks", list: []*Pipeline{b.p}}
			b.link.topics["clicks"] = tp
			b.sink.fakeCatalog = newFakeCatalog("region", map[string]TopicInfo{"clicks": {"dest-id", 1}})
			for i, s := range test.steps {
				source.set(s.source)
				dest.set(s.dest)
				if err := b.link.equalise(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := dest.took(); got != s.want {
					t.Errorf("look %d: changed %q, want %q", i, got, s.want)
				}
				if got := tp.status(time.Now()).Unequal; !strings.Contains(got, s.why) || s.why == "" && got != "" {
					t.Errorf("look %d: the status says %q, want %q", i, got, s.why)
				}
			}
		})
	}
}

// TestSettingsThatCannotBeSet: a missing right is told once, tried again now and then, and keeps nothing from being copied.
func TestSettingsThatCannotBeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		source, dest := newFakeSettings(map[string]string{"retention.ms": "1000"}), newFakeSettings(map[string]string{})
		dest.refuse = errors.New("the right to ALTER_CONFIGS is missing")
		b.link.cfg.Equal = Equal{Names: []string{"retention.ms"}, From: source, To: dest}
		tp := &topic{link: b.link, name: "clicks", dest: "clicks", list: []*Pipeline{b.p}}
		b.link.topics["clicks"] = tp
		b.sink.fakeCatalog = newFakeCatalog("region", map[string]TopicInfo{"clicks": {"dest-id", 1}})
		look := func(tries int) {
			t.Helper()
			dest.set(nil)
			if err := b.link.equalise(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(dest.changes) != tries {
				t.Errorf("%d changes were tried, want %d", len(dest.changes), tries)
			}
		}
		look(1)
		if got := tp.status(time.Now()).Unequal; !strings.Contains(got, "retention.ms stays 604800000, as it cannot be set to 1000: the right to ALTER_CONFIGS is missing") {
			t.Errorf("the status says %q", got)
		}
		time.Sleep(equalEvery)
		look(0)
		source.set(map[string]string{"retention.ms": "2000"})
		look(1)
		time.Sleep(equalRetry)
		look(1)
		dest.refuse = nil
		time.Sleep(equalRetry)
		look(1)
		if got := tp.status(time.Now()).Unequal; got != "" {
			t.Errorf("the status says %q when all is set", got)
		}
		var kinds []EventKind
		for _, e := range b.events.list {
			kinds = append(kinds, e.Kind)
		}
		if want := "[setting_not_copied setting_not_copied setting_copied]"; fmt.Sprint(kinds) != want {
			t.Errorf("events %v, want %s", kinds, want)
		}
		source.broken = errors.New("edge does not answer")
		if err := b.link.equalise(t.Context()); err == nil {
			t.Error("a source that does not answer is no error")
		}
	})
}

// TestSettingsOfOthersTopics: of a topic whose first partition another member mirrors, that one sees to the settings.
func TestSettingsOfOthersTopics(t *testing.T) {
	b := newBench(t, nil)
	source, dest := newFakeSettings(map[string]string{"retention.ms": "1000"}), newFakeSettings(map[string]string{})
	b.link.cfg.Equal = Equal{Names: []string{"retention.ms"}, From: source, To: dest}
	b.p.source.Partition = 1
	b.link.topics["clicks"] = &topic{link: b.link, name: "clicks", dest: "clicks", list: []*Pipeline{b.p}}
	b.sink.fakeCatalog = newFakeCatalog("region", map[string]TopicInfo{"clicks": {"dest-id", 2}})
	if err := b.link.equalise(t.Context()); err != nil || dest.took() != "" {
		t.Errorf("got %v, changes %q", err, dest.took())
	}
}

// TestSettingsAtCreation: a topic is made with them, but for a limit that may be larger by default.
func TestSettingsAtCreation(t *testing.T) {
	b := newBench(t, nil)
	source := newFakeSettings(map[string]string{"retention.ms": "1000", "max.message.bytes": "1000"})
	b.link.cfg.Equal = Equal{Names: []string{"retention.ms", "max.message.bytes", "segment.ms"}, From: source, To: newFakeSettings(nil)}
	got, err := b.link.wantedAt(t.Context(), "clicks")
	if err != nil || fmt.Sprint(got) != "map[retention.ms:1000]" {
		t.Errorf("got %v, %v", got, err)
	}
}
