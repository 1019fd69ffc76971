package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Power cuts of an edge host, again and again: the end of its log is gone, the offsets are given away again, and where
// the mirror died with it, so is the last position. Each is found, and every record of every new log arrives.
func TestPowerCuts(t *testing.T) {
	const name = "power-cuts"
	seed := uint64(42)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	tr := &lossTrial{loss: loss{name: name, cause: "truncated"}, mode: live, from: stage.edge.get(t), to: stage.home.get(t), topic: name}
	tr.host = newHost(t, between(name, tr.from, tr.to, name))
	must(t, tr.createSource(within(t, flowWithin)))
	tr.host.start(t)
	var end, gone int64 // of partition 0, and records that were there
	for round := range size(2, 20) {
		cut := powerCut{tr: tr, mirror: []string{"live", "killed", "killed with its position"}[(round+1)%3]}
		cut.before, cut.gone = int64(10+random.IntN(20))*batchRecords, int64(1+random.IntN(8))*batchRecords
		cut.fresh = int64(1+random.IntN(16)) * batchRecords
		t.Logf("round %d: mirror %s, %d of %d records gone, %d written", round, cut.mirror, cut.gone, end+cut.before, cut.fresh)
		end, gone = cut.do(t, end), gone+cut.gone
	}
	tr.want.alien = gone
	tr.requireArrived(t)
}

// powerCut is one round.
type powerCut struct {
	tr     *lossTrial
	mirror string
	before int64 // records written and copied first
	gone   int64 // of them, those whose offsets are given away again
	fresh  int64 // records written afterwards
}

// do lets it happen to partition 0, whose log ends at an offset, and returns where it ends then.
func (c powerCut) do(t *testing.T, end int64) int64 {
	t.Helper()
	tr := c.tr
	ctx := within(t, 3*flowWithin)
	must(t, writeFresh(c.before-c.gone)(ctx, tr))
	must(t, awaitCopied(ctx, tr))
	early, err := tr.position(ctx)
	must(t, err)
	must(t, writeFresh(c.gone)(ctx, tr))
	must(t, awaitCopied(ctx, tr))
	end += c.before
	if c.mirror != "live" {
		must(t, tr.host.run.kill())
	}
	at := end - c.gone
	node := tr.from.Node(1)
	must(t, node.Kill())
	got, err := node.CutLog(tr.topic, 0, at)
	must(t, err)
	if got != at {
		t.Fatalf("the log was cut at %d, want %d", got, at)
	}
	must(t, node.Restart(ctx))
	must(t, tr.from.WaitInSync(ctx))
	if c.mirror == "killed with its position" {
		must(t, tr.commit(ctx, early))
	}
	must(t, writeFresh(c.fresh)(ctx, tr))
	if c.mirror != "live" {
		tr.host.start(t)
	}
	tr.want = wantLoss{partitions: []int32{0}, from: end, to: end, surplus: &offsetRange{at, end}}
	eventually(t, haltWithin, "the partition halts", tr.halted)
	tr.requireReport(t)
	must(t, resolve(ctx, tr))
	must(t, awaitCopied(ctx, tr))
	return at + c.fresh
}

// position returns the saved position of partition 0.
func (tr *lossTrial) position(ctx context.Context) (kadm.Offset, error) {
	saved, err := tr.from.Admin().FetchOffsets(ctx, tr.host.settings.group())
	if err != nil {
		return kadm.Offset{}, fmt.Errorf("read the position: %w", err)
	}
	at, ok := saved.Lookup(tr.topic, 0)
	if !ok {
		return kadm.Offset{}, errors.New("there is no position of partition 0")
	}
	return at.Offset, at.Err
}
