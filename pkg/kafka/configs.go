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
	configs := make(map[string]map[string]string, len(topics))
	var errs []error
	for chunk := range slices.Chunk(topics, configsPerRequest) {
		err := c.call(ctx, "read topic settings", func(ctx context.Context) error {
			answer, err := c.askAny(ctx, describe(kmsg.ConfigResourceTypeTopic, chunk, names))
			if err != nil {
				return err
			}
			return readConfigs(answer, chunk, configs)
		})
		errs = append(errs, err)
	}
	return configs, errors.Join(errs...)
}

// BrokerConfig returns the effective settings of one reachable broker, defaults included; settings
// whose value the broker hides are left out.
func (c *Cluster) BrokerConfig(ctx context.Context) (map[string]string, error) {
	configs := make(map[string]map[string]string, 1)
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
	return configs[id], nil
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
func readConfigs(answer kmsg.Response, names []string, configs map[string]map[string]string) error {
	var errs []error
	answered := make(map[string]bool, len(names))
	for _, resource := range answer.(*kmsg.DescribeConfigsResponse).Resources {
		answered[resource.ResourceName] = true
		if resource.ErrorCode != 0 {
			errs = append(errs, fmt.Errorf("%s: %w", resource.ResourceName, Error{resource.ErrorCode}))
			continue
		}
		settings := make(map[string]string, len(resource.Configs))
		for _, config := range resource.Configs {
			if config.Value != nil {
				settings[config.Name] = *config.Value
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
