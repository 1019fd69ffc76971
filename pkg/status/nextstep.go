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
	switch p.Cause {
	case mirror.CauseTooLarge:
		return fmt.Sprintf("raise max.message.bytes of %s at %s, then start the mirror again", topic.Dest, link.To)
	case mirror.CauseRejected:
		return fmt.Sprintf("raise the limits of %s at %s that the error names, then start the mirror again", topic.Dest, link.To)
	case mirror.CauseWrongCluster:
		return fmt.Sprintf("correct the brokers of %s and %s in the configuration", link.From, link.To)
	case mirror.CauseBadRecord:
		return fmt.Sprintf("repair or remove the batch at %s, then start the mirror again", link.From)
	}
	return fmt.Sprintf("decide about %s/%d by %q in docs/operations.md, section What halts", topic.Topic, p.Partition, p.Cause)
}
