package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// newClient returns a client that notices moved leaders quickly and keeps
// asking brokers that are away.
func newClient(seeds []string, opts ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID("load"),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.DialTimeout(5 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
		kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("open client for %v: %w", seeds, err)
	}
	return client, nil
}

// pause waits for d, or until ctx ends and then returns why it did.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// permanent tells whether err is a broker's answer that trying again will not
// change. Lost connections and elections are not.
func permanent(err error) bool {
	var refusal *kerr.Error
	return errors.As(err, &refusal) && !refusal.Retriable && !errors.Is(err, kerr.UnknownServerError)
}
