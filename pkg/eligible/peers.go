package eligible

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// Path is where a mirror says whether its host may take new traffic.
	Path = "/poolz"
	// PeerHeader is set by a mirror that asks, whatever to, and by no load balancer.
	PeerHeader = "Mirror-Peer"

	peersEvery  = 10 * time.Second // between two rounds of questions
	peerTimeout = 2 * time.Second
	maxAnswer   = 16 << 10
)

// askPeers asks all at once. One that does not answer, or not in time, is not fine.
func askPeers(ctx context.Context, client *http.Client, addresses []string) Peers {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	fine := make([]bool, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() {
			s, err := askPeer(ctx, client, address)
			fine[i] = err == nil && s.In && !s.Cut
		})
	}
	asked.Wait()
	p := Peers{Asked: len(addresses)}
	for _, is := range fine {
		if is {
			p.Fine++
		}
	}
	return p
}

func askPeer(ctx context.Context, client *http.Client, address string) (State, error) {
	var s State
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+Path, nil)
	if err != nil {
		return s, fmt.Errorf("ask peer %s: %w", address, err)
	}
	request.Header.Set(PeerHeader, "1")
	response, err := client.Do(request)
	if err != nil {
		return s, fmt.Errorf("ask peer %s: %w", address, err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&s); err != nil {
		return s, fmt.Errorf("read the answer of peer %s: %w", address, err)
	}
	return s, nil
}
