package zookeeper

import (
	"testing"
	"time"
)

// A lease counts from what the leader is known to have heard of, whatever else is answered.
func TestClock(t *testing.T) {
	const T = 12 * time.Second
	type step struct {
		at    time.Duration // since our greeting was sent
		sent  *request
		reply *answer
		until time.Duration // 0: the answer tells nothing
	}
	ask := func(xid, op int32) *request { return &request{xid: xid, op: op} }
	reply := func(xid, code int32) *answer { return &answer{xid: xid, code: code} }
	const s = time.Second
	for name, steps := range map[string][]step{
		"the first sync proves no more than the greeting": {
			{at: 2 * s, sent: ask(1, opSync)}, {at: 3 * s, reply: reply(1, 0), until: T}},
		"what was sent a quarter before a sync is proven by it": {
			{at: 2 * s, sent: ask(1, opSync)}, {at: 4 * s, sent: ask(2, opSync)}, {at: 5 * s, sent: ask(3, opSync)},
			{at: 6 * s, reply: reply(3, 0), until: 2*s + T}},
		"a write proves as much": {
			{at: 2 * s, sent: ask(1, opGet)}, {at: 6 * s, sent: ask(2, opMulti)}, {at: 6 * s, reply: reply(2, 0), until: 2*s + T}},
		"it counts from when they were sent, however late they are answered": {
			{at: 6 * s, sent: ask(1, opSync)}, {at: 300 * s, reply: reply(1, 0), until: T}},
		"pings are answered by anyone": {
			{at: 4 * s, sent: ask(xidPing, opPing)}, {at: 4 * s, reply: reply(xidPing, 0)},
			{at: 8 * s, sent: ask(xidPing, opPing)}, {at: 8 * s, reply: reply(xidPing, 0)}},
		"but they keep the session, once the leader has told": {
			{at: 4 * s, sent: ask(xidPing, opPing)}, {at: 8 * s, sent: ask(1, opSync)}, {at: 8 * s, reply: reply(1, 0), until: 4*s + T}},
		"reads are answered by anyone": {{at: 4 * s, sent: ask(1, opGet)}, {at: 4 * s, reply: reply(1, 0)}},
		"events answer nothing":        {{at: 4 * s, sent: ask(1, opSync)}, {at: 4 * s, reply: reply(xidEvent, 0)}},
		"errors prove nothing":         {{at: 4 * s, sent: ask(1, opMulti)}, {at: 4 * s, reply: reply(1, -112)}},
		"an answer counts once": {
			{at: 4 * s, sent: ask(1, opSync)}, {at: 4 * s, reply: reply(1, 0), until: T}, {at: 9 * s, reply: reply(1, 0)}},
		"answers to nobody": {{at: 4 * s, reply: reply(7, 0)}},
		"a storm of requests is remembered roughly": {
			{at: 2 * s, sent: ask(1, opGet)}, {at: 2*s + 100*time.Millisecond, sent: ask(2, opGet)}, {at: 6 * s, sent: ask(3, opSync)},
			{at: 6 * s, reply: reply(3, 0), until: 2*s + T}},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			var c clock
			c.greet(begin)
			if got := c.begin(T); !got.Equal(begin.Add(T)) {
				t.Errorf("by the greeting until %v, want %v", got.Sub(begin), T)
			}
			for _, step := range steps {
				if step.sent != nil {
					c.sent(begin.Add(step.at), *step.sent)
					continue
				}
				until, ok := c.answered(*step.reply)
				if ok != (step.until != 0) || ok && !until.Equal(begin.Add(step.until)) {
					t.Errorf("at %v: got %v, %v, want %v", step.at, until.Sub(begin), ok, step.until)
				}
			}
		})
	}
}

// However many requests there are, a clock keeps few.
func TestClockIsSmall(t *testing.T) {
	var c clock
	now := time.Now()
	c.greet(now)
	c.begin(timeout)
	for xid := int32(1); xid < 100_000; xid++ {
		now = now.Add(time.Millisecond)
		op := opGet
		if xid%500 == 0 {
			op = opSync
		}
		c.sent(now, request{xid: xid, op: op})
		c.answered(answer{xid: xid})
		if len(c.contacts) > 2*contactsPerTimeout || len(c.asked) > 1 {
			t.Fatalf("after %d requests it keeps %d times and %d requests", xid, len(c.contacts), len(c.asked))
		}
	}
}
