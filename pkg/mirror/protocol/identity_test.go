package protocol

import (
	"encoding/json"
	"math"
	"testing"
)

func TestBegin(t *testing.T) {
	base := Position{Source: 100, SourceEpoch: 4, ProducerID: 7, Dest: 50, DestEpoch: 2}
	plain := Identity{ProducerID: 7, Base: base}
	fresh := Identity{ProducerID: 7, Base: base, Compacted: true}
	ran := Identity{ProducerID: 7, Base: base, Compacted: true, Epoch: 3, Start: 500}
	at := func(source int64, pid int64, epoch int16) Position {
		return Position{Source: source, SourceEpoch: 9, ProducerID: pid, Epoch: epoch, Sequence: 33, Dest: 90, DestEpoch: 5}
	}
	floor := Position{Source: 700, SourceEpoch: 9, ProducerID: 7, Sequence: 30, Dest: 88, DestEpoch: 5}
	raised, foreign, old := plain, plain, ran
	raised.Floor, old.Floor = floor, floor
	foreign.Floor = floor
	foreign.Floor.ProducerID = 6
	again := base // where the run of epoch 3 began
	again.Source, again.SourceEpoch, again.Epoch = 500, -1, 3
	tests := map[string]struct {
		id    Identity
		saved Position
		found bool
		want  Position
	}{
		"plain, nothing saved":                  {plain, Position{}, false, base},
		"plain, saved":                          {plain, at(700, 7, 0), true, at(700, 7, 0)},
		"plain, saved under another producer":   {plain, at(700, 8, 0), true, base},
		"plain, a position that was not found":  {plain, at(700, 7, 0), false, base},
		"floor, nothing saved":                  {raised, Position{}, false, floor},
		"floor, saved before it":                {raised, at(699, 7, 0), true, floor},
		"floor, saved at it":                    {raised, at(700, 7, 0), true, at(700, 7, 0)},
		"floor, saved under another producer":   {raised, at(900, 8, 0), true, floor},
		"floor of an earlier producer":          {foreign, at(699, 7, 0), true, at(699, 7, 0)},
		"floor of an earlier producer alone":    {foreign, Position{}, false, base},
		"floor from before it was compacted":    {old, at(699, 7, 3), true, at(699, 7, 3)},
		"compacted, first start":                {fresh, Position{}, false, base},
		"compacted, saved by the newest run":    {ran, at(700, 7, 3), true, at(700, 7, 3)},
		"compacted, saved by an older run (E2)": {ran, at(700, 7, 2), true, again},
		"compacted, saved by a run to come":     {ran, at(700, 7, 4), true, again},
		"compacted, nothing saved (E2)":         {ran, Position{}, false, again},
		"compacted, another producer's (E2)":    {ran, at(700, 8, 3), true, again},
		"compacted, never ran":                  {fresh, at(700, 7, 1), true, base},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.id.Begin(tt.saved, tt.found); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestOutdatedBy(t *testing.T) {
	plain := Identity{ProducerID: 7, Generation: 2}
	compacted := Identity{ProducerID: 7, Generation: 2, Compacted: true, Epoch: 3}
	for name, tt := range map[string]struct {
		id    Identity
		saved Position
		want  bool
	}{
		"the same":                           {plain, Position{ProducerID: 7, Generation: 2}, false},
		"of before a skip":                   {plain, Position{ProducerID: 6, Generation: 1}, false},
		"of after a skip":                    {plain, Position{ProducerID: 8, Generation: 3}, true},
		"of a version without generations":   {plain, Position{ProducerID: 6}, false},
		"compacted, of the newest run":       {compacted, Position{ProducerID: 7, Generation: 2, Epoch: 3}, false},
		"compacted, of a run before":         {compacted, Position{ProducerID: 7, Generation: 2, Epoch: 1}, false},
		"compacted, of a later run":          {compacted, Position{ProducerID: 7, Generation: 2, Epoch: 4}, true},
		"compacted, of before a skip":        {compacted, Position{ProducerID: 6, Generation: 1, Epoch: 9}, false},
		"compacted, of after a skip":         {compacted, Position{ProducerID: 8, Generation: 3}, true},
		"epochs where there are none to use": {plain, Position{ProducerID: 7, Generation: 2, Epoch: 4}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.id.OutdatedBy(tt.saved); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNextEpoch(t *testing.T) {
	base := Position{Source: 100, ProducerID: 7}
	tests := map[string]struct {
		id        Identity
		p         Position
		wantID    Identity
		wantStart Position
	}{
		"first run": {
			Identity{ProducerID: 7, Base: base, Compacted: true}, base,
			Identity{ProducerID: 7, Base: base, Compacted: true, Epoch: 1, Start: 100},
			Position{Source: 100, ProducerID: 7, Epoch: 1},
		},
		"later run, sequence from 0": {
			Identity{ProducerID: 7, Base: base, Compacted: true, Epoch: 4, Start: 300},
			Position{Source: 700, SourceEpoch: 9, ProducerID: 7, Epoch: 4, Sequence: 33, Dest: 90, DestEpoch: 5},
			Identity{ProducerID: 7, Base: base, Compacted: true, Epoch: 5, Start: 700},
			Position{Source: 700, SourceEpoch: 9, ProducerID: 7, Epoch: 5, Dest: 90, DestEpoch: 5},
		},
		"last epoch": {
			Identity{Compacted: true, Epoch: math.MaxInt16 - 1}, Position{Source: 1, Epoch: math.MaxInt16 - 1},
			Identity{Compacted: true, Epoch: math.MaxInt16, Start: 1}, Position{Source: 1, Epoch: math.MaxInt16},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			id, p := tt.id.NextEpoch(tt.p)
			if id != tt.wantID || p != tt.wantStart {
				t.Errorf("got %+v, %+v, want %+v, %+v", id, p, tt.wantID, tt.wantStart)
			}
		})
	}
}

func TestNextEpochExhausted(t *testing.T) {
	for epoch, want := range map[int16]bool{0: false, math.MaxInt16 - 1: false, math.MaxInt16: true} {
		if got := (Identity{Epoch: epoch}).Exhausted(); got != want {
			t.Errorf("epoch %d: got %v, want %v", epoch, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("got no panic, want one rather than an epoch used twice")
		}
	}()
	Identity{Epoch: math.MaxInt16}.NextEpoch(Position{})
}

// TestEpochIsOfOneRun follows E1 and E2 through runs that save nothing, or too late.
func TestEpochIsOfOneRun(t *testing.T) {
	id := Identity{ProducerID: 7, Base: Position{Source: 100, ProducerID: 7}, Compacted: true}
	id, x := id.NextEpoch(id.Begin(Position{}, false))
	x.Source, x.Sequence = 160, 60 // X copies on, and its save is under way

	id, y := id.NextEpoch(id.Begin(Position{}, false))
	if y.Source != 100 || y.Epoch != 2 || y.Sequence != 0 {
		t.Errorf("second run: got %+v, want epoch 2 from 100", y)
	}
	id, z := id.NextEpoch(id.Begin(x, true)) // X's save has landed; Y died and saved nothing
	if z.Source != 100 || z.Epoch != 3 || z.Sequence != 0 {
		t.Errorf("third run: got %+v, want epoch 3 from 100, as the late save is of epoch 1", z)
	}
	z.Source, z.Sequence = 130, 30
	if _, next := id.NextEpoch(id.Begin(z, true)); next.Source != 130 || next.Epoch != 4 {
		t.Errorf("fourth run: got %+v, want epoch 4 from 130", next)
	}
}

func TestRebuild(t *testing.T) {
	saved := Position{Source: 700, SourceEpoch: 9, ProducerID: 7, Epoch: 3, Sequence: 33, Dest: 90, DestEpoch: 5}
	for name, compacted := range map[string]bool{"plain": false, "compacted": true} {
		t.Run(name, func(t *testing.T) {
			id := saved.Rebuild(Identity{DestTopic: "orders", Compacted: compacted})
			if id.ProducerID != 7 || id.Base != saved || id.DestTopic != "orders" || id.Compacted != compacted {
				t.Errorf("got %+v, want producer 7 based at the position, the rest kept", id)
			}
			if got := id.Begin(saved, true); got != saved {
				t.Errorf("begin: got %+v, want %+v", got, saved)
			}
			if got := id.Begin(Position{}, false); got != saved {
				t.Errorf("begin without a position: got %+v, want the base %+v", got, saved)
			}
			if compacted {
				if next, p := id.NextEpoch(saved); next.Epoch != 4 || next.Start != 700 || p.Sequence != 0 {
					t.Errorf("next epoch: got %+v, %+v, want epoch 4 from 700, sequence 0", next, p)
				}
			}
		})
	}
}

// TestIdentityForm holds that what the store keeps comes back whole.
func TestIdentityForm(t *testing.T) {
	want := Identity{SourceCluster: "s", SourceTopicID: "t", DestCluster: "d", DestTopic: "orders", DestTopicID: "u", DestPartition: 3,
		ProducerID: 1 << 62, Generation: 2, Base: Position{1, 2, 1 << 62, 4, 5, 6, 7, 8}, Compacted: true, Epoch: 8, Start: 9}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Identity
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// TestForetell takes source leader epochs as a source may show them, damaged ones included: whatever it is, it is foretold
// once it is stored, and what was foretold before stays so.
func TestForetell(t *testing.T) {
	for _, test := range []struct {
		name          string
		known         int32 // SourceEpochs before
		epoch         int32
		want          int32 // SourceEpochs after
		before, after bool  // a walk takes the epoch for another log's
	}{
		{"the first", 0, 0, 1, false, false},
		{"a newer one", 3, 7, 8, true, false},
		{"an older one", 9, 7, 9, false, false},
		{"none, as of format v1", 0, -1, 0, false, false},
		{"the greatest but one", 3, math.MaxInt32 - 1, math.MaxInt32, true, false},
		{"the greatest", 3, math.MaxInt32, math.MaxInt32, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := Identity{SourceEpochs: test.known}
			if got := id.Cut(test.epoch); got != test.before {
				t.Errorf("before: cut %v, want %v", got, test.before)
			}
			id = id.Foretell(test.epoch)
			if id.SourceEpochs != test.want || !id.Foretold(test.epoch) || id.Cut(test.epoch) != test.after {
				t.Errorf("got %d, foretold %v, cut %v; want %d, true, %v", id.SourceEpochs, id.Foretold(test.epoch), id.Cut(test.epoch), test.want, test.after)
			}
		})
	}
}
