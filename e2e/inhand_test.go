package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// What the mirror has in hand when the source deletes it is not lost: it is copied before the partition halts, and the
// loss begins exactly behind it.
func TestDeletedInHand(t *testing.T) {
	const records, valueBytes = 40_000, 1000
	r := newRoute(t, "in-hand", stage.edge.get(t), stage.region.get(t), 1, func(s *settings) { s.Memory = "16MiB" })
	r.host.start(t)
	r.produce(t, load.Spec{Partitions: 1, Records: oldRecords, Seed: 1})
	r.awaitCopied(t, time.Minute)

	must(t, eachProxy(r, func(p *kafka.Proxy) { p.Throttle(200_000) })) // a slow line: more is in hand than is under way
	t.Cleanup(func() {
		if err := healProxies(context.Background(), r); err != nil {
			t.Errorf("heal: %v", err)
		}
	})
	_, err := load.Fill(within(t, time.Minute), r.from.Direct(), load.FillSpec{Topic: r.topic, Partitions: 1, Records: records, ValueBytes: valueBytes})
	must(t, err)
	ends, err := r.from.EndOffsets(t.Context(), r.topic)
	must(t, err)
	must(t, r.from.DeleteRecords(t.Context(), r.topic, 0, ends[0]))
	had, err := r.arrived(t.Context())
	must(t, err)
	must(t, healProxies(t.Context(), r))

	var lost lostStatus
	eventually(t, haltWithin, "the partition halts", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		if p := topic.Partitions[0]; p.State != "halted" || p.Reason != "retention" || p.Lost == nil || p.Lost.From == nil || p.Lost.To == nil {
			return fmt.Errorf("it is %s: %s %s, lost %+v", p.State, p.Reason, p.Error, p.Lost)
		}
		lost = *topic.Partitions[0].Lost
		return nil
	})
	arrived, err := r.arrived(t.Context())
	must(t, err)
	t.Logf("%d records had arrived when the source deleted all %d, %d when the partition halted", had, ends[0], arrived)
	if *lost.From != arrived || *lost.To != ends[0] {
		t.Errorf("lost: got [%d,%d), want [%d,%d)", *lost.From, *lost.To, arrived, ends[0])
	}
	if inHand := arrived - had; inHand < 1000 {
		t.Errorf("only %d records were in hand: too few to prove much", inHand)
	}
	got, err := r.host.command(t.Context(), "skip", r.topic, r.topic+"/0", "--i-accept-loss")
	must(t, err)
	if got.code != 0 {
		t.Fatalf("skip: exit code %d: %s", got.code, got.stderr)
	}
	fresh := r.produce(t, load.Spec{Partitions: 1, Records: freshShorter, Seed: 3})
	eventually(t, flowWithin, "what comes later arrives", func(ctx context.Context) error {
		now, err := r.arrived(ctx)
		if err == nil && now != arrived+fresh.Acked() {
			err = errors.Join(fmt.Errorf("%d of %d arrived", now-arrived, fresh.Acked()), r.host.expectState(ctx, r.topic, "caught_up"))
		}
		return err
	})
}
