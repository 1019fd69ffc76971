package load

// verdict settles the strays, counts what was never found and returns the
// result. Nothing may be seen afterwards.
func (j *judge) verdict() Result {
	j.settleStrays()
	l := j.ledger
	for _, b := range l.books {
		for row := b.first; row < b.end; row++ {
			switch {
			case l.landed[row] != nowhere:
			case l.offsets[row] >= b.required:
				j.result.Pending++
			default:
				d := Difference{Kind: Lost, DestinationPartition: -1, DestinationOffset: -1}
				j.result.count(d.from(l, row))
			}
		}
	}
	l.release()
	return j.result
}

// settleStrays pairs the n-th stray behind a row with the n-th row behind it,
// when that row was never found and the two still have value or timestamp in
// common: an altered copy whose identity was hit. The other strays are aliens.
func (j *judge) settleStrays() {
	l := j.ledger
	behind := make(map[int32]int32) // strays so far by the row they stand behind
	for _, s := range j.strays {
		behind[s.after]++
		row := s.after + behind[s.after]
		if int(row) >= len(l.landed) || l.landed[row] != nowhere || l.books[l.book(row)].partition != s.partition {
			j.result.count(s.difference())
			continue
		}
		was := l.parts[row]
		if s.parts[fieldValue] != was[fieldValue] && s.parts[fieldTimestamp] != was[fieldTimestamp] {
			j.result.count(s.difference())
			continue
		}
		l.landed[row] = newPlace(s.partition, s.offset)
		j.result.Matched++
		d := s.difference().from(l, row)
		d.Kind, d.Fields = Altered, s.parts.differing(was)
		j.result.count(d)
	}
}

// difference returns the stray as an alien.
func (s stray) difference() Difference {
	return Difference{
		Kind: Alien, Source: -1, SourcePartition: -1, SourceOffset: -1,
		DestinationPartition: s.partition, DestinationOffset: s.offset, Note: s.note,
	}
}
