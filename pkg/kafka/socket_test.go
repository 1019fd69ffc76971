package kafka

import "testing"

func TestBelowTLSNeverExceedsWhatIsToCome(t *testing.T) {
	for n := 1; n < 4<<20; n += 1 + n/7 {
		got := belowTLS(n)
		if got < 1 || got > 1 && got > n-tlsHeld {
			t.Errorf("belowTLS(%d) = %d: more than %d may be held above the socket", n, got, tlsHeld)
		}
	}
	if got := belowTLS(512 << 10); got != 256<<10 {
		t.Errorf("belowTLS(512 KiB) = %d, want 256 KiB", got)
	}
}
