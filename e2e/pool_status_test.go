package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metric returns the sum of the samples of a metric.
func (h *host) metric(ctx context.Context, name string) (float64, error) {
	address, err := h.address()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("ask for metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask for metrics: %w", err)
	}
	defer response.Body.Close()
	found, sum := false, 0.0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		found, sum = true, sum+value
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
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
