package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/pkg/catalog"
	"tributary/pkg/mirror"
)

// The settings that say how a topic's log is cleaned.
const (
	cleanupPolicy   = "cleanup.policy"
	minCompactLag   = "min.compaction.lag.ms"
	deleteRetention = "delete.retention.ms"
)

// Settings implements mirror.SettingsSource.
func (g group) Settings(ctx context.Context, topics, names []string) (map[string]map[string]mirror.Setting, error) {
	return catalog.Settings(ctx, g.cluster, topics, names)
}

// Policies implements mirror.Source.
func (g group) Policies(ctx context.Context, topics []string) (map[string]mirror.Policy, error) {
	settings, err := g.cluster.TopicConfigs(ctx, topics, cleanupPolicy, minCompactLag, deleteRetention)
	if err != nil {
		err = fmt.Errorf("read cleanup.policy at %s (needs DESCRIBE_CONFIGS): %w", g.cluster.Name(), err)
	}
	policies := make(map[string]mirror.Policy, len(settings))
	for topic, s := range settings {
		policy, parseErr := parsePolicy(s)
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("settings of topic %s at %s: %w", topic, g.cluster.Name(), parseErr))
			continue
		}
		policies[topic] = policy
	}
	return policies, err
}

func parsePolicy(settings map[string]string) (p mirror.Policy, err error) {
	p.Compacted = slices.Contains(strings.Split(strings.ReplaceAll(settings[cleanupPolicy], " ", ""), ","), "compact")
	if p.MinLag, err = millis(settings, minCompactLag); err != nil {
		return p, err
	}
	p.DeleteRetention, err = millis(settings, deleteRetention)
	return p, err
}

// millis reads a setting in milliseconds; one that the broker does not have is 0. Values may be as large as an int64, more
// than a Duration holds.
func millis(settings map[string]string, name string) (time.Duration, error) {
	text, ok := settings[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %q, not a number of milliseconds", name, text)
	}
	const longest = int64(time.Duration(1<<63-1) / 4 / time.Millisecond) // two of them and a margin can be added up
	return time.Duration(min(n, longest)) * time.Millisecond, nil
}
