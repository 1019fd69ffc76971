package pool

import (
	"testing"

	"tributary/pkg/mirror"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

func TestSucceed(t *testing.T) {
	whole, first, second := plan.Unit{Topic: "t", Of: 1}, plan.Unit{Topic: "t", Part: 0, Of: 2}, plan.Unit{Topic: "t", Part: 1, Of: 2}
	of := func(u plan.Unit, term int64, ended znode.Ended, wait bool) record {
		return record{unit: u, found: true, term: znode.Term{Term: term, Owner: "o", Ended: ended, Wait: wait}}
	}
	none := func(u plan.Unit) record { return record{unit: u} }
	garbage := func(u plan.Unit, version int32) record {
		return record{unit: u, found: true, garbage: true, version: version, term: znode.Term{Term: int64(version) + 1}}
	}
	const drained, dead, not = znode.EndedDrained, znode.EndedDead, znode.EndedNot
	for name, c := range map[string]struct {
		unit    plan.Unit
		records []record
		floor   int64
		want    succession
	}{
		"nobody before":             {whole, []record{none(whole)}, 0, succession{1, mirror.PredecessorNone, false, ChangeFirst}},
		"drained":                   {whole, []record{of(whole, 4, drained, false)}, 0, succession{5, mirror.PredecessorNone, false, ChangeHandover}},
		"drained without waiting":   {whole, []record{of(whole, 4, drained, true)}, 0, succession{5, mirror.PredecessorUnknown, true, ChangeHandover}},
		"dead":                      {whole, []record{of(whole, 4, dead, false)}, 0, succession{5, mirror.PredecessorDead, false, ChangeDead}},
		"dead without waiting":      {whole, []record{of(whole, 4, dead, true)}, 0, succession{5, mirror.PredecessorUnknown, true, ChangeDead}},
		"silent":                    {whole, []record{of(whole, 4, not, false)}, 0, succession{5, mirror.PredecessorUnknown, true, ChangeSilent}},
		"garbage":                   {whole, []record{garbage(whole, 7)}, 0, succession{9, mirror.PredecessorUnknown, true, ChangeSilent}},
		"garbage, seen before":      {whole, []record{garbage(whole, 7)}, 30, succession{31, mirror.PredecessorUnknown, true, ChangeSilent}},
		"gone, seen before":         {whole, []record{none(whole)}, 6, succession{7, mirror.PredecessorUnknown, true, ChangeSilent}},
		"seen before, and drained":  {whole, []record{of(whole, 6, drained, false)}, 6, succession{7, mirror.PredecessorNone, false, ChangeHandover}},
		"older than seen before":    {whole, []record{of(whole, 4, drained, false)}, 6, succession{7, mirror.PredecessorUnknown, true, ChangeSilent}},
		"a part of a whole, silent": {first, []record{none(first), of(whole, 3, not, false)}, 0, succession{4, mirror.PredecessorUnknown, true, ChangeSilent}},
		"a part, after the whole":   {first, []record{of(first, 5, drained, false), of(whole, 3, not, false)}, 0, succession{6, mirror.PredecessorNone, false, ChangeHandover}},
		"a part, before the whole":  {first, []record{of(first, 2, not, false), of(whole, 3, drained, false)}, 0, succession{4, mirror.PredecessorNone, false, ChangeHandover}},
		"the whole, after parts":    {whole, []record{of(whole, 3, not, true), of(first, 4, drained, false), of(second, 9, dead, false)}, 0, succession{10, mirror.PredecessorDead, false, ChangeDead}},
		"the whole, after one part": {whole, []record{of(whole, 3, not, false), of(first, 4, drained, false)}, 0, succession{5, mirror.PredecessorUnknown, true, ChangeSilent}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := succeed(c.unit, c.records, c.floor); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
