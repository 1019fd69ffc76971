package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/pkg/api"
)

// poolLines tells of the pool of a link in a few lines, with those who mirror what this mirror does not; "" without a pool.
func poolLines(l api.Link, now time.Time) string {
	if l.Pool == nil {
		return ""
	}
	p := l.Pool
	var out strings.Builder
	unowned := unknown
	if p.Unowned != nil {
		unowned = strconv.Itoa(*p.Unowned)
	}
	fmt.Fprintf(&out, "POOL  %s  ZooKeeper %s for %s  %d members  leader %s  %d units here, %s without an owner", clean(l.Name), known(p.State), age(p.Since, now),
		p.Members, known(p.Leader), p.Owned, unowned)
	if p.Draining {
		out.WriteString("  draining")
	}
	out.WriteString("\n")
	for _, problem := range p.Problems {
		fmt.Fprintf(&out, "      %s\n", clean(problem))
	}
	others := map[string]int{}
	topics := 0
	for _, t := range l.Topics {
		if t.State == api.StateElsewhere {
			others[known(t.Owner)]++
			topics++
		}
	}
	if topics == 0 {
		return out.String()
	}
	var parts []string
	for _, owner := range slices.Sorted(maps.Keys(others)) {
		parts = append(parts, fmt.Sprintf("%s %d", owner, others[owner]))
	}
	fmt.Fprintf(&out, "      %d topics are mirrored by others (%s); see: mirror owners %s\n", topics, strings.Join(parts, ", "), clean(l.Name))
	return out.String()
}
