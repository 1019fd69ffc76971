package status

import (
	"fmt"
	"strings"
	"time"

	"tributary/pkg/lag"
)

const (
	maxLineLinks   = 5                // in the line; the page has all
	worthTelling   = 10 * time.Second // behind; less is the normal course of things
	lineResolution = time.Second
)

// Line is what the process does, in one line for `systemctl status`: of each link its state, how many topics it has, and
// which of them is the furthest behind.
func (s *Server) Line() string {
	snapshot, err := s.current()
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, link := range snapshot.Links[:min(len(snapshot.Links), maxLineLinks)] {
		parts = append(parts, lineOf(link, snapshot.Time))
	}
	if more := len(snapshot.Links) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more links", more))
	}
	return strings.Join(parts, "; ")
}

func lineOf(link lag.Link, now time.Time) string {
	text := fmt.Sprintf("%s %s, %d topics", link.Name, link.State, len(link.Topics))
	var furthest *lag.Topic
	for i, topic := range link.Topics {
		if topic.ReplicatedThrough != nil && (furthest == nil || topic.ReplicatedThrough.Before(*furthest.ReplicatedThrough)) {
			furthest = &link.Topics[i]
		}
	}
	if furthest == nil {
		return text
	}
	if age := now.Sub(*furthest.ReplicatedThrough); age >= worthTelling {
		text += fmt.Sprintf(", %s %v behind", furthest.Topic, age.Truncate(lineResolution))
	}
	return text
}
