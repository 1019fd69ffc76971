package config

import (
	"regexp/syntax"
	"slices"
)

// maxWitnesses bounds how many names one expression is turned into.
const maxWitnesses = 16

// regexpSamples returns a few names that a valid regular expression matches: every alternative of it, each
// repetition once. Some may not be legal names, and an expression with assertions inside may match none of them.
func regexpSamples(expr string) []string {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil // the pattern was refused before
	}
	return witnesses(parsed)
}

func witnesses(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		return []string{string(nameRune(re.Rune))}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"x"}
	case syntax.OpCapture, syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		return witnesses(re.Sub[0])
	case syntax.OpRepeat:
		return repeated(witnesses(re.Sub[0]), max(1, re.Min))
	case syntax.OpConcat:
		out := []string{""}
		for _, sub := range re.Sub {
			out = product(out, witnesses(sub))
		}
		return out
	case syntax.OpAlternate:
		var out []string
		for _, sub := range re.Sub {
			out = append(out, witnesses(sub)...)
		}
		return out[:min(len(out), maxWitnesses)]
	}
	return []string{""} // empty matches and assertions
}

func repeated(words []string, times int) []string {
	out := []string{""}
	for range min(times, maxTopicName) {
		out = product(out, words)
	}
	return out
}

func product(heads, tails []string) []string {
	var out []string
	for _, head := range heads {
		for _, tail := range tails {
			if len(head)+len(tail) <= maxTopicName {
				out = append(out, head+tail)
			}
		}
	}
	return out[:min(len(out), maxWitnesses)]
}

// nameRune picks a character of a class, given as pairs of bounds, that a topic name can have.
func nameRune(class []rune) rune {
	for _, r := range "xaA0.-_" {
		for pair := range slices.Chunk(class, 2) {
			if pair[0] <= r && r <= pair[1] {
				return r
			}
		}
	}
	for pair := range slices.Chunk(class, 2) {
		if pair[0] < 128 {
			return pair[0]
		}
	}
	return 'x'
}
