package zookeeper

import "sync"

// kind says what of a node is watched.
type kind uint8

const (
	ofNode kind = iota // that it is there, and its data
	ofChildren
)

// watches are the channels that wait for changes. The library's own watches are not used: those that it renews after a
// reconnection race with its receiver, fail in silence, and pile up. Instead a request is turned into one that arms a watch
// as it passes the connection, if there is a channel for its path by then. A channel is closed too early rather than too late.
type watches struct {
	mu   sync.Mutex
	open map[watched]chan struct{} // guarded by mu
}

type watched struct {
	path string
	of   kind
}

func newWatches() *watches { return &watches{open: map[watched]chan struct{}{}} }

// arm returns the channel for the next change. It must be called before the request is made that the change is to follow.
func (w *watches) arm(path string, of kind) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.open[watched{path, of}]
	if ch == nil {
		ch = make(chan struct{})
		w.open[watched{path, of}] = ch
	}
	return ch
}

// wanted says whether a channel waits for it.
func (w *watches) wanted(path string, of kind) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open[watched{path, of}] != nil
}

// fire closes the channels that wait for an event.
func (w *watches) fire(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.what != eventChildren {
		w.close(watched{e.path, ofNode})
	}
	if e.what == eventChildren || e.what == eventDeleted {
		w.close(watched{e.path, ofChildren})
	}
}

// fireAll closes all channels: what they wait for may have happened unseen.
func (w *watches) fireAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for of := range w.open {
		w.close(of)
	}
}

// close closes one channel, if there is one. The caller holds mu.
func (w *watches) close(of watched) {
	if ch := w.open[of]; ch != nil {
		close(ch)
		delete(w.open, of)
	}
}
