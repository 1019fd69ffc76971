package consume

import "time"

const (
	responseTime  = 2 * time.Second // in which a response is to arrive
	firstResponse = 1 << 20
	leastResponse = 64 << 10 // a batch that is larger comes all the same, as the first of its response
)

// pace fits what a fetch asks for to how fast it arrives. Over a slow link a response of full size takes minutes, in which the
// records at its end wait for those at its head, and all of it was read in vain when the connection breaks or the partition
// goes to another owner. The zero value is not ready; begin with newPace. It is not safe for concurrent use.
type pace struct {
	fits int // bytes that arrive in time, as far as is known
}

func newPace() pace { return pace{firstResponse} }

// arrived takes in that a response of n bytes took so long from its first byte to its last.
func (p *pace) arrived(n int, took time.Duration) {
	switch {
	case took > responseTime:
		p.fits = max(leastResponse, int(float64(n)*responseTime.Seconds()/took.Seconds()))
	case took < responseTime/4 && n > p.fits/2:
		p.fits = min(2*p.fits, maxResponseBytes)
	}
}
