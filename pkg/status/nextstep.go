package status

import (
	"fmt"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// nextStep is what to do about a halted partition, "" for one that is not.
func nextStep(link lag.Link, topic lag.Topic, p lag.Partition) string {
	if p.State != mirror.StateHalted {
		return ""
	}
	skip := fmt.Sprintf("mirror skip %s %s/%d --i-accept-loss", link.Name, topic.Topic, p.Partition)
	switch p.Cause {
	case mirror.CauseRetention, mirror.CauseTruncated, mirror.CauseBadRecord:
		return skip
	case mirror.CauseTooLarge:
		return fmt.Sprintf("raise max.message.bytes of %s at %s, or: %s", topic.Dest, link.To, skip)
	case mirror.CauseWrongCluster:
		return fmt.Sprintf("correct the brokers of %s and %s in the configuration", link.From, link.To)
	}
	return "mirror doctor " + link.Name
}
