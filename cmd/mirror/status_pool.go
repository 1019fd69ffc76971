package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// elsewhere is the state of a topic that another member of the pool mirrors. That member knows how it fares.
const elsewhere = "elsewhere"

// poolStatus is what the status tells of the pool of a link.
type poolStatus struct {
	State    string     `json:"state"`
	Since    *time.Time `json:"since"`
	Leader   string     `json:"leader"`
	Members  int        `json:"members"`
	Owned    int        `json:"owned"`
	Unowned  *int       `json:"unowned"`
	Draining bool       `json:"draining"`
	Problems []string   `json:"problems"`
}

// poolLines tells of the pool of a link in a few lines, with those who mirror what this mirror does not; "" without a pool.
func (l linkStatus) poolLines(now time.Time) string {
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
		if t.State == elsewhere {
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
