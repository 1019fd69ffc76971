package probe

import "slices"

// maxMarks bounds the marks of a partition: 1 KiB. Older ones are thinned out, so that they are further apart the older
// they are; what lies between two is counted wholly.
const maxMarks = 64

// mark says that the log up to offset end has at least the bytes appended.
type mark struct{ end, appended int64 }

// volume follows how many bytes were appended to a log, through deletions at its begin. It is not safe for concurrent use.
type volume struct {
	known            bool
	start, end, size int64   // as measured last
	appended         int64   // bytes, counted from the first measurement
	lately           float64 // bytes per offset of what came last and was measured without a deletion
	marks            []mark
}

// measure takes in the size of the log, and its ends, which were asked for after it: so a mark is never above the truth.
func (v *volume) measure(start, end, size int64) {
	if !v.known || end < v.end || start < v.start { // another log, or one that was cut
		*v = volume{known: true, start: start, end: end, size: size, marks: []mark{{end, 0}}}
		return
	}
	grown := size - v.size
	if start != v.start || grown < 0 {
		// Something was deleted meanwhile, and nobody says how much.
		grown = max(grown, int64(float64(end-v.end)*max(v.lately, density(v.start, v.end, v.size), density(start, end, size))))
	} else if end > v.end {
		v.lately = density(v.end, end, grown)
	}
	v.appended += grown
	v.start, v.end, v.size = start, end, size
	if last := v.marks[len(v.marks)-1]; last.end == end {
		return
	}
	v.marks = append(slices.Clone(v.marks), mark{end, v.appended}) // readers share the former
	v.thin()
}

// density is how many bytes an offset has.
func density(start, end, size int64) float64 {
	if end <= start {
		return 0
	}
	return float64(size) / float64(end-start)
}

// thin drops marks of what was deleted, and every second of the older half when there are too many.
func (v *volume) thin() {
	gone := 0
	for gone+1 < len(v.marks) && v.marks[gone+1].end <= v.start {
		gone++
	}
	v.marks = v.marks[gone:]
	if len(v.marks) <= maxMarks {
		return
	}
	kept := make([]mark, 0, maxMarks)
	for i, m := range v.marks {
		if i >= len(v.marks)/2 || i%2 == 0 {
			kept = append(kept, m)
		}
	}
	v.marks = kept
}
