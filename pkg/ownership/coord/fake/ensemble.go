// Package fake is a coordination service in memory for tests: sessions that expire, ephemeral and sequential nodes,
// versions, watches and atomic writes, with clients on which faults are injected. All its time is that of package time, so
// that it works inside a testing/synctest bubble; it runs no goroutine. It never talks to anything.
package fake

import (
	"maps"
	"slices"
	"sync"
	"time"

	"tributary/pkg/ownership/coord"
)

// Ensemble is the service. All methods are safe for concurrent use.
type Ensemble struct {
	mu       sync.Mutex
	tree     *tree              // guarded by mu, as is all below, and all of its clients
	sessions map[int64]*session // live ones
	last     int64              // newest session's number
	clients  []*Client
	down     bool
}

// session is one of a client, as the service has it.
type session struct {
	id     int64
	client *Client
	expiry *time.Timer // nil while the client is heard
}

// New returns a service that is up, with an empty tree.
func New() *Ensemble {
	return &Ensemble{tree: newTree(), sessions: map[int64]*session{}}
}

// Client connects a new client. A session that is not heard for timeout expires, at the very moment its lease ends.
func (e *Ensemble) Client(timeout time.Duration) *Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &Client{ensemble: e, timeout: timeout, state: coord.Session{Phase: coord.Connecting, Timeout: timeout, Since: time.Now()},
		changed: make(chan struct{}), reach: make(chan struct{}), watches: map[*watch]bool{}}
	e.clients = append(e.clients, c)
	c.meet()
	return c
}

// Down takes the whole service down: no client reaches it, and no session expires.
func (e *Ensemble) Down() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.clients {
		c.part(true)
	}
	e.down = true
	for _, s := range e.sessions {
		s.stop()
	}
}

// Up brings it back. All sessions' clocks start anew, as under a new leader.
func (e *Ensemble) Up() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = false
	for _, id := range slices.Sorted(maps.Keys(e.sessions)) {
		e.sessions[id].start(e.sessions[id].client.timeout)
	}
	for _, c := range e.clients {
		c.meet()
	}
}

// Put makes or replaces a node without session, and those above it that are missing.
func (e *Ensemble) Put(path string, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, r := range path {
		if above := path[:i]; r == '/' && i > 0 && e.tree.nodes[above] == nil {
			e.must(coord.Op{Kind: coord.OpCreate, Path: above})
		}
	}
	if e.tree.nodes[path] != nil {
		e.must(coord.Op{Kind: coord.OpSet, Path: path, Data: data, Version: coord.AnyVersion})
		return
	}
	e.must(coord.Op{Kind: coord.OpCreate, Path: path, Data: data})
}

func (e *Ensemble) must(op coord.Op) {
	_, changes, err := e.tree.write(0, []coord.Op{op})
	if err != nil {
		panic("put " + op.Path + ": " + err.Error())
	}
	e.fire(changes)
}

// Remove removes a node and all below it, as an operator may; "/" empties the tree. Sessions live on.
func (e *Ensemble) Remove(path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fire(e.tree.removeAll(path))
}

// Node returns a node as it is.
func (e *Ensemble) Node(path string) (coord.Node, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.tree.nodes[path]
	if n == nil {
		return coord.Node{}, false
	}
	out := n.Node
	out.Data = slices.Clone(n.Data)
	return out, true
}

// Names returns the names of a node's children, sorted; none where it does not exist.
func (e *Ensemble) Names(path string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := e.tree.nodes[path]; n != nil {
		return slices.Sorted(maps.Keys(n.children))
	}
	return nil
}

// Live says whether a session lives.
func (e *Ensemble) Live(session int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[session] != nil
}

// fire tells all watches of a change. The caller holds mu.
func (e *Ensemble) fire(changes []change) {
	for _, ch := range changes {
		for _, c := range e.clients {
			c.fire(ch)
		}
	}
}

// begin makes a session for a client. The caller holds mu.
func (e *Ensemble) begin(c *Client) int64 {
	e.last++
	e.sessions[e.last] = &session{id: e.last, client: c}
	return e.last
}

// end ends a session and removes its nodes. The caller holds mu.
func (e *Ensemble) end(id int64) {
	s := e.sessions[id]
	if s == nil {
		return
	}
	s.stop()
	delete(e.sessions, id)
	e.fire(e.tree.removeOwned(id))
}

// start lets a session that is not heard expire after d. The caller holds mu.
func (s *session) start(d time.Duration) {
	s.stop()
	e := s.client.ensemble
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if s.expiry == t { // else it was heard meanwhile
			e.end(s.id)
		}
	})
	s.expiry = t
}

func (s *session) stop() {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
}
