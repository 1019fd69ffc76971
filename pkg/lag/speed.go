package lag

import "time"

const (
	speedOver  = time.Minute      // how far back the watermark is compared with
	speedLeast = 20 * time.Second // less says nothing: the watermark moves in steps
	speedEvery = 5 * time.Second  // between two marks
)

// pace follows a topic's watermark, to tell how fast it moves.
type pace struct{ marks []mark } // oldest first, one per speedEvery

// mark is where the watermark stood at a time.
type mark struct{ at, through time.Time }

// see takes in where the watermark stands, nil when unknown, and returns by how many seconds a second it moved since about a
// minute ago, never less than 0. It is nil while too little was seen.
func (p *pace) see(now time.Time, through *time.Time) *float64 {
	if through == nil {
		p.marks = nil
		return nil
	}
	for len(p.marks) > 1 && now.Sub(p.marks[1].at) >= speedOver {
		p.marks = p.marks[1:]
	}
	if n := len(p.marks); n == 0 || now.Sub(p.marks[n-1].at) >= speedEvery {
		p.marks = append(p.marks, mark{now, *through})
	}
	first := p.marks[0]
	elapsed := now.Sub(first.at)
	if elapsed < speedLeast {
		return nil
	}
	return new(max(0, through.Sub(first.through).Seconds()/elapsed.Seconds()))
}
