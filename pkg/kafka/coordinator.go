package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// askCoordinator sends req to the group's coordinator, which it finds and remembers. When the broker
// cannot be reached the next call looks again.
func (c *Cluster) askCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	addr, err := c.coordinator(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("find coordinator: %w", err)
	}
	answer, err := c.askAt(ctx, addr, req)
	if err != nil {
		c.forgetCoordinator(group)
	}
	return answer, err
}

// checkCoordinator returns code as an error if it says that the group's coordinator is elsewhere or
// not ready, and lets the next call look again.
func (c *Cluster) checkCoordinator(group string, code int16) error {
	switch code {
	case codeCoordinatorLoading, codeCoordinatorNotAvailable, codeNotCoordinator:
		c.forgetCoordinator(group)
		return Error{code}
	}
	return nil
}

func (c *Cluster) coordinator(ctx context.Context, group string) (string, error) {
	c.mu.Lock()
	addr, ok := c.coordinators[group]
	c.mu.Unlock()
	if ok {
		return addr, nil
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(3) // from 4 on a request is about several groups
	req.CoordinatorKey = group
	answer, err := c.askAny(ctx, req)
	if err != nil {
		return "", err
	}
	found := answer.(*kmsg.FindCoordinatorResponse)
	if found.ErrorCode != 0 {
		return "", explain(found.ErrorCode, found.ErrorMessage)
	}
	addr = hostPort(found.Host, found.Port)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coordinators[group] = addr
	return addr, nil
}

func (c *Cluster) forgetCoordinator(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coordinators, group)
}
