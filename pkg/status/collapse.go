package status

import "tributary/pkg/lag"

const (
	// DefaultMaxTopics is how many topics of a link have series of their own where nothing else is said.
	DefaultMaxTopics = 200
	// otherTopic is the label of all further topics together. A topic of that very name is one of them.
	otherTopic = "_other"
)

// Series says how many series the metrics may have.
type Series struct {
	MaxTopics  int  // topics of a link with series of their own; 0: DefaultMaxTopics
	Partitions bool // a few series of each of their partitions too
}

type nameSet map[string]struct{}

// collapse returns the topics to show series of, and how many of the link's are together in the last one. A topic that
// has series of its own keeps them while it exists here: a counter must not change its meaning. Topics without partitions
// here that are another member's, or nobody's, have no series: what there is to say of them the owner says.
func (c *collector) collapse(link *lag.Link) (shown []lag.Topic, collapsed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, now := c.named[link.Name], nameSet{}
	here := make([]lag.Topic, 0, len(link.Topics))
	for _, t := range link.Topics {
		if !t.Away {
			here = append(here, t)
		}
	}
	for _, t := range here {
		if _, ok := was[t.Topic]; ok {
			now[t.Topic] = struct{}{}
		}
	}
	var others []lag.Topic
	for _, t := range here {
		if _, ok := now[t.Topic]; !ok && (len(now) >= c.maxTopics || t.Topic == otherTopic) {
			others = append(others, t)
			continue
		}
		now[t.Topic] = struct{}{}
		shown = append(shown, t)
	}
	c.named[link.Name] = now
	if len(others) > 0 {
		shown = append(shown, lag.Sum(otherTopic, others))
	}
	return shown, len(others)
}
