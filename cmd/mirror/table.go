package main

import (
	"strings"
	"unicode/utf8"
)

// table is rows of cells, the first being the heading. Cells must not contain control characters.
type table [][]string

// String pads the cells into columns two spaces apart, without space at the ends of lines.
func (t table) String() string {
	var out strings.Builder
	for line := range t.lines() {
		out.WriteString(line + "\n")
	}
	return out.String()
}

// lines yields the padded rows one by one, so that a caller can colour a line without shifting its columns.
func (t table) lines() func(yield func(string) bool) {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return func(yield func(string) bool) {
		for _, row := range t {
			var line strings.Builder
			for i, cell := range row {
				line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
			if !yield(strings.TrimRight(line.String(), " ")) {
				return
			}
		}
	}
}
