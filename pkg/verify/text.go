package verify

import (
	"fmt"
	"strings"
	"time"
)

// maxTopicRows bounds the list of topics that differ.
const maxTopicRows = 20

// Text returns the report for people.
func (r *Report) Text() string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("%s: %s", r.Name, r.headline())
	if r.Sample != "" {
		line("  sample       slice %s of the partitions", r.Sample)
	}
	line("  records      %s at the source, %s at the destination, %s", grouped(r.Records), grouped(r.Destination), size(r.RecordBytes))
	line("  coverage     %.2f %% of what was asked for", r.Coverage)
	for _, k := range Kinds() {
		if n := r.Of(k); n > 0 || k != Pending {
			line("  %-12s %s", k, grouped(n))
		}
	}
	line("  took         %v, %s records/s, %s read%s", time.Duration(r.Seconds*float64(time.Second)).Round(10*time.Millisecond),
		grouped(int64(float64(r.Records+r.Destination)/max(r.Seconds, 0.001))), size(r.Bytes), memoryText(r.PeakMemory))
	if r.Waited > 1 {
		line("  waited       %.1f s of that for records under way", r.Waited)
	}
	for _, text := range r.Reasons {
		line("not compared: %s", text)
	}
	for _, text := range r.Notes {
		line("note: %s", text)
	}
	r.topicRows(line)
	r.exampleRows(line)
	if advice := r.advice(); advice != "" {
		line("next: %s", advice)
	}
	return out.String()
}

func (r *Report) headline() string {
	switch r.Verdict {
	case Equal:
		return "EQUAL, every record is there once, unchanged and in order"
	case Different:
		return fmt.Sprintf("DIFFERENT, %s records are not as they must be", grouped(r.Differences()))
	}
	return "INCONCLUSIVE, nothing differs in what could be compared"
}

func (r *Report) topicRows(line func(string, ...any)) {
	shown := 0
	for _, t := range r.Topics {
		if t.Differences() == 0 {
			continue
		}
		if shown++; shown > maxTopicRows {
			continue
		}
		line("topic %s: %s records, %d missing, %d duplicate, %d reordered, %d altered, %d alien", t.Topic, grouped(t.Records),
			t.Missing, t.Duplicate, t.Reordered, t.Altered, t.Alien)
	}
	if shown > maxTopicRows {
		line("and %d more topics differ; all are in the output of -o json", shown-maxTopicRows)
	}
}

func (r *Report) exampleRows(line func(string, ...any)) {
	counted := map[Kind]int64{}
	for _, f := range r.Examples {
		counted[f.Kind]++
		var parts []string
		if f.Source != nil {
			parts = append(parts, "source "+f.Source.String())
		}
		if f.Destination != nil {
			parts = append(parts, "destination "+f.Destination.String())
		}
		if !f.Timestamp.IsZero() {
			parts = append(parts, f.Timestamp.Format("2006-01-02T15:04:05.000Z07:00"))
		}
		if f.Field != "" {
			parts = append(parts, f.Field+" differs")
		}
		if f.Note != "" {
			parts = append(parts, f.Note)
		}
		line("%s: %s", f.Kind, strings.Join(parts, ", "))
	}
	for _, k := range Kinds() {
		if more := r.Of(k) - counted[k]; counted[k] > 0 && more > 0 {
			line("%s: and %s more", k, grouped(more))
		}
	}
}

// advice says what to do next.
func (r *Report) advice() string {
	switch {
	case r.Verdict == Equal:
		return ""
	case r.Verdict == Inconclusive && r.Pending > 0:
		return "let the mirror catch up (mirror status), then verify again, or give it longer with --timeout"
	case r.Verdict == Inconclusive:
		return "narrow the range to what both sides still hold, with --since"
	case r.Missing > 0:
		return "keep both logs; see mirror status and mirror events for halted partitions of these topics, and copy what is named from the source again"
	case r.Alien > 0 || r.Altered > 0:
		return "find out what else writes into these topics at the destination"
	}
	return "keep the destination's log; readers saw these records twice or in another order"
}

func memoryText(peak int64) string {
	if peak == 0 {
		return ""
	}
	return ", peak memory " + size(peak)
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	digits := fmt.Sprint(max(n, -n))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// size writes a number of bytes.
func size(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
