package pool

import (
	"time"

	"tributary/pkg/ownership/plan"
	"tributary/pkg/ownership/znode"
)

// blindAfter is for how long a member may not see a planned topic before the topic goes to others: catalogues are some seconds
// old, and not all of them equally.
const blindAfter = 30 * time.Second

// sight is a topic as a member sees it or not.
type sight struct{ member, topic string }

// markBlind says of each member which of the planned topics it does not see.
func (m *member) markBlind(members []plan.Member) {
	now, was := time.Now(), m.life.lead.blind
	m.life.lead.blind = map[sight]time.Time{}
	for i := range members {
		sees := m.seenBy(members[i].Name)
		if sees == nil {
			continue
		}
		members[i].Blind = map[string]bool{}
		for topic := range m.life.plan.plan.Partitions {
			if sees[topic] > 0 {
				continue
			}
			at := sight{members[i].Name, topic}
			since, ok := was[at]
			if !ok {
				since = now
			}
			m.life.lead.blind[at] = since
			members[i].Blind[topic] = now.Sub(since) >= blindAfter
		}
	}
}

// seenBy returns the topics that a member sees, nil where it has not said.
func (m *member) seenBy(name string) map[string]int {
	if name == m.life.self {
		return m.offered
	}
	if e := m.life.reports.entries[name]; e != nil {
		r, _ := e.content.(znode.Report)
		return r.Topics
	}
	return nil
}
