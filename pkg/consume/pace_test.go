package consume

import (
	"testing"
	"time"
)

// TestPace lets responses of the size asked for arrive at a steady rate.
func TestPace(t *testing.T) {
	for _, test := range []struct {
		name      string
		rate      int // bytes per second
		size      int // of what there is to read, 0 no end
		low, high int // bytes asked for in the end
	}{
		{"a fast link", 500 << 20, 0, maxResponseBytes, maxResponseBytes},
		{"10 MiB/s", 10 << 20, 0, 4 << 20, maxResponseBytes},
		{"300 kB/s", 300_000, 0, 300_000, 600_000},
		{"10 kB/s", 10_000, 0, leastResponse, leastResponse},
		{"little to read", 500 << 20, 1000, firstResponse, firstResponse},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPace()
			for range 20 {
				n := p.fits
				if test.size > 0 {
					n = min(n, test.size)
				}
				p.arrived(n, time.Duration(float64(n)/float64(test.rate)*float64(time.Second)))
			}
			if p.fits < test.low || p.fits > test.high {
				t.Errorf("asks for %d, want %d to %d", p.fits, test.low, test.high)
			}
		})
	}
	p := newPace()
	p.arrived(100, time.Minute) // a stall
	for range 7 {
		p.arrived(p.fits, time.Millisecond)
	}
	if p.fits != maxResponseBytes {
		t.Errorf("after a stall of long ago it asks for %d", p.fits)
	}
}
