package pool

import (
	"fmt"
	"maps"
	"sync"
)

// wires are the peer streams of all members.
type wires struct {
	mu sync.Mutex
	of map[string]*wire
}

type wire struct {
	all   *wires
	dead  chan string
	mu    sync.Mutex
	peers map[string]string
}

func (ws *wires) add(instance string) *wire {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := &wire{all: ws, dead: make(chan string, 100)}
	ws.of[fmt.Sprintf("%s-%d", instance, len(ws.of))] = w
	return w
}

func (ws *wires) remove(p *Pool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	maps.DeleteFunc(ws.of, func(_ string, w *wire) bool { return w == p.peers })
}

// tell lets all know of a death who hold a stream to the dead.
func (ws *wires) tell(name string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.of {
		w.mu.Lock()
		if w.peers[name] != "" {
			w.dead <- name
		}
		w.mu.Unlock()
	}
}

func (w *wire) Set(_ string, peers map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers = peers
}
func (w *wire) Dead() <-chan string { return w.dead }
func (w *wire) Streams() map[string]Stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]Stream{}
	for name := range w.peers {
		all[name] = StreamOpen
	}
	return all
}
