package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerReady asks the broker at addr, and nobody else, for its view: it must list itself, which it does once it is
// unfenced and has that in its own metadata, at least peers brokers, and a controller.
func brokerReady(addr string, id int32) func(context.Context, int) error {
	return func(ctx context.Context, peers int) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DialTimeout(time.Second))
		if err != nil {
			return fmt.Errorf("make a client: %w", err)
		}
		defer client.Close()
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = []kmsg.MetadataRequestTopic{} // none; nil would be all
		answer, err := client.SeedBrokers()[0].Request(ctx, request)
		if err != nil {
			return fmt.Errorf("ask broker %d for metadata: %w", id, err)
		}
		return checkView(answer.(*kmsg.MetadataResponse), id, peers)
	}
}

func checkView(view *kmsg.MetadataResponse, id int32, peers int) error {
	ids := make([]int32, len(view.Brokers))
	for i, b := range view.Brokers {
		ids[i] = b.NodeID
	}
	switch {
	case !slices.Contains(ids, id):
		return fmt.Errorf("broker %d knows %v, not itself", id, ids)
	case len(ids) < peers:
		return fmt.Errorf("broker %d knows %v, want %d brokers", id, ids, peers)
	case view.ControllerID < 0:
		return fmt.Errorf("broker %d knows no controller", id)
	}
	return nil
}
