package verify

import (
	"cmp"
	"fmt"
	"slices"
)

// maxAlike bounds how many records with one content are told apart; more are only counted.
const maxAlike = 1 << 16

// joiner goes through the rows of a unit and finds what has no counterpart.
type joiner struct {
	unit     *unit
	arrival  *arrival
	findings *findings
	matches  *sorter[match]
	good     []int64             // by source log: an offset that has arrived
	places   map[[2]uint32]int64 // matches by source and destination log

	group  [4][]row // rows of the present fingerprint by side
	beyond [4]int64 // rows of it that were not kept
	chunk  []match
	lacks  []row // required records without a counterpart; what becomes of them is decided at the end
}

// row takes in the next row.
func (j *joiner) row(r *row) error {
	if last := j.any(); last != nil && last.print != r.print {
		if err := j.close(); err != nil {
			return err
		}
	}
	if len(j.group[r.side]) >= maxAlike {
		j.beyond[r.side]++
		return nil
	}
	j.group[r.side] = append(j.group[r.side], *r)
	return nil
}

func (j *joiner) any() *row {
	for _, rows := range j.group {
		if len(rows) > 0 {
			return &rows[0]
		}
	}
	return nil
}

// close judges the records of one content.
func (j *joiner) close() error {
	sources := slices.Concat(j.group[required], j.group[allowed])
	there := j.group[arrived]
	mustHave := int64(len(j.group[required])) + j.beyond[required]
	mayHave := mustHave + int64(len(j.group[allowed])) + j.beyond[allowed]
	has := int64(len(there)) + j.beyond[arrived]
	if has < mustHave {
		j.lack(mustHave - has)
	}
	if has > mayHave {
		j.surplus(has-mayHave, sources)
	}
	if err := j.pair(sources, there); err != nil {
		return err
	}
	for s := range j.group {
		j.group[s], j.beyond[s] = j.group[s][:0], 0
	}
	return nil
}

// lack notes n missing records; of several alike the last ones.
func (j *joiner) lack(n int64) {
	rows := j.group[required]
	if listed := min(n, int64(len(rows)), int64(maxListed-len(j.lacks))); listed > 0 {
		j.lacks = append(j.lacks, rows[int64(len(rows))-listed:]...)
		n -= listed
	}
	j.findings.counts.Missing += n
}

// surplus notes n records of the destination that are too many.
func (j *joiner) surplus(n int64, sources []row) {
	there := j.group[arrived]
	listed := min(n, int64(len(there)))
	kind := Alien
	if len(sources) > 0 {
		kind = Duplicate
	}
	*j.findings.counts.count(kind) += n - listed
	for _, r := range there[int64(len(there))-listed:] {
		i := &item{kind: kind, destination: j.unit.destinations[r.log], at: r.offset, row: r}
		switch {
		case kind == Duplicate:
			i.source, i.sourceAt = j.unit.sources[sources[0].log], sources[0].offset
			i.note = "another copy is at " + j.unit.destinations[there[0].log].place(there[0].offset)
			if len(sources) > 1 {
				i.note = fmt.Sprintf("the sources have it %d times, the destination %d times", len(sources), len(there))
			}
		case len(j.group[discarded]) > 0:
			from := j.group[discarded][0]
			i.source, i.sourceAt = j.unit.sources[from.log], from.offset
			i.note = "the source aborted its transaction"
		}
		j.findings.add(i)
	}
}

// pair notes where the records of one content are, as far as that is certain: a single one, or equally many in one log.
func (j *joiner) pair(sources, there []row) error {
	one := len(j.unit.sources) == 1 && len(j.unit.destinations) == 1
	if len(sources) == 0 || len(there) == 0 || (len(sources) > 1 || len(there) > 1) && !(one && len(sources) == len(there)) {
		return nil
	}
	for i, s := range sources {
		j.chunk = append(j.chunk, match{s.log, there[i].log, s.offset, there[i].offset})
		j.places[[2]uint32{s.log, there[i].log}]++
		j.good[s.log] = max(j.good[s.log], s.offset)
	}
	if len(j.chunk) < rowChunk {
		return nil
	}
	err := j.matches.add(j.chunk)
	j.chunk = j.chunk[:0]
	return err
}

// finish decides what is missing and what may be on its way.
func (j *joiner) finish() error {
	if j.any() != nil {
		if err := j.close(); err != nil {
			return err
		}
	}
	slices.SortFunc(j.lacks, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.log, b.log), cmp.Compare(a.offset, b.offset))
	})
	for _, r := range j.lacks {
		l := j.unit.sources[r.log]
		i := &item{kind: Missing, source: l, sourceAt: r.offset, row: r}
		if r.offset > j.good[r.log] && j.arrival.pending(l, r.offset) {
			i.kind, j.findings.pendings = Pending, j.arrival.behind(j.unit)
		}
		j.findings.add(i)
	}
	return j.matches.add(j.chunk)
}
