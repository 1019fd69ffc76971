package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups returns the groups whose names begin with prefix, sorted, as their coordinators know them: every broker is
// asked. Brokers leave out what the caller may not DESCRIBE without a word, so a group named prefix itself is asked for
// too, which needs the same right on groups of that prefix: without it the error is GROUP_AUTHORIZATION_FAILED. On an error
// it returns those that could be seen.
func (c *Cluster) ListGroups(ctx context.Context, prefix string) ([]string, error) {
	var found []string
	err := c.call(ctx, "list groups "+prefix+"*", func(ctx context.Context) error {
		md, err := c.askMetadata(ctx, []string{})
		if err != nil {
			return err
		}
		found, err = c.listGroupsAt(ctx, slices.Collect(maps.Values(md.Brokers)), prefix)
		if err != nil {
			return err
		}
		return c.mayDescribeGroup(ctx, prefix)
	})
	return found, err
}

// listGroupsAt asks all the brokers at once: one that is silent does not take the others' time.
func (c *Cluster) listGroupsAt(ctx context.Context, addrs []string, prefix string) ([]string, error) {
	var wg sync.WaitGroup
	listed, errs := make([][]string, len(addrs)), make([]error, len(addrs))
	for i, addr := range addrs {
		wg.Go(func() {
			req := kmsg.NewPtrListGroupsRequest()
			req.SetVersion(4)
			answer, err := c.askAt(ctx, addr, req)
			if err != nil {
				errs[i] = fmt.Errorf("ask %s: %w", addr, err)
				return
			}
			groups := answer.(*kmsg.ListGroupsResponse)
			errs[i] = ErrorCode(groups.ErrorCode)
			for _, g := range groups.Groups {
				if strings.HasPrefix(g.Group, prefix) {
					listed[i] = append(listed[i], g.Group)
				}
			}
		})
	}
	wg.Wait()
	found := slices.Concat(listed...)
	slices.Sort(found)
	return slices.Compact(found), errors.Join(errs...)
}

// mayDescribeGroup returns an error if the group may not be described. Any broker checks that before anything else.
func (c *Cluster) mayDescribeGroup(ctx context.Context, group string) error {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.SetVersion(5)
	req.Groups = []string{group}
	answer, err := c.askAny(ctx, req)
	if err != nil {
		return err
	}
	for _, g := range answer.(*kmsg.DescribeGroupsResponse).Groups {
		if g.ErrorCode == codeGroupAuthorization {
			return Error{g.ErrorCode}
		}
	}
	return nil
}
