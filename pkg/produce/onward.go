package produce

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// Onward implements mirror.Sink. A position that cannot be read, or that does not tell where it leads, is passed over: it is
// of another tool or of an earlier version.
func (a admin) Onward(ctx context.Context, topics map[string][]int32) (map[string][]mirror.Onward, error) {
	groups, err := a.cluster.ListGroups(ctx, mirror.GroupPrefix)
	if err != nil {
		err = fmt.Errorf("look for mirrors that read from %s (needs DESCRIBE on the groups %s*): %w", a.cluster.Name(), mirror.GroupPrefix, err)
	}
	errs := []error{err}
	found := map[string][]mirror.Onward{}
	for _, group := range groups {
		offsets, err := a.cluster.FetchOffsets(ctx, group, topics)
		errs = append(errs, err)
		for topic, partitions := range offsets {
			for _, o := range partitions {
				_, to, err := protocol.ParsePosition(o.Next, o.LeaderEpoch, o.Metadata)
				lead := mirror.Onward{Group: group, To: to}
				if err == nil && to != (protocol.Place{}) && !slices.Contains(found[topic], lead) {
					found[topic] = append(found[topic], lead)
				}
			}
		}
	}
	return found, errors.Join(errs...)
}
