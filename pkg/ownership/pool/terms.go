package pool

import (
	"context"
	"errors"
	"fmt"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// record is a unit's term as it was read.
type record struct {
	unit    plan.Unit
	term    znode.Term
	version int32
	found   bool
	garbage bool
}

// readTerm reads the term of a unit. Garbage is a record too: of a term that is as great as it can have been, since each
// term was written once at least, and of an owner that nothing is known of.
func (m *member) readTerm(ctx context.Context, u plan.Unit) (record, error) {
	n, _, err := m.client.Get(ctx, m.paths.Term(u), false)
	if errors.Is(err, coord.ErrNoNode) {
		return record{unit: u}, nil
	}
	if err != nil {
		return record{}, err
	}
	r := record{unit: u, version: n.Version, found: true}
	if r.term, err = znode.DecodeTerm(n.Data); err != nil {
		r.garbage, r.term = true, znode.Term{Term: int64(n.Version) + 1}
	}
	return r, nil
}

// readTerms reads those of a unit, which is the first, and of others that have partitions in common with it. Where there is
// none, and the topic has identities, it had an owner nevertheless, and somebody removed its term.
func (m *member) readTerms(ctx context.Context, u plan.Unit, others []plan.Unit) (records []record, floor int64, err error) {
	found := false
	for _, u := range append([]plan.Unit{u}, others...) {
		r, err := m.readTerm(ctx, u)
		if err != nil {
			return nil, 0, err
		}
		found = found || r.found
		records = append(records, r)
	}
	if found {
		return records, 0, nil
	}
	_, _, err = m.client.Get(ctx, m.paths.Identity(u.Topic), false)
	switch {
	case errors.Is(err, coord.ErrNoNode):
		return records, 0, nil
	case err != nil:
		return nil, 0, err
	}
	return records, 1, nil
}

// writeTerm is the op that puts a term in the record's place.
func (m *member) writeTerm(r record, t znode.Term) (coord.Op, error) {
	data, err := t.Encode()
	if err != nil {
		return coord.Op{}, fmt.Errorf("term of unit %s: %w", r.unit, err)
	}
	if !r.found {
		return coord.Op{Kind: coord.OpCreate, Path: m.paths.Term(r.unit), Data: data}, nil
	}
	return coord.Op{Kind: coord.OpSet, Path: m.paths.Term(r.unit), Data: data, Version: r.version}, nil
}

// succession is what the next owner of a unit takes over.
type succession struct {
	term   int64
	before mirror.Predecessor
	wait   bool // something of a predecessor may still arrive, as the next record says
	reason Change
}

// succeed derives it from the records of the unit and of all others that have partitions in common with it. For each
// partition the newest record counts that covers it: whoever wrote that took account of those before. floor is a term that
// was seen, though its record may be gone.
func succeed(u plan.Unit, records []record, floor int64) succession {
	next := succession{term: floor + 1, reason: ChangeFirst}
	parts := u.Of
	for _, r := range records {
		if r.found {
			next.term = max(next.term, r.term.Term+1)
			parts = max(parts, r.unit.Of)
		}
	}
	for part := u.Part; part < parts; part += u.Of {
		var newest record
		for _, r := range records {
			if r.found && part%r.unit.Of == r.unit.Part && (!newest.found || !newest.garbage && (r.garbage || r.term.Term > newest.term.Term)) {
				newest = r
			}
		}
		if newest.term.Term < floor { // there was a newer one, and somebody removed it, or put an old one in its place
			newest = record{found: true, garbage: true}
		}
		if newest.found {
			next.after(newest)
		}
	}
	return next
}

// after takes account of one record.
func (s *succession) after(r record) {
	before, reason := mirror.PredecessorUnknown, ChangeSilent
	switch {
	case r.garbage || r.term.Ended == znode.EndedNot:
		s.wait = true
	case r.term.Ended == znode.EndedDrained:
		before, reason = mirror.PredecessorNone, ChangeHandover
	case r.term.Ended == znode.EndedDead:
		before, reason = mirror.PredecessorDead, ChangeDead
	}
	if !r.garbage && r.term.Wait {
		before, s.wait = mirror.PredecessorUnknown, true
	}
	if s.reason == ChangeFirst || before > s.before {
		s.reason = reason
	}
	s.before = max(s.before, before)
}

// ending is the end of a term that this member writes.
type ending struct {
	unit    plan.Unit
	self    string
	session int64
	term    int64
	ended   znode.Ended
	guard   coord.Op
}

// endedBy says how a term ended of which nothing is under way any more: what its predecessor sent may be.
func endedBy(before mirror.Predecessor, settled bool) znode.Ended {
	if before == mirror.PredecessorDead && !settled {
		return znode.EndedDead
	}
	return znode.EndedDrained
}

// end removes the owner node of a unit, and says in its term how that ended, if the term is the one that is meant. It may be
// repeated when its outcome is unknown: somebody else may have the unit by then, and keeps it.
func (m *member) end(ctx context.Context, e ending) error {
	r, err := m.readTerm(ctx, e.unit)
	if err != nil {
		return err
	}
	if !r.found || r.garbage || r.term.Term != e.term || r.term.Owner != e.self {
		return m.endUnsaid(ctx, e, r)
	}
	r.term.Ended = e.ended
	op, err := m.writeTerm(r, r.term)
	if err != nil {
		return err
	}
	_, err = m.client.Write(ctx, e.guard, coord.Op{Kind: coord.OpDelete, Path: m.paths.Owner(e.unit), Version: coord.AnyVersion}, op)
	return err
}

// endUnsaid removes an owner node of the own session whose term says something else. Every claim writes the term, so what is
// checked of that keeps the node of another from being taken for it.
func (m *member) endUnsaid(ctx context.Context, e ending, r record) error {
	n, _, err := m.client.Get(ctx, m.paths.Owner(e.unit), false)
	if errors.Is(err, coord.ErrNoNode) || err == nil && n.Owner != e.session {
		return nil // it is done already
	}
	if err != nil {
		return err
	}
	ops := []coord.Op{e.guard, {Kind: coord.OpDelete, Path: m.paths.Owner(e.unit), Version: n.Version}}
	if r.found {
		ops = append(ops, coord.Op{Kind: coord.OpCheck, Path: m.paths.Term(e.unit), Version: r.version})
	}
	_, err = m.client.Write(ctx, ops...)
	return err
}
