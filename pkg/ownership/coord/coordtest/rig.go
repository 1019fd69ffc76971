// Package coordtest holds every coord.Client to the same promises: those of the interface, also under faults.
package coordtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"tributary/pkg/ownership/coord"
)

// Rig is one service with the means to break what lies between it and its clients.
type Rig interface {
	// Connect returns a new client. It need not have a session yet. The rig closes it at the end of the test.
	Connect(t *testing.T) coord.Client
	// Expire ends the session of a client at the service. It need not wait until the client knows.
	Expire(t *testing.T, c coord.Client)
	// Cut takes the connection of a client away until Heal. The client can see that.
	Cut(t *testing.T, c coord.Client)
	// Heal ends Cut.
	Heal(t *testing.T, c coord.Client)
	// Lose loses the answer of a client's next write; with done it takes effect, else it never arrives.
	Lose(t *testing.T, c coord.Client, done bool)
	// Restart stops the whole service and starts it again. What is stored and the sessions outlive that.
	Restart(t *testing.T)
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// Run runs all cases, each with a rig of its own. Rigs may share a service: every case keeps below a path of its own.
func Run(t *testing.T, newRig func(t *testing.T) Rig) {
	for _, group := range []map[string]func(*bench){nodes(), watching(), sessions(), faults()} {
		names := make([]string, 0, len(group))
		for name := range group {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				group[name](&bench{T: t, Rig: newRig(t), root: "/coordtest-" + strconv.FormatUint(rand.Uint64(), 36)})
			})
		}
	}
}

// bench is what a case works with.
type bench struct {
	*testing.T
	Rig
	root string
	once sync.Once
}

// client returns a client with a session. The root is there by then.
func (b *bench) client() coord.Client {
	b.Helper()
	c := b.Connect(b.T)
	b.phase(c, coord.Connected)
	b.once.Do(func() { b.write(c, coord.Op{Kind: coord.OpCreate, Path: b.root}) })
	return c
}

// at returns a path below the root.
func (b *bench) at(name string) string { return b.root + "/" + name }

func create(path string) coord.Op { return coord.Op{Kind: coord.OpCreate, Path: path} }

func ephemeral(path string) coord.Op {
	return coord.Op{Kind: coord.OpCreate, Path: path, Ephemeral: true}
}

func set(path, data string, version int32) coord.Op {
	return coord.Op{Kind: coord.OpSet, Path: path, Data: []byte(data), Version: version}
}

func remove(path string, version int32) coord.Op {
	return coord.Op{Kind: coord.OpDelete, Path: path, Version: version}
}

func check(path string, version int32) coord.Op {
	return coord.Op{Kind: coord.OpCheck, Path: path, Version: version}
}

// limit returns a context for one call.
func (b *bench) limit() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	b.Cleanup(cancel)
	return ctx
}

// write writes what must succeed.
func (b *bench) write(c coord.Client, ops ...coord.Op) []string {
	b.Helper()
	paths, err := c.Write(b.limit(), ops...)
	if err != nil {
		b.Fatalf("write: %v", err)
	}
	return paths
}

// get reads a node that must be there.
func (b *bench) get(c coord.Client, path string) coord.Node {
	b.Helper()
	n, _, err := c.Get(b.limit(), path, false)
	if err != nil {
		b.Fatalf("get: %v", err)
	}
	return n
}

// watch reads a node or, with list, its children, and returns the watch.
func (b *bench) watch(c coord.Client, path string, list bool) <-chan struct{} {
	b.Helper()
	var ch <-chan struct{}
	var err error
	if list {
		_, ch, err = c.Children(b.limit(), path, true)
	} else {
		_, ch, err = c.Get(b.limit(), path, true)
	}
	if err != nil && !errors.Is(err, coord.ErrNoNode) {
		b.Fatalf("watch: %v", err)
	}
	if ch == nil {
		b.Fatalf("got no watch of %s", path)
	}
	return ch
}

// fires waits until a channel is closed.
func (b *bench) fires(what string, ch <-chan struct{}) {
	b.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		b.Fatalf("not fired within %v: %s", patience, what)
	}
}

func (b *bench) silent(what string, ch <-chan struct{}) {
	b.Helper()
	select {
	case <-ch:
		b.Errorf("fired without a change: %s", what)
	default:
	}
}

// phase waits until a client is in a phase, and returns the session.
func (b *bench) phase(c coord.Client, want coord.Phase) coord.Session {
	b.Helper()
	return b.session(c, func(s coord.Session) bool { return s.Phase == want })
}

// session waits until a client's session is as wanted.
func (b *bench) session(c coord.Client, want func(coord.Session) bool) coord.Session {
	b.Helper()
	s, err := Await(c, want)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// Await waits until a client's session is as wanted, for as long as that may take on a busy machine.
func Await(c coord.Client, want func(coord.Session) bool) (coord.Session, error) {
	for late := time.After(patience); ; {
		s, changed := c.Session()
		if want(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-late:
			return s, fmt.Errorf("after %v the session is %+v", patience, s)
		}
	}
}

// eventually waits until what a client reads is as wanted.
func (b *bench) eventually(what string, want func() bool) {
	b.Helper()
	for late := time.After(patience); !want(); {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-late:
			b.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func (b *bench) gone(c coord.Client, path string) func() bool {
	return func() bool {
		_, _, err := c.Get(b.limit(), path, false)
		return errors.Is(err, coord.ErrNoNode)
	}
}

// known says whether an error tells that nothing was done.
func known(err error) bool {
	for _, of := range []error{coord.ErrNoNode, coord.ErrNodeExists, coord.ErrVersion, coord.ErrNotEmpty, coord.ErrNoAuth, coord.ErrTooLarge, coord.ErrClosed} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}
