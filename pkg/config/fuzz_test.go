package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzParse: whatever the bytes, Parse answers within seconds with a configuration that stands up to Validate and
// compiles, or with problems.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range []string{"edge.yaml", "region.yaml", "reference.yaml"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "configs", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]\nzone: ${file:/secret}${SET:-x}\nmemory: 010\n---\n"))
	f.Add([]byte(small + "  - {name: back, from: region, to: edge, topics: {include: [/c(l|k)+s{2,3}/]}}\n"))
	env := testEnv()
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		cfg, err := Parse("fuzz.yaml", data, env)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if err != nil {
			if problems, ok := errors.AsType[*Problems](err); !ok || len(problems.List) == 0 || problems.Error() == "" {
				t.Errorf("an error without problems: %v", err)
			}
			return
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("Parse accepted what Validate refuses: %v", err)
		}
		for _, link := range cfg.Links {
			if _, err := link.Filter(); err != nil {
				t.Errorf("Parse accepted what Filter refuses: %v", err)
			}
		}
	})
}

// FuzzTopics: a renamed topic is always a legal name that no tier takes for an internal one.
func FuzzTopics(f *testing.F) {
	f.Add("ev*", "{from}.{topic}", "events")
	f.Add("/a|b{2}/", "{topic}", "__a")
	f.Fuzz(func(t *testing.T, include, rename, topic string) {
		filter, err := Link{Name: "l", From: "edge", Topics: Topics{Include: []string{include}, Rename: rename}}.Filter()
		if err != nil {
			return
		}
		if filter.Match(topic) && len(topic) >= 2 && topic[:2] == internalPrefix {
			t.Errorf("%q matches %q", include, topic)
		}
		if name, err := filter.Rename(topic); err == nil && (!isName(name) || len(name) > maxTopicName || name[:min(2, len(name))] == internalPrefix) {
			t.Errorf("renamed %q to %q", topic, name)
		}
	})
}
