package pool

import (
	"context"
	"errors"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// folder is the children of a node as they were read last, kept up to date by watches.
type folder struct {
	path string
	read func(name string, e *entry) // after a child was read
	gone func(name string, e *entry) // after a child vanished, which may not have been read

	entries map[string]*entry
	todo    map[string]bool     // children to be read
	parts   map[string][]string // names of parts of topics, by topic
	stale   bool                // to be listed again
	listing bool
	watched bool
	issued  uint64    // when the newest list that was taken was asked for; 0: there is none
	due     time.Time // the next list is not before
	failed  int       // lists in a row
}

// entry is a child.
type entry struct {
	node    coord.Node
	known   bool   // it was read
	issued  uint64 // when that was asked for
	denied  bool   // it may not be read
	reading bool
	watched bool
	changed bool // its watch fired: to be read again if the next list has it
	due     time.Time
	first   time.Time // when this node was read first
	unit    plan.Unit // whose name it has; the zero Unit: of none
	content any       // decoded, as the folder's read makes it; nil: garbage
}

// A list is not repeated before listEvery, so that a burst of changes is one, nor before listShare times as long as the
// last took: with thousands of names in them lists are what the service would do all day.
const (
	listEvery = 15 * time.Millisecond
	listShare = 4
	retryMin  = 50 * time.Millisecond
	retryMax  = time.Second
)

func newFolder(path string, read, gone func(string, *entry)) *folder {
	return &folder{path: path, read: read, gone: gone, entries: map[string]*entry{}, todo: map[string]bool{}, stale: true}
}

// complete says whether the folder was listed, and every child read that may be.
func (f *folder) complete() bool {
	if f.issued == 0 {
		return false
	}
	for _, e := range f.entries {
		if !e.known && !e.denied {
			return false
		}
	}
	return true
}

// fresh says whether a child is known, and nothing says that it is another by now.
func (f *folder) fresh(name string) bool {
	e := f.entries[name]
	return e != nil && e.known && !e.changed && !e.reading && !f.todo[name]
}

// refresh asks for what is not up to date.
func (m *member) refresh(f *folder) {
	if f.stale && !f.listing && m.ripe(f.due) {
		m.list(f)
	}
	for name := range f.todo {
		e := f.entries[name]
		if e == nil {
			delete(f.todo, name)
		} else if !e.reading && m.ripe(e.due) {
			delete(f.todo, name)
			m.readEntry(f, name, e)
		}
	}
}

func (m *member) list(f *folder) {
	f.stale, f.listing = false, true
	issued, watched, began := m.life.tick(), !f.watched, time.Now()
	m.do(func(ctx context.Context) func() {
		names, watch, err := m.client.Children(ctx, f.path, watched)
		return func() {
			f.listing = false
			if err != nil {
				m.listFailed(f, err)
				return
			}
			f.due = time.Now().Add(max(listEvery, listShare*time.Since(began)))
			f.failed = 0
			if watch != nil {
				f.watched = true
				m.watch(watch, func() { f.watched, f.stale = false, true })
			}
			f.issued = issued
			m.take(f, names)
		}
	})
}

// listFailed tries again later. A node that is missing although this member has joined was removed by somebody.
func (m *member) listFailed(f *folder, err error) {
	f.stale = true
	f.due = time.Now().Add(backoff(f.failed))
	f.failed++
	m.trouble("list "+f.path, err)
	if f == m.life.members {
		m.denied.Store(errors.Is(err, coord.ErrNoAuth))
	}
	if !errors.Is(err, coord.ErrNoNode) {
		return
	}
	if f == m.life.members {
		m.ownGone()
		return
	}
	m.mend(err)
}

// take compares a list with what was known.
func (m *member) take(f *folder, names []string) {
	m.trouble("list "+f.path, nil)
	f.parts = partsOf(names)
	if f == m.life.members {
		m.denied.Store(false)
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
		e := f.entries[name]
		if e == nil {
			e = &entry{changed: true, unit: unitOf(name)}
			f.entries[name] = e
		}
		if e.changed {
			e.changed, f.todo[name] = false, true
		}
	}
	for name, e := range f.entries {
		if !there[name] {
			delete(f.entries, name)
			f.gone(name, e)
		}
	}
}

func unitOf(name string) plan.Unit {
	u, err := znode.ParseUnit(name)
	if err != nil {
		return plan.Unit{} // all other names there are members', or of nobody
	}
	return u
}

func (e *entry) ofUnit() bool { return e.unit != plan.Unit{} }

func (m *member) readEntry(f *folder, name string, e *entry) {
	e.reading = true
	issued, watched, path := m.life.tick(), !e.watched, f.path+"/"+name
	m.life.queue.reads = append(m.life.queue.reads, func(ctx context.Context) func() {
		n, watch, err := m.client.Get(ctx, path, watched)
		return func() {
			e.reading = false
			if watch != nil && err == nil {
				e.watched = true
				m.watch(watch, func() {
					e.watched, e.changed, f.stale = false, true, true
				})
			}
			if f.entries[name] != e {
				return // it vanished meanwhile
			}
			m.entryRead(f, name, readAnswer{e, n, issued, err})
		}
	})
}

// readAnswer is what came of reading an entry.
type readAnswer struct {
	*entry
	got    coord.Node
	issued uint64
	err    error
}

func (m *member) entryRead(f *folder, name string, a readAnswer) {
	switch {
	case errors.Is(a.err, coord.ErrNoNode) && a.issued < f.issued: // a newer list has it: made again meanwhile
		f.todo[name] = true
	case errors.Is(a.err, coord.ErrNoNode):
		delete(f.entries, name)
		f.stale = true
		f.gone(name, a.entry)
	case a.err != nil:
		a.denied = errors.Is(a.err, coord.ErrNoAuth)
		a.due = time.Now().Add(retryMin)
		if a.denied {
			a.due = time.Now().Add(retryMax)
		}
		f.todo[name] = true
	default:
		a.denied = false
		if !a.known || a.node.Created != a.got.Created || a.node.Owner != a.got.Owner {
			a.first = time.Now()
		}
		a.node, a.known, a.entry.issued = a.got, true, a.issued
		f.read(name, a.entry)
	}
}

// backoff is how long to wait after so many failures.
func backoff(failed int) time.Duration { return min(retryMin<<min(failed, 10), retryMax) }
