package model

import (
	"fmt"
	"strings"
)

// op is what happened in one step.
type op uint8

const (
	opStart op = iota
	opScan
	opCheck
	opCalm
	opLeave
	opSend
	opHandle
	opLate
	opReplicate
	opAnswer
	opTimeout
	opDoubt
	opShed
	opSave
	opSaved
	opCrash
	opHandover
	opElect
	opUnclean
	opRestart
	opForget
	opDay
	opClean
	opStoreLost
)

// action is one step with its particulars; the meaning of A and C depends on Op.
type action struct {
	Op   op
	I    int
	B    batch
	Res  result
	A, C uint8
	Calm bool
}

// String tells the step in words, as the README shows.
func (a action) String() string {
	who := string(rune('X' + a.I))
	switch a.Op {
	case opStart, opScan, opCheck, opCalm, opLeave, opSend, opAnswer, opTimeout, opDoubt, opShed, opSave, opSaved, opCrash, opHandover:
		return a.instance(who)
	case opHandle:
		if a.Res == appended {
			return fmt.Sprintf("broker has %s of %s at %d", a.B.Recs, who, a.A)
		}
		return fmt.Sprintf("broker: %s to %s's %s", a.Res, who, a.B.Recs)
	case opLate:
		if a.Res == appended {
			return fmt.Sprintf("LATE request lands: %v at %d", a.B, a.A)
		}
		return fmt.Sprintf("late request %v: %s", a.B, a.Res)
	case opReplicate:
		return fmt.Sprintf("high watermark %d", a.A)
	case opElect:
		return fmt.Sprintf("new leader, %d batches without an ack truncated, watermark behind by %d", a.A, a.C)
	case opUnclean:
		return "ACKED batches vanish (unclean election, or the topic is made anew)"
	case opRestart:
		return "broker restarts, knows only the last batch"
	case opForget:
		return "broker FORGETS the producer"
	case opDay:
		return "a day passes"
	case opClean:
		return fmt.Sprintf("source compaction removes %s", a.B.Recs)
	case opStoreLost:
		return "the identity store is LOST"
	}
	return "?"
}

func (a action) instance(who string) string {
	switch a.Op {
	case opStart:
		return fmt.Sprintf("%s starts at %c as producer %d, epoch %d", who, 'a'+a.A, a.B.Pid, a.B.Epoch)
	case opScan:
		if a.Calm {
			return fmt.Sprintf("%s scans to %d after the grace: next is %c", who, a.A, 'a'+a.C)
		}
		return fmt.Sprintf("%s scans to %d: next is %c", who, a.A, 'a'+a.C)
	case opCheck:
		return who + " checks its lease: valid"
	case opCalm:
		return who + " is to send old records: grace and scan first"
	case opLeave:
		return who + " may not send without its lease, closes"
	case opSend:
		return fmt.Sprintf("%s sends %v", who, a.B)
	case opAnswer:
		return fmt.Sprintf("%s gets %s for %s (%d requests left to a closed connection)", who, a.Res, a.B.Recs, a.C)
	case opTimeout:
		return fmt.Sprintf("%s times out, closes (%d requests still under way)", who, a.C)
	case opDoubt:
		return who + " times out, keeps the connection open"
	case opShed:
		return fmt.Sprintf("%s sheds its window, closes (%d requests still under way)", who, a.C)
	case opSave:
		return fmt.Sprintf("%s saves position %c", who, 'a'+a.A)
	case opSaved:
		return fmt.Sprintf("group holds %s's position %c (epoch %d)", who, 'a'+a.A, a.B.Epoch)
	case opCrash:
		return fmt.Sprintf("%s is killed (%d requests still under way)", who, a.C)
	case opHandover:
		return "lease goes to " + who
	}
	return "?"
}

// String is the answer's name.
func (r result) String() string {
	switch r {
	case appended:
		return "OK"
	case outOfOrder:
		return "OUT_OF_ORDER"
	case refused:
		return "NOT_ENOUGH_REPLICAS"
	case fenced:
		return "INVALID_EPOCH"
	case lost:
		return "NOT_LEADER"
	}
	return "-"
}

// String names the records by letters.
func (r recs) String() string {
	var b strings.Builder
	for i := range 8 {
		if r>>i&1 == 1 {
			b.WriteByte(byte('a' + i))
		}
	}
	return b.String()
}

// String shows records, producer, epoch, and sequence.
func (b batch) String() string {
	return fmt.Sprintf("%s(p%d e%d s%d)", b.Recs, b.Pid, b.Epoch, b.Seq)
}

// logString shows the log as records per batch, a bar where the high watermark is.
func (s *state) logString() string {
	var b strings.Builder
	for i := range s.Len {
		if i == s.HW {
			b.WriteString("| ")
		}
		fmt.Fprintf(&b, "%s ", s.Log[i].Recs)
	}
	if s.HW == s.Len {
		b.WriteString("|")
	}
	return strings.TrimSpace(b.String())
}
