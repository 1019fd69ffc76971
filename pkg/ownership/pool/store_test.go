package pool

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

func TestIdentities(t *testing.T) {
	within(t, 2, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		ctx := t.Context()
		id := func(pid int64) mirror.Identities {
			return mirror.Identities{Partitions: map[int32]protocol.Identity{2: {SourceTopicID: "s", DestTopic: "d", ProducerID: pid, Base: protocol.Position{Source: 7, SourceEpoch: -1, ProducerID: pid}}}}
		}
		first := id(5)
		a.client.Drop(true)
		if err := a.Update(ctx, "eu", "topic-000", first); err != nil {
			t.Fatalf("a write whose answer was lost, and that was done: %v", err)
		}
		if err := b.Update(ctx, "eu", "topic-000", id(6)); !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a second first one: %v", err)
		}
		got, err := b.Read(ctx, "eu", "topic-000")
		if err != nil || got.Version != 1 || got.Partitions[2] != first.Partitions[2] {
			t.Fatalf("got %+v, %v", got, err)
		}
		a.client.Drop(false)
		next := id(8)
		next.Version = 1
		if err := a.Update(ctx, "eu", "topic-000", next); err == nil || errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a write that was lost: %v", err)
		}
		if err := b.Update(ctx, "eu", "topic-000", next); err != nil {
			t.Fatal(err)
		}
		if err := a.Update(ctx, "eu", "topic-000", next); !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a version that is over: %v", err)
		}
		r.ensemble.Put("/mirror/eu/identities/topic-001", []byte("garbage"))
		if _, err := a.Read(ctx, "eu", "topic-001"); err == nil || !strings.Contains(err.Error(), "/mirror/eu/identities/topic-001") || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("garbage: %v", err)
		}
		if n, _ := r.ensemble.Node("/mirror/eu/identities/topic-001"); string(n.Data) != "garbage" {
			t.Error("garbage was overwritten")
		}
		r.ensemble.Remove("/mirror/eu/identities")
		if got, err := a.Read(ctx, "eu", "topic-000"); err != nil || got.Version != 0 || len(got.Partitions) != 0 || got.Partitions == nil {
			t.Errorf("after the tree was emptied: %+v, %v", got, err)
		}
		if err := a.Update(ctx, "eu", "topic-000", first); !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a write where the nodes above it are gone: %v", err)
		}
		if err := a.Update(ctx, "eu", "topic-000", first); err != nil {
			t.Errorf("the same again: %v", err)
		}
	})
}

// TestSameIdentitiesOfAnother has two members take the same epoch of a compacted topic at the same time, and the answer to the first
// get lost: only one of them may go on with it.
func TestSameIdentitiesOfAnother(t *testing.T) {
	within(t, 2, func(t *testing.T, r *region) {
		a, b, _ := trio(r)
		ctx := t.Context()
		ids := mirror.Identities{Partitions: map[int32]protocol.Identity{0: {DestTopic: "d", ProducerID: 5, Compacted: true, Epoch: 3, Start: 40}}}
		a.client.Delay(func() time.Duration { return time.Second }) // each request arrives after b's
		a.client.Drop(false)
		answer := make(chan error)
		go func() { answer <- a.Update(ctx, "eu", "topic-000", ids) }()
		if err := b.Update(ctx, "eu", "topic-000", ids); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; !errors.Is(err, mirror.ErrConflict) {
			t.Errorf("a write that was lost, while another wrote the same: %v, want a conflict", err)
		}
	})
}
