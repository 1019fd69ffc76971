package catalog

import (
	"context"
	"fmt"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Settings returns the named settings of topics at a cluster, by topic and name. Topics for which the answer was an error are left
// out; the error says why.
func Settings(ctx context.Context, cluster *kafka.Cluster, topics, names []string) (map[string]map[string]mirror.Setting, error) {
	told, err := cluster.TopicSettings(ctx, topics, names...)
	if err != nil {
		err = fmt.Errorf("read settings of topics at %s (needs DESCRIBE_CONFIGS): %w", cluster.Name(), err)
	}
	settings := make(map[string]map[string]mirror.Setting, len(told))
	for topic, all := range told {
		settings[topic] = make(map[string]mirror.Setting, len(all))
		for name, s := range all {
			settings[topic][name] = mirror.Setting(s)
		}
	}
	return settings, err
}
