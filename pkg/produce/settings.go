package produce

import (
	"context"
	"fmt"
	"maps"

	"tributary/pkg/catalog"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

const (
	codeTopicAuthorization = 29
	codeInvalidConfig      = 40
)

// Settings implements mirror.SettingsSink.
func (a admin) Settings(ctx context.Context, topics, names []string) (map[string]map[string]mirror.Setting, error) {
	return catalog.Settings(ctx, a.cluster, topics, names)
}

// ChangeSetting implements mirror.SettingsSink.
func (a admin) ChangeSetting(ctx context.Context, topic, name string, value *string) error {
	err := a.cluster.SetTopicSetting(ctx, topic, name, value)
	if code, _ := kafka.Code(err); code == codeTopicAuthorization {
		return fmt.Errorf("the right to ALTER_CONFIGS on topic %s at %s is missing: %w", topic, a.cluster.Name(), err)
	}
	return err
}

// createWithout creates those topics again, without the settings that they can do without, which were refused for a setting. refused
// is what was refused, and becomes what is still.
func (a admin) createWithout(ctx context.Context, topics []mirror.NewTopic, refused map[string]error) error {
	var again []kafka.NewTopic
	for _, t := range topics {
		if code, _ := kafka.Code(refused[t.Name]); code == codeInvalidConfig && len(t.Wanted) > 0 {
			t.Wanted = nil
			again = append(again, newTopic(t))
		}
	}
	if len(again) == 0 {
		return nil
	}
	still, err := a.cluster.CreateTopics(ctx, again...)
	if err != nil {
		return err
	}
	for _, t := range again {
		if refused[t.Name] = still[t.Name]; refused[t.Name] == nil {
			delete(refused, t.Name)
		}
	}
	return nil
}

// newTopic is a topic with all the settings that it is to have.
func newTopic(t mirror.NewTopic) kafka.NewTopic {
	settings := make(map[string]string, len(t.Settings)+len(t.Wanted))
	maps.Copy(settings, t.Wanted)
	maps.Copy(settings, t.Settings)
	return kafka.NewTopic{Name: t.Name, Partitions: int32(t.Partitions), Replication: int16(t.Replication), Configs: settings}
}
