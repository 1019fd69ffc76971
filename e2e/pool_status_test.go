package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// metric returns the sum of the samples of a metric.
func (h *host) metric(ctx context.Context, name string) (sum float64, err error) {
	found := false
	err = h.ask(ctx, "/metrics", func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			rest, ok := strings.CutPrefix(lines.Text(), name)
			if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
				continue
			}
			value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err != nil {
				return err
			}
			found, sum = true, sum+value
		}
		return lines.Err()
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no metric %s", name)
	}
	return sum, err
}

// poolStatus is what /api/v1/pool says of a pool, as far as tests look at it.
type poolStatus struct {
	Link            string `json:"link"`
	State           string `json:"state"`
	SessionsExpired int    `json:"sessions_expired"`
	Incarnation     string `json:"incarnation"`
	Members         []struct {
		Instance string `json:"instance"`
		Peer     string `json:"peer"`
	} `json:"members"`
	Unowned []struct {
		Topic string `json:"topic"`
		Why   string `json:"why"`
	} `json:"unowned"`
	Failover *struct {
		Seconds float64 `json:"seconds"`
		Units   int     `json:"units"`
	} `json:"failover"`
	Evictions int      `json:"evictions"`
	Problems  []string `json:"problems"`
}

// pool asks the running mirror for its only pool.
func (h *host) pool(ctx context.Context) (poolStatus, error) {
	var report struct{ Pools []poolStatus }
	err := h.ask(ctx, "/api/v1/pool", func(body io.Reader) error { return json.NewDecoder(body).Decode(&report) })
	if err == nil && len(report.Pools) != 1 {
		err = fmt.Errorf("the status knows %d pools", len(report.Pools))
	}
	if err != nil {
		return poolStatus{}, err
	}
	return report.Pools[0], nil
}

// says returns a probe for what a member says of the pool.
func (m *member) says(what string, is func(poolStatus) bool) func(context.Context) error {
	return func(ctx context.Context) error {
		now, err := m.pool(ctx)
		if err == nil && !is(now) {
			err = describe("%s: %s: %+v", m.name(), what, now)
		}
		return err
	}
}

// stateIs returns a condition on the session with ZooKeeper.
func stateIs(want ...string) func(poolStatus) bool {
	return func(s poolStatus) bool { return slices.Contains(want, s.State) }
}

// hearsNothingOf returns a condition on the stream to a peer.
func hearsNothingOf(instance string) func(poolStatus) bool {
	return func(s poolStatus) bool {
		for _, m := range s.Members {
			if m.Instance == instance && (m.Peer == "silent" || m.Peer == "broken") {
				return true
			}
		}
		return false
	}
}

// ownerIs returns a probe for who owns a topic.
func (p *pool) ownerIs(topic string, want *member) func(context.Context) error {
	return func(ctx context.Context) error {
		owners, err := p.tree.owners(ctx)
		if err == nil && owners[topic].instance != want.name() {
			err = describe("%s is with %q, want %s", topic, owners[topic].instance, want.name())
		}
		return err
	}
}

// rejoined returns a probe for whether an instance is a member again, under a new incarnation.
func (p *pool) rejoined(m *member, was string) func(context.Context) error {
	return func(ctx context.Context) error {
		now, err := p.tree.incarnation(ctx, m.name())
		if err == nil && (now == "" || now == was) {
			err = describe("%s is there as %q, was %q", m.name(), now, was)
		}
		return err
	}
}
