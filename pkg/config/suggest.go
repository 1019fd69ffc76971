package config

import "strings"

// maxSuggested bounds the length of a word a suggestion is looked for, so that hostile input costs nothing.
const maxSuggested = 64

// DidYouMean returns "; did you mean x?" for the known word closest to the given one, or "" when none is close.
func DidYouMean(word string, known []string) string {
	if best := closest(word, known); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// closest returns the known word with the fewest edits to the given one, at most a third of its length.
func closest(word string, known []string) string {
	if len(word) > maxSuggested {
		return ""
	}
	word = normal(word)
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, normal(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

func normal(word string) string {
	return strings.ReplaceAll(strings.ToLower(word), "-", "_")
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
