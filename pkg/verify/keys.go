package verify

import (
	"context"
	"fmt"
	"slices"
)

// judgeKeys compares the last value of every key: what compaction leaves. Older values may be gone at either side, and a
// deleted key may be absent or still have its tombstone.
func (v *Verifier) judgeKeys(ctx context.Context, u *unit, a *arrival, f *findings) error {
	rows := newSorter(rowKind(), v.cfg.Dir, v.cfg.MemoryBytes/4)
	defer rows.close()
	var jobs []job
	var flushes []func() error
	for _, l := range slices.Concat(u.sources, u.destinations) {
		take, flush := v.keyRows(u, l, rows)
		jobs = append(jobs, job{u, l, l.within, take})
		flushes = append(flushes, flush)
	}
	if err := v.read(ctx, "comparing", jobs); err != nil {
		return err
	}
	for _, flush := range flushes {
		if err := flush(); err != nil {
			return err
		}
	}
	k := &keyJudge{unit: u, arrival: a, findings: f}
	if err := rows.each(k.row); err != nil {
		return err
	}
	k.close()
	return nil
}

// keyRows returns what turns records into rows by key: the fingerprint is the key's, the parts are of the record's.
func (v *Verifier) keyRows(u *unit, l *log, rows *sorter[row]) (take func(*digester, *record) error, flush func() error) {
	var chunk []row
	take = func(d *digester, r *record) error {
		p, ok := v.digest(u, l, d, r)
		if !ok {
			return nil
		}
		into := l.held
		if l.source >= 0 && r.offset >= l.end {
			into = l.later
		}
		into.total.add(p, len(r.key)+len(r.value)+len(r.headers), 0)
		e := row{print: d.key(r), parts: [3]uint32{uint32(p.hi >> 32), uint32(p.hi), uint32(p.lo >> 32)},
			log: uint32(l.number), side: l.sideOf(r), null: r.value == nil, offset: r.offset, timestamp: r.timestamp}
		if chunk = append(chunk, e); len(chunk) < rowChunk {
			return nil
		}
		err := rows.add(chunk)
		chunk = chunk[:0]
		return err
	}
	return take, func() error { return rows.add(chunk) }
}

// keyJudge goes through the rows of a unit key by key.
type keyJudge struct {
	unit     *unit
	arrival  *arrival
	findings *findings

	key     print128
	begun   bool
	sources []row // of the key, required and allowed
	there   row   // the last one at the destination
	has     bool
}

// row takes in the next row: the sources' come first, each log's in order, then the destination's.
func (k *keyJudge) row(r *row) error {
	if k.begun && r.print != k.key {
		k.close()
	}
	k.key, k.begun = r.print, true
	switch r.side {
	case arrived:
		// Several destination partitions: the youngest wins.
		if !k.has || r.log == k.there.log || r.timestamp > k.there.timestamp {
			k.there, k.has = *r, true
		}
	case required:
		// Of what was there at the start only the last value per log counts.
		if n := len(k.sources); n > 0 && k.sources[n-1].log == r.log && k.sources[n-1].side == required {
			k.sources[n-1] = *r
			return nil
		}
		k.sources = append(k.sources, *r)
	case allowed:
		if len(k.sources) < maxAlike {
			k.sources = append(k.sources, *r)
		}
	case discarded:
	}
	return nil
}

// close judges one key.
func (k *keyJudge) close() {
	if k.begun && !k.fine() {
		k.report()
	}
	k.begun, k.has, k.sources = false, false, k.sources[:0]
}

// fine says whether the destination's last value is one that it may be.
func (k *keyJudge) fine() bool {
	deleted := true // at the sources, when the comparison began
	for _, s := range k.sources {
		if k.has && s.parts == k.there.parts {
			return true
		}
		deleted = deleted && (s.side == allowed || s.null)
	}
	return deleted && (!k.has || k.there.null)
}

func (k *keyJudge) report() {
	var newest *row
	for i := range k.sources {
		if s := &k.sources[i]; s.side == required && (newest == nil || s.timestamp >= newest.timestamp) {
			newest = s
		}
	}
	i := &item{kind: Alien}
	if k.has {
		i.destination, i.at, i.row = k.unit.destinations[k.there.log], k.there.offset, k.there
		i.note = "the source has no record of this key"
	}
	if newest != nil {
		i.kind, i.source, i.sourceAt, i.row = Missing, k.unit.sources[newest.log], newest.offset, *newest
		i.note = "the last value of its key"
		if k.has {
			i.note = fmt.Sprintf("the last value of its key; the destination's last is at offset %d", k.there.offset)
		}
		if k.arrival.pending(i.source, i.sourceAt) {
			i.kind, k.findings.pendings = Pending, k.arrival.behind(k.unit)
		}
	}
	k.findings.add(i)
}
