package pool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/ownership/znode"
)

// departure is the end of a member as this one saw it.
type departure struct {
	at       time.Time
	instance string
	session  int64
}

// forgetAfter is when the end of a member is forgotten.
const forgetAfter = 10 * time.Minute

// memberRead takes the content of a member's node. One with garbage is no member that plans or is planned with, but what it
// owns stays its own until its session ends.
func (m *member) memberRead(name string, e *entry) {
	was, _ := e.content.(znode.Member)
	e.content = nil
	content, err := decodeMember(name, e)
	switch {
	case err == nil:
		e.content = content
		m.longest = max(m.longest, time.Duration(content.SessionMillis)*time.Millisecond)
	case name == m.life.self:
		m.life.own.spoilt, err = true, nil // it is written again
	default:
		err = fmt.Errorf("%w; this is no member: remove the node", err)
	}
	m.trouble("read "+m.paths.Member(name), err)
	if _, ok := m.life.since[name]; !ok {
		m.life.since[name] = time.Now()
	}
	if was.Draining != content.Draining {
		m.planSoon(planAfterDrain)
	} else if was != content {
		m.planSoon(planAfterJoin)
	}
	m.setPeers()
}

// errPersistent is a member's node that no session made.
var errPersistent = errors.New("the node is not ephemeral")

func decodeMember(name string, e *entry) (znode.Member, error) {
	if e.node.Owner == 0 {
		return znode.Member{}, errPersistent
	}
	if _, err := znode.ParseIncarnation(name); err != nil {
		return znode.Member{}, err
	}
	return znode.DecodeMember(e.node.Data)
}

// memberGone takes note of the end of a member. What follows from it is decided in this same turn.
func (m *member) memberGone(name string, e *entry) {
	l := m.life
	content, _ := e.content.(znode.Member)
	d := departure{time.Now(), content.Instance, e.node.Owner}
	if proven := m.dead[name]; proven != nil {
		d.at = proven.at
	}
	l.gone[name] = d
	delete(l.since, name)
	delete(m.dead, name)
	for old, d := range l.gone {
		if time.Since(d.at) > forgetAfter && !l.plan.names[old] {
			delete(l.gone, old)
		}
	}
	m.trouble("read "+m.paths.Member(name), nil)
	if name != l.self {
		m.log.Info("member is gone", "incarnation", name, "instance", d.instance)
	}
	m.planAfterDeath()
	m.setPeers()
}

// content returns what a member's node says, and whether it can be read.
func (m *member) memberOf(name string) (znode.Member, bool) {
	e := m.life.members.entries[name]
	if e == nil {
		return znode.Member{}, false
	}
	content, ok := e.content.(znode.Member)
	return content, ok
}

// alive says whether a member's node is there. A name never comes back once it is gone.
func (m *member) alive(name string) bool {
	e, gone := m.life.members.entries[name], m.life.gone[name]
	return e != nil && gone == departure{} && (!e.known || e.node.Owner != 0)
}

func (m *member) drains(name string) bool {
	content, _ := m.memberOf(name)
	return content.Draining
}

// holder is who is behind a session.
type holder uint8

const (
	holderMe holder = iota
	holderMember
	holderLate  // a member that is gone, a moment ago
	holderNone  // nobody
	holderMaybe // not known yet
)

// evictionTime is how long what a member leaves behind waits for who evicts it: where the member node is gone and an owner
// node of the same session is not, an eviction is under way, and it will say how the term ended.
const evictionTime = 200 * time.Millisecond

// holderOf says who is behind the session of an owner node that was asked for at that time.
func (m *member) holderOf(session int64, asked uint64) holder {
	l := m.life
	if session == m.session.ID {
		return holderMe
	}
	if session == 0 {
		return holderNone
	}
	for _, e := range l.members.entries {
		if e.known && e.node.Owner == session {
			return holderMember
		}
	}
	for _, d := range l.gone {
		if d.session != session {
			continue
		}
		if due := d.at.Add(evictionTime); !m.ripe(due) {
			return holderLate
		}
		return holderNone
	}
	if !l.members.complete() {
		return holderMaybe
	}
	if l.members.issued < asked { // it may have joined in between
		l.members.stale = true
		return holderMaybe
	}
	return holderNone
}

// setPeers says whom to hold streams to.
func (m *member) setPeers() {
	if m.peers == nil || m.life.self == "" {
		return
	}
	addresses := map[string]string{}
	for name := range m.life.members.entries {
		if content, ok := m.memberOf(name); ok && name != m.life.self && content.Peer != "" {
			addresses[name] = content.Peer
		}
	}
	m.peers.Set(m.life.self, addresses)
}

// leader returns the oldest member.
func (m *member) leader() string {
	var oldest znode.Incarnation
	for _, name := range slices.Sorted(maps.Keys(m.life.members.entries)) {
		if _, ok := m.memberOf(name); !ok {
			continue
		}
		if i, err := znode.ParseIncarnation(name); err == nil && (oldest.Name == "" || i.Compare(oldest) < 0) {
			oldest = i
		}
	}
	return oldest.Name
}

// leads says whether this member plans.
func (m *member) leads() bool { return m.life.self != "" && m.leader() == m.life.self }
