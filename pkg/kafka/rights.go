package kafka

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Right is an operation that a user may be allowed, by its number in Kafka's protocol.
type Right int8

// Rights that a mirror needs.
const (
	RightRead            Right = 3
	RightWrite           Right = 4
	RightCreate          Right = 5
	RightAlter           Right = 7
	RightDescribe        Right = 8
	RightDescribeConfigs Right = 10
	RightAlterConfigs    Right = 11
)

// String is the right as Kafka names it.
func (r Right) String() string {
	return map[Right]string{RightRead: "READ", RightWrite: "WRITE", RightCreate: "CREATE", RightAlter: "ALTER", RightDescribe: "DESCRIBE",
		RightDescribeConfigs: "DESCRIBE_CONFIGS", RightAlterConfigs: "ALTER_CONFIGS"}[r]
}

// Rights are those that the user has on something. What the broker does not tell is not known.
type Rights int32

// Lacks says that the right is missing. Who may not DESCRIBE would not have been told anything: so a set without it is none.
func (r Rights) Lacks(right Right) bool {
	return r >= 0 && r&(1<<RightDescribe) != 0 && r&(1<<right) == 0
}

// TopicRights asks any broker what the user may do with each topic. Topics that are not there are missing from the result.
func (c *Cluster) TopicRights(ctx context.Context, topics []string) (map[string]Rights, error) {
	rights := make(map[string]Rights, len(topics))
	for chunk := range slices.Chunk(topics, configsPerRequest) {
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(12)
		req.IncludeTopicAuthorizedOperations = true
		for _, topic := range chunk {
			wanted := kmsg.NewMetadataRequestTopic()
			wanted.Topic = &topic
			req.Topics = append(req.Topics, wanted)
		}
		err := c.call(ctx, "read the rights on topics", func(ctx context.Context) error {
			answer, err := c.askAny(ctx, req)
			if err != nil {
				return err
			}
			for _, t := range answer.(*kmsg.MetadataResponse).Topics {
				if t.Topic != nil && t.ErrorCode == 0 {
					rights[*t.Topic] = Rights(t.AuthorizedOperations)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return rights, nil
}
