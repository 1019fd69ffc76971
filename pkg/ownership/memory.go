package ownership

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// Memory keeps identities for the life of one process: for the demo and for tests. Its zero value is ready. Safe for
// concurrent use.
type Memory struct {
	mu     sync.Mutex
	topics map[[2]string]mirror.Identities // guarded by mu, by link and topic
}

// Read implements mirror.Store.
func (m *Memory) Read(_ context.Context, link, topic string) (mirror.Identities, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := m.topics[[2]string{link, topic}]
	ids.Partitions = maps.Clone(ids.Partitions)
	if ids.Partitions == nil {
		ids.Partitions = map[int32]protocol.Identity{}
	}
	return ids, nil
}

// Update implements mirror.Store.
func (m *Memory) Update(_ context.Context, link, topic string, ids mirror.Identities) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]string{link, topic}
	if m.topics[key].Version != ids.Version {
		return fmt.Errorf("write identities of topic %s: %w", topic, mirror.ErrConflict)
	}
	if m.topics == nil {
		m.topics = map[[2]string]mirror.Identities{}
	}
	m.topics[key] = mirror.Identities{Version: ids.Version + 1, Partitions: maps.Clone(ids.Partitions)}
	return nil
}
