package kafka

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffGrows(t *testing.T) {
	tests := []struct {
		name     string
		backoff  Backoff
		ceilings []time.Duration
	}{
		{"defaults", Backoff{}, []time.Duration{50e6, 100e6, 200e6, 400e6, 800e6, 1600e6, 3200e6, 6400e6, 10e9, 10e9}},
		{"own", Backoff{Min: 3, Max: 10}, []time.Duration{3, 6, 10, 10}},
		{"max below min", Backoff{Max: 20e6}, []time.Duration{20e6, 20e6}},
		{"one nanosecond", Backoff{Min: 1, Max: 1}, []time.Duration{1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // the waits are random
				for i, ceiling := range tt.ceilings {
					if got := tt.backoff.Next(); got < ceiling/2 || got > ceiling {
						t.Fatalf("wait %d: got %v, want %v..%v", i, got, ceiling/2, ceiling)
					}
				}
				tt.backoff.Reset()
			}
		})
	}
}

func TestBackoffIsJittered(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 50 {
		var b Backoff
		seen[b.Next()] = true
	}
	if len(seen) < 10 {
		t.Errorf("got %d different first waits of 50, want many", len(seen))
	}
}

func TestBackoffWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Backoff{Min: time.Second, Max: time.Second}
		begin := time.Now()
		if err := b.Wait(t.Context()); err != nil {
			t.Fatalf("Wait: %v", err)
		}
		if took := time.Since(begin); took < time.Second/2 || took > time.Second {
			t.Errorf("waited %v, want 0.5 to 1 s", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("lease lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(lost) })
		var b Backoff
		begin := time.Now()
		if err := b.Wait(ctx); !errors.Is(err, lost) {
			t.Errorf("got %v, want the cause", err)
		}
		if took := time.Since(begin); took != time.Millisecond {
			t.Errorf("returned after %v, want 1 ms", took)
		}
	})
}
