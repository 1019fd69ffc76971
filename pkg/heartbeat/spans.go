package heartbeat

// span is sequences from From up to but without To.
type span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// spans are in order and do not overlap.
type spans []span

// wire returns s as it is written.
func (s spans) wire() [][2]int64 {
	var list [][2]int64
	for _, one := range s {
		list = append(list, [2]int64{one.From, one.To})
	}
	return list
}

// with returns s and one sequence behind all of it, as at most limit spans: the oldest one is given up for it.
func (s spans) with(sequence int64, limit int) spans {
	if last := len(s) - 1; last >= 0 && s[last].To == sequence {
		out := append(spans(nil), s...)
		out[last].To++
		return out
	}
	out := append(append(spans(nil), s...), span{sequence, sequence + 1})
	return out[max(0, len(out)-limit):]
}

// without returns what of one span is in none of s.
func (s spans) without(of span) spans {
	var rest spans
	for _, cut := range s {
		if cut.To <= of.From {
			continue
		}
		if cut.From >= of.To {
			break
		}
		if cut.From > of.From {
			rest = append(rest, span{of.From, cut.From})
		}
		of.From = cut.To
	}
	if of.From < of.To {
		rest = append(rest, of)
	}
	return rest
}
