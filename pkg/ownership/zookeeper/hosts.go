package zookeeper

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// Times of connecting. A server in the same region answers within milliseconds; one that has just lost its leader does not.
const (
	shortestWait = 20 * time.Millisecond // between rounds of failures, doubled up to
	longestWait  = time.Second
	lookupLimit  = 2 * time.Second // of all names together
	calm         = time.Second     // a connection that lasted as long was a good one
	maxDoublings = 10
)

// hosts is the library's HostProvider: it says which server is next, waiting between rounds of failures. The library calls
// it from one goroutine, which is the one that dials too; the library's own pause of a second is never asked for.
type hosts struct {
	servers []string // set once, as all up to failed
	resolve func(ctx context.Context, host string) ([]string, error)
	ctx     context.Context // ends when the client closes; the library passes none
	failed  func()          // called after each round of failures
	log     *slog.Logger

	addresses []string
	names     map[string]string // host of each address, as it was configured
	unknown   map[string]bool   // hosts that did not resolve the last time
	at        int               // index of the next
	tried     int               // in this round
	rounds    int               // that failed
	up        time.Time         // when the newest connection was made; zero if it was judged
}

// Init implements zk.HostProvider. Names are resolved when they are needed.
func (h *hosts) Init([]string) error { return nil }

// Len implements zk.HostProvider.
func (h *hosts) Len() int { return max(1, len(h.addresses)) }

// Connected implements zk.HostProvider.
func (h *hosts) Connected() { h.up = time.Now() }

// Next implements zk.HostProvider. It answers true, which makes the library give up, only when the client closes.
func (h *hosts) Next() (server string, retryStart bool) {
	if !h.up.IsZero() && time.Since(h.up) >= calm {
		h.tried, h.rounds = 0, 0
	}
	h.up = time.Time{}
	if len(h.addresses) == 0 {
		h.lookUp()
	}
	if h.tried >= len(h.addresses) {
		h.rounds++
		h.failed()
		h.wait()
		h.lookUp()
		h.tried = 0
	}
	server = h.addresses[h.at%len(h.addresses)]
	h.at++
	h.tried++
	return server, h.ctx.Err() != nil
}

// name returns the host that an address belongs to.
func (h *hosts) name(address string) string { return h.names[address] }

// wait pauses between two rounds, longer from round to round, and never as long as others that failed at the same moment.
func (h *hosts) wait() {
	d := min(shortestWait<<min(h.rounds-1, maxDoublings), longestWait)
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.ctx.Done():
	}
}

// lookUp resolves all names. One that does not resolve is kept, so that dialing it says why. It is told of at once too, as
// it may never be dialed while others serve.
func (h *hosts) lookUp() {
	ctx, cancel := context.WithTimeout(h.ctx, lookupLimit)
	defer cancel()
	h.addresses, h.names, h.at = nil, map[string]string{}, 0
	unknown := map[string]bool{}
	for _, server := range h.servers {
		host, port, err := net.SplitHostPort(server)
		if err != nil { // validate has seen to that
			continue
		}
		found, err := h.resolve(ctx, host)
		if err != nil || len(found) == 0 {
			found, unknown[host] = []string{host}, true
			if !h.unknown[host] && h.ctx.Err() == nil {
				h.log.Warn("zookeeper server not found by its name", "server", server, "err", err)
			}
		}
		for _, ip := range found {
			if address := net.JoinHostPort(ip, port); !slices.Contains(h.addresses, address) {
				h.addresses = append(h.addresses, address)
				h.names[address] = host
			}
		}
	}
	h.unknown = unknown
	rand.Shuffle(len(h.addresses), func(i, j int) { h.addresses[i], h.addresses[j] = h.addresses[j], h.addresses[i] })
}
