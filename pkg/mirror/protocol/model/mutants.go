package model

import "strings"

// mutant breaks one rule, or two that stand in for each other.
type mutant struct {
	name     string
	broken   defect
	change   func(*Config)
	where    []string // prefixes of the models tried; all plain ones when empty
	survives string   // why no model can notice; "" when one must
}

func mutants() []mutant {
	return append(append(sendMutants(), doubtMutants()...), ownerMutants()...)
}

func sendMutants() []mutant {
	return []mutant{
		{name: "R4a no slow start", broken: noSlowStart},
		{name: "R4a window reopened by an error", broken: hotByError},
		{name: "R4a hot kept through doubt", broken: staysHot, survives: "after an ack of this run only age makes the broker forget, and Next asks for age"},
		{name: "R4b window kept with old records", broken: windowThoughOld},
		{name: "R6 highest sequence wins", broken: highestWins, survives: "a detector: without a fault in R4a there is no hole to find"},
		{name: "R6 highest sequence wins, R4a no slow start", broken: highestWins | noSlowStart},
		{name: "R9 resend with other content", broken: otherContent, where: []string{"fresh"}},
		{name: "R9 resend cut otherwise, same records", broken: otherCut, where: []string{"fresh"}, survives: "refused with 45, then a scan: costs speed only"},
		{name: "R11 window above the broker's memory", change: func(c *Config) { c.Cache = 1 }, where: []string{"fresh"}, survives: "refused with 45, then a scan: costs speed only"},
		{name: "W calm scan to the watermark only", broken: noLogEnd},
		{name: "D no calm before old records", broken: noCalm},
		{name: "D a run starts clean", broken: startsClean},
		{name: "D a fast scan counts as calm", broken: fastScanCleans},
		{name: "F age by the batch, not its first record", broken: ageByBatch},
		{name: "position of batches in flight saved", broken: saveUnacked},
		{name: "destination offset = watermark, not the answer's", broken: destIsWatermark},
		{name: "T acked data lost, not checked", broken: noTruncationCheck, where: []string{"beyond/acked-lost-noticed"}},
		{name: "T destination recreated, not checked", broken: noTruncationCheck, where: []string{"beyond/recreated-noticed"}},
	}
}

func doubtMutants() []mutant {
	return []mutant{
		{name: "R5 blind resend always", broken: blindResend},
		{name: "R5 blind resend of old records, as far as Unknown goes", broken: resendOld, survives: "Next asks for the calm scan before the resend"},
		{name: "R5 blind resend before the first ack", broken: resendCold},
		{name: "R5 scan without closing the connection", broken: keepConnection},
		{name: "R5 grace omitted", broken: noGrace},
		{name: "R5 fast scan after doubt about old records", broken: neverCalmScan, survives: "Next asks for the calm scan before the next old batch"},
		{name: "R7 scan of a follower", broken: followerScan},
		{name: "R7 watermark from Fetch after an election", broken: watermarkFromFetch},
		{name: "R8 45 = resend for ever", broken: disorderIsRefusal},
		{name: "R8 45 = it is there already", broken: disorderIsAck},
		{name: "6 NOT_LEADER = surely not appended", broken: notLeaderIsRefusal},
		{name: "R10 compacted: count the tail", broken: countCompacted, where: []string{"compacted"}},
		{name: "R10 compacted: read again under the same epoch after doubt", broken: rereadCompacted, where: []string{"compacted"}},
		{name: "resume at the source batch, not the record", broken: roundDown},
		{name: "no scan on resume", broken: noScan},
		{name: "new epoch on resume of a plain topic", broken: newEpochOnPlain},
	}
}

func ownerMutants() []mutant {
	pool := []string{"careful/pool", "careful/idle-day", "careful/frozen"}
	return []mutant{
		{name: "L2 lease never checked", broken: leaseIgnored},
		{name: "L2 lease in careful only", broken: leaseIgnoresOpening | leaseIgnoresIdle, where: pool},
		{name: "L2 lease not checked for a new connection", broken: leaseIgnoresOpening, where: pool},
		{name: "L2 lease not checked after idling", broken: leaseIgnoresIdle, where: pool},
		{name: "L2 lease not checked for old records", broken: leaseIgnoresAge, where: pool},
		{name: "L2 lease not checked before the first ack", broken: leaseIgnoresCold, where: pool},
		{name: "L2 lease checked before the dial", broken: leaseBeforeDial, where: pool},
		{name: "L2 no idle wait by the new owner", broken: noIdleGrace, where: pool},
		{name: "I producer id by whoever starts", broken: ownIdentity},
		{name: "I ...and produces before it is saved", broken: ownIdentity | produceBeforeSave, where: []string{"fresh/first-start-alone"}},
		{name: "I base = my watermark", broken: baseIsWatermark},
		{name: "E1 epoch = saved + 1", broken: epochFromPosition, where: []string{"compacted"}},
		{name: "E1 epoch = saved + 1, saved first", broken: epochFromPosition | epochSavedFirst, where: []string{"compacted"}},
		{name: "E2 position of an older epoch counts", broken: startForgotten, where: []string{"compacted"}},
	}
}

// models are the models that m is tried on.
func (m mutant) models() []Config {
	var all []Config
	for _, c := range append(models(), beyond()...) {
		if m.tried(c) {
			c.Broken = m.broken
			if m.change != nil {
				m.change(&c)
			}
			all = append(all, c)
		}
	}
	return all
}

func (m mutant) tried(c Config) bool {
	if len(m.where) == 0 {
		return !c.Compacted && !strings.HasPrefix(c.Name, "beyond")
	}
	for _, prefix := range m.where {
		if strings.HasPrefix(c.Name, prefix) {
			return true
		}
	}
	return false
}
