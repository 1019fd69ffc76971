package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds a report; who has more has the wrong file.
const maxProblems = 100

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Line is where it stands, from 1; 0 when no line can be named.
	Line int `json:"line"`
	// Key is the path of the key, such as links[0].topics.include[1]; empty when it is about the whole file.
	Key string `json:"key"`
	// Text says what is wrong and what to do about it. It never contains a secret.
	Text string `json:"text"`
}

// Problems is everything that is wrong with one file, by line. It is an error when not empty.
type Problems struct {
	// File is the name the file was given.
	File string
	// List holds the problems in the order of their lines, cut off after the first hundred found.
	List []Problem
	// More counts those that were cut off.
	More int
}

// Error lists all problems, one a line, as file:line: key: text.
func (p *Problems) Error() string {
	lines := make([]string, 0, len(p.List)+1)
	for _, problem := range p.List {
		lines = append(lines, p.Format(problem))
	}
	if p.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", p.File, p.More))
	}
	return strings.Join(lines, "\n")
}

// Format writes one problem as file:line: key: text, leaving out what is not known.
func (p *Problems) Format(problem Problem) string {
	var s strings.Builder
	s.WriteString(p.File)
	if problem.Line > 0 {
		fmt.Fprintf(&s, ":%d", problem.Line)
	}
	if problem.Key != "" {
		fmt.Fprintf(&s, ": %s", problem.Key)
	}
	return strings.TrimPrefix(s.String()+": "+problem.Text, ": ")
}

func (p *Problems) add(line int, key, format string, args ...any) {
	if len(p.List) >= maxProblems {
		p.More++
		return
	}
	p.List = append(p.List, Problem{Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// err returns p sorted by line as an error, or nil when there is nothing wrong.
func (p *Problems) err() error {
	if len(p.List) == 0 {
		return nil
	}
	slices.SortStableFunc(p.List, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p
}
