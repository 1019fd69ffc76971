package status

import (
	"fmt"

	"tributary/pkg/api"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// choices is what can be done about a halted partition, the usual first; none for one that is not halted. Where nothing
// need be lost, that stands before giving anything up.
func choices(link lag.Link, topic lag.Topic, p lag.Partition) []api.Choice {
	if p.State != mirror.StateHalted {
		return nil
	}
	skip := fmt.Sprintf("mirror skip %s %s/%d --i-accept-loss", link.Name, topic.Topic, p.Partition)
	accept := way(skip, accepted(link, p))
	beginning := way(skip+" --from beginning", fmt.Sprintf("copies all that %s still has of it; what %s has already is then there twice", link.From, link.To))
	offset := way(skip+" --to OFFSET", fmt.Sprintf("goes on at OFFSET of %s: a later one passes records over, an earlier one copies records again", link.From))
	switch p.Cause {
	case mirror.CauseWrongCluster:
		return []api.Choice{way(fmt.Sprintf("correct the brokers of %s and %s in the configuration, then start the mirror again", link.From, link.To),
			"nothing is lost, if the address was wrong"), accept, beginning, offset}
	case mirror.CauseTooLarge:
		return []api.Choice{way(fmt.Sprintf("raise max.message.bytes of %s at %s, then start the mirror again", topic.Dest, link.To), "the record is copied"), accept, offset}
	case mirror.CauseRejected:
		return []api.Choice{way(fmt.Sprintf("raise the limits of %s at %s that the error names, then start the mirror again", topic.Dest, link.To), "the records are copied"), accept, offset}
	case mirror.CauseBadRecord:
		return []api.Choice{way(fmt.Sprintf("repair or remove the batch at %s, then start the mirror again", link.From), "what can be read is copied"), accept, offset}
	case mirror.CauseDestinationTruncated:
		if again := firstLost(p); again >= 0 {
			offset = way(fmt.Sprintf("%s --to %d", skip, again), fmt.Sprintf("copies again from the first record that %s lost, as far as %s still has it", link.To, link.From))
			return []api.Choice{offset, accept, beginning}
		}
	case mirror.CausePositionLost:
		return []api.Choice{offset, accept, beginning}
	}
	return []api.Choice{accept, beginning, offset}
}

// way is a choice of a command, or of a step elsewhere, with what comes of it.
func way(command, effect string) api.Choice { return api.Choice{Command: command, Effect: effect} }

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
