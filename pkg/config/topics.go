package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

const (
	// maxTopicName is Kafka's limit.
	maxTopicName = 249
	// maxRegexp bounds an expression's length, and with it what compiling and matching can cost.
	maxRegexp = 256
	// internalPrefix begins the names of topics that belong to brokers and tools.
	internalPrefix = "__"
	// parkedTopic is where links put what they cannot copy. It belongs to its cluster, as each has its own.
	parkedTopic = "mirror.parked"
)

// TopicFilter says which topics of a link are copied and what they become. It is safe for concurrent use.
type TopicFilter struct {
	include, exclude []pattern
	rename           string // with {from} and {link} filled in
}

// Filter compiles the link's topics. A pattern is a glob, in which * stands for any characters and ? for one, or a
// regular expression between slashes, which must match the whole name. The error names every bad pattern.
func (l Link) Filter() (*TopicFilter, error) {
	include, err := compilePatterns(l.Topics.Include)
	exclude, excludeErr := compilePatterns(l.Topics.Exclude)
	if err := errors.Join(err, excludeErr, checkTemplate(l.Topics.Rename)); err != nil {
		return nil, fmt.Errorf("compile topics of link %s: %w", l.Name, err)
	}
	rename := strings.NewReplacer("{from}", l.From, "{link}", l.Name).Replace(l.Topics.Rename)
	return &TopicFilter{include: include, exclude: exclude, rename: rename}, nil
}

// Match says whether a topic of the source is copied. Names that begin with __ never are, nor is mirror.parked.
func (f *TopicFilter) Match(topic string) bool {
	matches := func(p pattern) bool { return p.match(topic) }
	return !strings.HasPrefix(topic, internalPrefix) && topic != parkedTopic &&
		slices.ContainsFunc(f.include, matches) && !slices.ContainsFunc(f.exclude, matches)
}

// Rename returns the destination's name of a topic. It is an error when that is no legal name: 1 to 249 letters,
// digits, '.', '_' and '-', not beginning with __.
func (f *TopicFilter) Rename(topic string) (string, error) {
	name := strings.ReplaceAll(f.rename, "{topic}", topic)
	switch {
	case len(name) > maxTopicName:
		return "", fmt.Errorf("rename topic %s: the new name has %d characters, Kafka allows %d", shorten(topic), len(name), maxTopicName)
	case !isName(name):
		return "", fmt.Errorf("rename topic %s: %s is not a legal topic name", shorten(topic), shorten(name))
	case name == parkedTopic:
		return "", fmt.Errorf("rename topic %s: %s is where links put what they cannot copy", shorten(topic), parkedTopic)
	case strings.HasPrefix(name, internalPrefix):
		return "", fmt.Errorf("rename topic %s: %s is the name of an internal topic", shorten(topic), shorten(name))
	}
	return name, nil
}

// pattern matches whole topic names. A pattern without wildcards keeps expr nil.
type pattern struct {
	text string
	expr *regexp.Regexp
}

func (p pattern) match(topic string) bool {
	if p.expr == nil {
		return p.text == topic
	}
	return p.expr.MatchString(topic)
}

func compilePatterns(texts []string) ([]pattern, error) {
	var problems []error
	patterns := make([]pattern, 0, len(texts))
	for _, text := range texts {
		p, err := compilePattern(text)
		if err != nil {
			problems = append(problems, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, errors.Join(problems...)
}

func compilePattern(text string) (pattern, error) {
	if isRegexp(text) {
		return compileRegexp(text)
	}
	literal := strings.NewReplacer("*", "a", "?", "a").Replace(text)
	if !isName(literal) || len(text) > maxTopicName {
		return pattern{}, fmt.Errorf("%s is neither a topic name, a glob with * and ?, nor a /regular expression/", shorten(text))
	}
	if literal == text {
		return pattern{text: text}, nil
	}
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(text))
	expr, err := regexp.Compile("^" + quoted + "$")
	if err != nil {
		return pattern{}, fmt.Errorf("%s is not a glob: %w", shorten(text), err)
	}
	return pattern{text: text, expr: expr}, nil
}

// compileRegexp parses the expression alone before it anchors it, so that an unbalanced one cannot escape.
func compileRegexp(text string) (pattern, error) {
	inner := text[1 : len(text)-1]
	if len(inner) > maxRegexp {
		return pattern{}, fmt.Errorf("%s is longer than %d characters; use several patterns", shorten(text), maxRegexp)
	}
	if _, err := syntax.Parse(inner, syntax.Perl); err != nil {
		reason := err.Error()
		if detail, ok := errors.AsType[*syntax.Error](err); ok {
			reason = string(detail.Code)
		}
		return pattern{}, fmt.Errorf("%s is not a regular expression: %s", shorten(text), reason)
	}
	expr, err := regexp.Compile("^(?:" + inner + ")$")
	if err != nil {
		return pattern{}, fmt.Errorf("%s is not a regular expression: %w", shorten(text), err)
	}
	return pattern{text: text, expr: expr}, nil
}

func isRegexp(text string) bool {
	return len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/'
}

func isGlob(text string) bool {
	return !isRegexp(text) && strings.ContainsAny(text, "*?")
}

// checkTemplate checks a rename for unknown placeholders and characters no topic name has.
func checkTemplate(template string) error {
	rest := strings.NewReplacer("{topic}", "a", "{from}", "a", "{link}", "a").Replace(template)
	if _, after, ok := strings.Cut(rest, "{"); ok {
		name, _, _ := strings.Cut(after, "}")
		known := []string{"{topic}", "{from}", "{link}"}
		return fmt.Errorf("%s has the unknown placeholder %s%s (%s)", shorten(template), shorten("{"+name+"}"),
			DidYouMean("{"+name+"}", known), strings.Join(known, ", "))
	}
	if !isName(rest) {
		return fmt.Errorf("%s does not make legal topic names: letters, digits, '.', '_', '-' and placeholders", shorten(template))
	}
	return nil
}

// rename checks what a link's topics become.
func (k *checker) rename(path string, link Link) {
	template := link.Topics.Rename
	if err := checkTemplate(template); err != nil {
		k.add(path, "%v", err)
		return
	}
	one := len(link.Topics.Include) == 1 && !isRegexp(link.Topics.Include[0]) && !isGlob(link.Topics.Include[0])
	if !strings.Contains(template, "{topic}") && !one {
		k.add(path, "%s would make several topics one; use {topic} in it, or include exactly one topic", shorten(template))
	}
	if strings.HasPrefix(template, internalPrefix) {
		k.add(path, "%s makes internal topics, which no tier mirrors further", shorten(template))
	}
}
