package heartbeat

import (
	"slices"
	"time"
)

const (
	// holeGrace is how long a sequence may be missing before it counts as lost: it may come late, by another partition.
	holeGrace = 2 * time.Minute
	// maxHoles bounds the holes of a stream that wait for that; more count at once.
	maxHoles = 32
	// maxJump is the most that can be missing between two records, at ten a second for nineteen days. More is no hole but
	// somebody else's sequence.
	maxJump = 1 << 24
)

// streamID is one incarnation of an origin, and one cluster that it writes into.
type streamID struct {
	Cluster     string `json:"cluster"`
	Incarnation int64  `json:"incarnation"`
}

// stream is what came of one incarnation by way of one cluster.
type stream struct {
	streamID
	Highest int64     `json:"highest"` // sequence; -1 before the first
	Heard   time.Time `json:"heard"`
	Holes   []hole    `json:"holes,omitempty"`  // sequences below Highest that did not come, in order
	Broken  bool      `json:"broken,omitempty"` // what is missing before the next one says nothing
}

// hole is missing sequences, and since when that is known.
type hole struct {
	span
	Since time.Time `json:"since"`
}

// take takes in a record. It returns how many sequences it found lost, as there are too many holes to wait for, and
// whether the record is newer than all before.
func (s *stream) take(r Record, now time.Time) (lost int64, newer bool) {
	s.Heard = now
	if r.Sequence <= s.Highest {
		s.fill(r.Sequence)
		return 0, false
	}
	lost = s.miss(r.Sequence, r.Unsure, now)
	s.Highest, s.Broken = r.Sequence, false
	return lost, true
}

// miss takes note that what is between the highest sequence and another one did not come, but for what the origin is unsure of.
// It returns how many it found lost, as take does.
func (s *stream) miss(below int64, unsure spans, now time.Time) (lost int64) {
	missing := span{s.Highest + 1, below}
	if !s.Broken && missing.To-missing.From <= maxJump {
		for _, m := range unsure.without(missing) {
			s.Holes = append(s.Holes, hole{m, now})
		}
	}
	for len(s.Holes) > maxHoles {
		lost += s.Holes[0].To - s.Holes[0].From
		s.Holes = s.Holes[1:]
	}
	return lost
}

// finish takes in how far the stream went, as the origin's next incarnation says: what is missing at its end was not seen to be
// missing by what came after it. It returns how many it found lost, as take does.
func (s *stream) finish(f former, now time.Time) (lost int64) {
	if s.Broken || f.Next <= s.Highest+1 {
		return 0
	}
	lost = s.miss(f.Next, f.Unsure, now)
	s.Highest = f.Next - 1
	return lost
}

// fill takes a sequence out of the holes: it came after all. One that came before, or counts as lost already, is in none.
func (s *stream) fill(sequence int64) {
	for i, h := range s.Holes {
		if sequence < h.From || sequence >= h.To {
			continue
		}
		var rest []hole
		for _, part := range (spans{{sequence, sequence + 1}}).without(h.span) {
			rest = append(rest, hole{part, h.Since})
		}
		s.Holes = slices.Replace(s.Holes, i, i+1, rest...)
		return
	}
}

// settle returns how many sequences are lost: they were missing for too long, or the stream ends.
func (s *stream) settle(now time.Time, ends bool) (lost int64) {
	s.Holes = slices.DeleteFunc(s.Holes, func(h hole) bool {
		if over := ends || now.Sub(h.Since) >= holeGrace; !over {
			return false
		}
		lost += h.To - h.From
		return true
	})
	return lost
}
