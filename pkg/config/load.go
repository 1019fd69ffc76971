package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// MaxFileBytes is the largest file that is read.
const MaxFileBytes = 1 << 20

// A Check finds what is wrong with a configuration beyond what this package knows of. It gets sound ones and others.
type Check func(*Config) []Problem

// Load reads, expands, completes and checks the file at path in the environment of this process. What is wrong
// with its content is a *Problems; an unreadable file is an error that wraps the cause.
func Load(path string, further ...Check) (*Config, error) {
	data, err := readLimited(path, MaxFileBytes+1)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, OSEnv(), further...)
}

// Parse expands, completes and checks the content of the file called name, which is only used in messages. Its
// error is always a *Problems with everything that is wrong. Neither data nor env is kept.
func Parse(name string, data []byte, env Env, further ...Check) (*Config, error) {
	problems := &Problems{File: name}
	root := parseDocument(data, problems)
	if root == nil {
		return nil, problems.err()
	}
	cfg := Default()
	d := newDecoder(env, problems)
	d.decode(root, reflect.ValueOf(cfg).Elem(), "")
	for _, p := range slices.Concat(cfg.fillIn(env), cfg.check(further)) {
		// What could not be read was reported already; its zero value is no second problem.
		if !d.isBroken(p.Key) {
			problems.add(d.line(p.Key), p.Key, "%s", d.asWritten(p))
		}
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// Listen returns the listen address of the file at path and nothing else of it, so that whoever asks a running
// process needs none of the secrets that the rest of the file may name.
func Listen(path string) (string, error) {
	listen := DefaultListen
	err := loadKey(path, "listen", &listen)
	return listen, err
}

// StateDir returns the state directory of the file at path, or where the file names none that of this host, and likewise
// nothing else of it.
func StateDir(path string) (string, error) {
	dir := ""
	if err := loadKey(path, "state_dir", &dir); err != nil || dir != "" {
		return dir, err
	}
	return DefaultStateDir()
}

// DefaultStateDir returns the state directory that a file means which names none.
func DefaultStateDir() (string, error) {
	if dir := defaultStateDir(OSEnv()); dir != "" {
		return dir, nil
	}
	return "", errors.New(noStateDir)
}

// loadKey sets value to that of one key of the file's own, if it is there.
func loadKey(path, key string, value *string) error {
	data, err := readLimited(path, MaxFileBytes+1)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	problems := &Problems{File: path}
	if root := parseDocument(data, problems); root != nil && root.Kind == yaml.MappingNode {
		d := newDecoder(OSEnv(), problems)
		for i := 0; i+1 < len(root.Content); i += 2 {
			if root.Content[i].Value == key {
				d.decode(root.Content[i+1], reflect.ValueOf(value).Elem(), key)
			}
		}
	}
	return problems.err()
}

// parseDocument returns the one mapping in data, or nil after reporting why there is none. Anchors, aliases and
// tags are refused wherever they stand: a configuration has no use for them, an attacker has.
func parseDocument(data []byte, problems *Problems) *yaml.Node {
	if len(data) > MaxFileBytes {
		problems.add(0, "", "is larger than 1 MiB; a configuration is not")
		return nil
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := in.Decode(&document); errors.Is(err, io.EOF) {
		problems.add(0, "", "is empty; see configs/reference.yaml for what it can say")
		return nil
	} else if err != nil {
		addSyntax(problems, data, err)
		return nil
	}
	if err := in.Decode(&second); err == nil {
		problems.add(second.Line, "", "a second document begins here; only one is allowed in a file")
	} else if !errors.Is(err, io.EOF) {
		addSyntax(problems, data, err)
	}
	root := document.Content[0]
	refuseTricks(root, problems)
	if root.Kind != yaml.MappingNode {
		problems.add(root.Line, "", "is not a mapping of keys to values; see configs/reference.yaml")
		return nil
	}
	return root
}

// addSyntax reports an error of the YAML parser, which writes the line into the text, except that of an alias for nothing.
func addSyntax(problems *Problems, data []byte, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, what, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, text = n, what
			}
		}
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		line = lineOf(data, "*"+name)
	}
	problems.add(line, "", "is not valid YAML: %s", text)
}

// lineOf returns the first line that has part in it, or 0.
func lineOf(data []byte, part string) int {
	before, _, found := bytes.Cut(data, []byte(part))
	if !found {
		return 0
	}
	return 1 + bytes.Count(before, []byte("\n"))
}

func refuseTricks(n *yaml.Node, problems *Problems) {
	switch {
	case n.Kind == yaml.AliasNode:
		problems.add(n.Line, "", "alias *%s is not allowed; write the value out", n.Value)
	case n.Anchor != "":
		problems.add(n.Line, "", "anchor &%s is not allowed; write the value out where it is needed", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		problems.add(n.Line, "", "tag %s is not allowed; the key says what type its value has", n.Tag)
	}
	for _, child := range n.Content {
		refuseTricks(child, problems)
	}
}

// readLimited reads at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
