package status

import (
	"fmt"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// choice is one thing that can be done about a halted partition: a command line or a step elsewhere, and what comes of it.
type choice struct {
	Command string `json:"command"`
	Effect  string `json:"effect"`
}

// choices is what can be done about a halted partition, the usual first; none for one that is not halted. Where nothing
// need be lost, that stands before giving anything up.
func choices(link lag.Link, topic lag.Topic, p lag.Partition) []choice {
	if p.State != mirror.StateHalted {
		return nil
	}
	skip := fmt.Sprintf("mirror skip %s %s/%d --i-accept-loss", link.Name, topic.Topic, p.Partition)
	accept := choice{skip, accepted(link, p)}
	beginning := choice{skip + " --from beginning", fmt.Sprintf("copies all that %s still has of it; what %s has already is then there twice", link.From, link.To)}
	offset := choice{skip + " --to OFFSET", fmt.Sprintf("goes on at OFFSET of %s: a later one passes records over, an earlier one copies records again", link.From)}
	switch p.Cause {
	case mirror.CauseWrongCluster:
		return []choice{{fmt.Sprintf("correct the brokers of %s and %s in the configuration, then start the mirror again", link.From, link.To),
			"nothing is lost, if the address was wrong"}, accept, beginning, offset}
	case mirror.CauseTooLarge:
		return []choice{{fmt.Sprintf("raise max.message.bytes of %s at %s, then start the mirror again", topic.Dest, link.To), "the record is copied"}, accept, offset}
	case mirror.CauseRejected:
		return []choice{{fmt.Sprintf("raise the limits of %s at %s that the error names, then start the mirror again", topic.Dest, link.To), "the records are copied"}, accept, offset}
	case mirror.CauseBadRecord:
		return []choice{{fmt.Sprintf("repair or remove the batch at %s, then start the mirror again", link.From), "what can be read is copied"}, accept, offset}
	case mirror.CauseDestinationTruncated:
		if again := firstLost(p); again >= 0 {
			offset = choice{fmt.Sprintf("%s --to %d", skip, again), fmt.Sprintf("copies again from the first record that %s lost, as far as %s still has it", link.To, link.From)}
			return []choice{offset, accept, beginning}
		}
	case mirror.CausePositionLost:
		return []choice{offset, accept, beginning}
	}
	return []choice{accept, beginning, offset}
}

// accepted says what accepting the loss does, by cause.
func accepted(link lag.Link, p lag.Partition) string {
	switch p.Cause {
	case mirror.CauseRetention:
		return fmt.Sprintf("goes on at the first record that %s still has; what is lost never arrives", link.From)
	case mirror.CauseTruncated:
		return fmt.Sprintf("goes on where the logs part, so that all of %s's present log arrives; %s keeps what it has in excess", link.From, link.To)
	case mirror.CauseSourceRecreated:
		return "copies the new topic from its first record; what the old one still had never arrives"
	case mirror.CauseDestinationTruncated, mirror.CauseDestinationRecreated:
		return fmt.Sprintf("goes on behind what was acknowledged; what %s lost stays lost", link.To)
	case mirror.CauseTooLarge, mirror.CauseBadRecord, mirror.CauseRejected:
		return "passes over exactly what the error names, and goes on behind it"
	case mirror.CauseWrongCluster:
		return "takes the clusters as they are now; what only the old ones had never arrives"
	case mirror.CausePositionLost:
		return "goes on where it should if the source's log had no gaps, as the error says; records may be missing or there twice"
	}
	return fmt.Sprintf("goes on behind what %s has; what its log lacks before that stays lost", link.To)
}

// firstLost returns the offset of the first lost record, -1 when it is not known.
func firstLost(p lag.Partition) int64 {
	if p.Loss == nil {
		return -1
	}
	return p.Loss.From
}

// nextStep is the usual thing to do about a halted partition, "" for one that is not.
func nextStep(link lag.Link, topic lag.Topic, p lag.Partition) string {
	if all := choices(link, topic, p); len(all) > 0 {
		return all[0].Command
	}
	return ""
}
