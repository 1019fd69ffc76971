package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// configsPerRequest bounds the answer: a topic has about 35 settings.
const configsPerRequest = 500

// TopicConfigs returns the effective settings of each topic, defaults included, all or those with the given names; settings
// whose value the broker hides are left out. Topics that cannot be described are missing from the result, which
// holds the others, and named in the error.
func (c *Cluster) TopicConfigs(ctx context.Context, topics []string, names ...string) (map[string]map[string]string, error) {
	settings, err := c.TopicSettings(ctx, topics, names...)
	configs := make(map[string]map[string]string, len(settings))
	for topic, all := range settings {
		configs[topic] = values(all)
	}
	return configs, err
}

// Setting is a setting as a broker tells it.
type Setting struct {
	Value string
	Own   bool // it was given to the topic; else it is a default
}

func values(settings map[string]Setting) map[string]string {
	plain := make(map[string]string, len(settings))
	for name, s := range settings {
		plain[name] = s.Value
	}
	return plain
}

// TopicSettings is TopicConfigs with where each value comes from.
func (c *Cluster) TopicSettings(ctx context.Context, topics []string, names ...string) (map[string]map[string]Setting, error) {
	settings := make(map[string]map[string]Setting, len(topics))
	var errs []error
	for chunk := range slices.Chunk(topics, configsPerRequest) {
		err := c.call(ctx, "read topic settings", func(ctx context.Context) error {
			answer, err := c.askAny(ctx, describe(kmsg.ConfigResourceTypeTopic, chunk, names))
			if err != nil {
				return err
			}
			return readConfigs(answer, chunk, settings)
		})
		errs = append(errs, err)
	}
	return settings, errors.Join(errs...)
}

// SetTopicSetting gives a topic a setting, or with nil the default of it. Other settings stay as they are.
func (c *Cluster) SetTopicSetting(ctx context.Context, topic, name string, value *string) error {
	setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	setting.Name, setting.Value, setting.Op = name, value, kmsg.IncrementalAlterConfigOpSet
	if value == nil {
		setting.Op = kmsg.IncrementalAlterConfigOpDelete
	}
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	resource.Configs = append(resource.Configs, setting)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.SetVersion(1)
	req.Resources = append(req.Resources, resource)
	return c.call(ctx, "set "+name+" of topic "+topic, func(ctx context.Context) error {
		answer, err := c.askController(ctx, req)
		if err != nil {
			return err
		}
		changed := answer.(*kmsg.IncrementalAlterConfigsResponse).Resources
		if len(changed) == 0 {
			return errNoAnswer
		}
		return explain(changed[0].ErrorCode, changed[0].ErrorMessage)
	})
}

// BrokerConfig returns the effective settings of one reachable broker, defaults included; settings
// whose value the broker hides are left out.
func (c *Cluster) BrokerConfig(ctx context.Context) (map[string]string, error) {
	configs := make(map[string]map[string]Setting, 1)
	var id string
	err := c.call(ctx, "read broker settings", func(ctx context.Context) error {
		md, err := c.askMetadata(ctx, []string{})
		if err != nil {
			return err
		}
		if len(md.Brokers) == 0 {
			return errors.New("cluster has no live broker")
		}
		var errs []error
		// A broker describes only itself. The order of a map is random enough.
		for node, addr := range md.Brokers {
			id = strconv.Itoa(int(node))
			answer, err := c.askAt(ctx, addr, describe(kmsg.ConfigResourceTypeBroker, []string{id}, nil))
			if err == nil {
				return readConfigs(answer, []string{id}, configs)
			}
			if _, coded := Code(err); coded || ctx.Err() != nil {
				return err
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return nil, err
	}
	return values(configs[id]), nil
}

// describe asks for settings of resources, all without names.
func describe(kind kmsg.ConfigResourceType, resources, names []string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.SetVersion(4)
	for _, name := range resources {
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kind, name
		resource.ConfigNames = names
		req.Resources = append(req.Resources, resource)
	}
	return req
}

// readConfigs adds the settings of the named resources to configs.
func readConfigs(answer kmsg.Response, names []string, configs map[string]map[string]Setting) error {
	var errs []error
	answered := make(map[string]bool, len(names))
	for _, resource := range answer.(*kmsg.DescribeConfigsResponse).Resources {
		answered[resource.ResourceName] = true
		if resource.ErrorCode != 0 {
			errs = append(errs, fmt.Errorf("%s: %w", resource.ResourceName, Error{resource.ErrorCode}))
			continue
		}
		settings := make(map[string]Setting, len(resource.Configs))
		for _, config := range resource.Configs {
			if config.Value != nil {
				settings[config.Name] = Setting{*config.Value, config.Source == kmsg.ConfigSourceDynamicTopicConfig}
			}
		}
		configs[resource.ResourceName] = settings
	}
	for _, name := range names {
		if !answered[name] {
			errs = append(errs, fmt.Errorf("%s: %w", name, errNoAnswer))
		}
	}
	return errors.Join(errs...)
}
