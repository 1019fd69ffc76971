package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// twinsAfter is for how long two members of one instance may be there together before that is a mistake: a process that was
// started anew may meet the node of the one before, until that one's session ends.
const twinsAfter = 90 * time.Second

// checkTwins warns of members that share an instance name. They work as any others do; but pins are of instances, and so is
// the limit on evictions.
func (m *member) checkTwins() {
	live := map[string][]string{} // by instance: incarnations
	for _, name := range slices.Sorted(maps.Keys(m.life.members.entries)) {
		if content, ok := m.memberOf(name); ok {
			live[content.Instance] = append(live[content.Instance], name)
		}
	}
	var found []string
	for _, instance := range slices.Sorted(maps.Keys(live)) {
		if names := live[instance]; len(names) > 1 && m.ripe(m.together(names).Add(twinsAfter)) {
			found = append(found, fmt.Sprintf("%s (%s)", instance, strings.Join(names, ", ")))
		}
	}
	var err error
	if len(found) > 0 {
		err = fmt.Errorf("several members have one instance name: %s; give each a name of its own, as pins and evictions go by it", strings.Join(found, "; "))
	}
	m.trouble("look at the members", err)
}

// together returns since when this member knows two of these.
func (m *member) together(names []string) time.Time {
	seen := make([]time.Time, len(names))
	for i, name := range names {
		seen[i] = m.life.since[name]
	}
	slices.SortFunc(seen, time.Time.Compare)
	return seen[1]
}
