package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Redacted returns the file at path as YAML without comments, with *** in place of the value of every key that may hold a
// secret, known or misspelt, also where that is a reference. It needs neither the environment nor a sound configuration.
func Redacted(path string) ([]byte, error) {
	data, err := readLimited(path, MaxFileBytes+1)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil || len(data) > MaxFileBytes {
		return nil, fmt.Errorf("read configuration: %s is no YAML, and so may have secrets anywhere", path)
	}
	redact(&document)
	out, err := yaml.Marshal(&document)
	if err != nil {
		return nil, fmt.Errorf("write configuration without secrets: %w", err)
	}
	return out, nil
}

func redact(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && maySecret(n.Content[i-1].Value) {
			*child = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: hidden}
		}
		redact(child)
	}
}

// maySecret says whether the value of a key may be one that must not show.
func maySecret(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc([]string{"pass", "pasw", "pwd", "secret", "token", "url", "credential"}, func(part string) bool { return strings.Contains(key, part) })
}
