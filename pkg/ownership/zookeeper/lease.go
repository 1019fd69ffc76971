package zookeeper

import (
	"sync"
	"time"
)

// clock reckons on one connection until when nobody can have ended the session.
//
// That an answer came is not enough: a follower answers pings and reads by itself, also while it is cut off from its leader,
// and it is the leader who ends sessions. Only a write or a sync goes through the leader. Nor does the leader count from when
// that request was sent: a follower tells it twice a tick which sessions it heard of. A tick is half a session timeout at
// most, so what was sent a quarter of a timeout before a request that the leader answered is known to the leader by then,
// and the session lives a timeout longer than that. An event of a watch answers nothing, and counts for nothing.
type clock struct {
	mu       sync.Mutex
	timeout  time.Duration       // guarded by mu, as is all here; 0 before the greeting
	greeted  time.Time           // when our greeting was sent
	contacts []time.Time         // when requests were sent, ascending; not all of them
	asked    map[int32]time.Time // when those were sent that are the leader's to answer, by xid
}

// A clock keeps few of the times of requests: as often as this in a timeout, whatever the traffic.
const contactsPerTimeout = 32

// greet takes note of our greeting.
func (c *clock) greet(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.greeted = now
}

// begin takes the server's, and returns until when the session lives: a greeting is the leader's to answer, and counts by itself.
func (c *clock) begin(timeout time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timeout = timeout
	c.contacts = []time.Time{c.greeted}
	c.asked = map[int32]time.Time{}
	return c.greeted.Add(timeout)
}

// sent takes note of a request that is about to be sent.
func (c *clock) sent(now time.Time, r request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timeout == 0 {
		return
	}
	if now.Sub(c.contacts[len(c.contacts)-1]) >= c.timeout/contactsPerTimeout {
		c.contacts = append(c.contacts, now)
	}
	if r.op == opSync || r.op == opMulti {
		c.asked[r.xid] = now
	}
}

// answered returns until when the session lives by that answer; ok says whether it tells anything.
func (c *clock) answered(a answer) (until time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, ok := c.asked[a.xid]
	if !ok {
		return time.Time{}, false
	}
	delete(c.asked, a.xid)
	if a.code != 0 { // it may be that there is no session any more
		return time.Time{}, false
	}
	known, at := sent.Add(-c.timeout/4), 0
	for at+1 < len(c.contacts) && !c.contacts[at+1].After(known) {
		at++
	}
	c.contacts = c.contacts[at:] // the first is always one that the leader knows of
	return c.contacts[0].Add(c.timeout), true
}
