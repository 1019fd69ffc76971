package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/load"
)

// A source transaction that hangs shows within 60 s as what the mirror waits for, with producer and transactional id and how
// much it holds back, counts as neither lag nor loss, and the wait ends by itself with the transaction.
func TestHungTransaction(t *testing.T) {
	r := newRoute(t, "hung", stage.edge.get(t), stage.home.get(t), 1)
	r.host.start(t)
	committed := r.produce(t, load.Spec{Partitions: 1, Records: 500, Seed: 1, Transactions: &load.Transactions{AbortRatio: 0.5}})
	r.awaitCopied(t, time.Minute)
	requireGaps(t, r.host, r.topic, "control")

	client, err := r.from.Client(kgo.TransactionalID("billing-1"), kgo.TransactionTimeout(5*time.Minute), kgo.DefaultProduceTopic(r.topic))
	must(t, err)
	defer client.Close()
	must(t, client.BeginTransaction())
	must(t, client.ProduceSync(within(t, time.Minute), &kgo.Record{Value: []byte("hung")}).FirstErr())
	begun := time.Now()
	behind := r.produce(t, load.Spec{Partitions: 1, Records: 100, Seed: 2})
	producer, _, err := client.ProducerID(within(t, time.Minute))
	must(t, err)
	want := fmt.Sprintf("of producer id %d (transactional id billing-1): the 101 offsets", producer)
	took := eventually(t, time.Minute, "the open transaction is told", func(ctx context.Context) error {
		topic, err := r.host.topic(ctx, r.topic)
		if err != nil {
			return err
		}
		p := topic.Partitions[0]
		if p.State != "waiting" || !strings.HasPrefix(p.Error, "open transaction since "+begun.UTC().Format("2006-01-02")) || !strings.Contains(p.Error, want) {
			return fmt.Errorf("state %s, %q", p.State, p.Error)
		}
		if p.HeldBack == nil || *p.HeldBack != 101 || topic.LagRecords == nil || *topic.LagRecords != 0 {
			return fmt.Errorf("held back %v, lag %v; want 101, 0", value(p.HeldBack), value(topic.LagRecords))
		}
		return nil
	})
	t.Logf("told after %v", took.Round(time.Second))
	if held, err := r.arrived(t.Context()); err != nil || held == 0 {
		t.Fatalf("the destination holds %d records, %v", held, err)
	}

	must(t, client.EndTransaction(within(t, time.Minute), kgo.TryCommit))
	r.awaitCopied(t, 30*time.Second)
	eventually(t, 30*time.Second, "the wait ends", func(ctx context.Context) error { return r.host.expectState(ctx, r.topic, "caught_up") })
	r.host.stop(t)
	result, err := load.Compare(within(t, time.Minute), []load.Source{r.source()}, r.destination(), load.Same)
	must(t, err)
	must(t, result.Err())
	if want := committed.Acked() + behind.Acked() + 1; result.Matched != want {
		t.Errorf("%d records are equal, want %d", result.Matched, want)
	}
}

// value shows a number that may be unknown.
func value(n *int64) any {
	if n == nil {
		return "unknown"
	}
	return *n
}
