package main

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/api"
)

// describeLoss says in words what is lost, and what the destination has in excess.
func describeLoss(l *api.Lost, surplus *api.Range) string {
	text := describeRange(l) + describeSpan(l)
	if surplus != nil {
		text += fmt.Sprintf("; the destination has offsets %d to %d, which the source has no longer", surplus.From, surplus.To-1)
	}
	return text
}

func describeRange(l *api.Lost) string {
	switch {
	case l == nil:
		return "nothing is known to be"
	case l.From == nil:
		return "how much is not known"
	case l.To == nil:
		return fmt.Sprintf("offsets from %d on, how many is not known", *l.From)
	case *l.To <= *l.From:
		return "nothing"
	case l.Records == nil:
		return fmt.Sprintf("offsets %d to %d", *l.From, *l.To-1)
	}
	return fmt.Sprintf("%d records, offsets %d to %d", *l.Records, *l.From, *l.To-1)
}

// describeSpan says between the timestamps of which records the lost ones were.
func describeSpan(l *api.Lost) string {
	if l == nil || l.Since == nil && l.Until == nil {
		return ""
	}
	text := ","
	if l.Since != nil {
		text += " after " + l.Since.UTC().Format(time.RFC3339)
	}
	if l.Until != nil {
		text += " before " + l.Until.UTC().Format(time.RFC3339)
	}
	return text
}

// waysOn lists what can be done about a halted partition, the usual first, each with what comes of it.
func waysOn(p api.Partition) string {
	if len(p.Choices) == 0 {
		return "NEXT  " + clean(p.NextStep) + "\n"
	}
	var out strings.Builder
	for i, c := range p.Choices {
		word := "NEXT"
		if i > 0 {
			word = "  or"
		}
		fmt.Fprintf(&out, "%s  %s\n        %s\n", word, clean(c.Command), clean(c.Effect))
	}
	return out.String()
}
