package protocol

// Answer is what a broker's error code for one batch says about that batch.
type Answer uint8

// Answers.
const (
	Done      Answer = iota // in the log of every in-sync replica, now or before
	Refused                 // surely not appended; the same batches may be sent again in order
	Uncertain               // appended or not: see Unknown
	Disorder                // see OutOfOrder
	Fenced                  // a newer epoch of this producer exists: someone else took over
	Rejected                // this batch will never be accepted as it is: the partition halts or rewrites it
	Denied                  // a right or the topic is missing; nothing was appended; wait for an operator
)

// Kafka's error codes that matter here (org.apache.kafka.common.protocol.Errors).
const (
	codeNone                   = 0
	codeUnknownTopicOrPart     = 3
	codeLeaderNotAvailable     = 5
	codeNotLeader              = 6
	codeRequestTimedOut        = 7
	codeNetworkException       = 13
	codeNotEnoughReplicas      = 19
	codeNotEnoughAfterAppend   = 20
	codeTopicAuthorization     = 29
	codeClusterAuthorization   = 31
	codeOutOfOrder             = 45
	codeDuplicateSequence      = 46
	codeInvalidProducerEpoch   = 47
	codeKafkaStorage           = 56
	codeUnknownProducer        = 59
	codeProducerFenced         = 90
	codeUnknownTopicID         = 100
	codeThrottlingQuota        = 89
	codePolicyViolation        = 44
	codeTransactionalIDDenied  = 53
	codeUnknownServerError     = -1
	codeCorruptMessage         = 2
	codeMessageTooLarge        = 10
	codeRecordListTooLarge     = 18
	codeInvalidTimestamp       = 32
	codeUnsupportedForFormat   = 43
	codeInvalidRecord          = 87
	codeUnsupportedCompression = 76
)

// Judge says what a Produce error code means. A code that is not known to be harmless is Uncertain: doubt is answered
// by the scan, never by a guess. NOT_LEADER is uncertain too, because it also ends a produce that was appended and then
// waited for replicas.
func Judge(code int16) Answer {
	switch code {
	case codeNone, codeDuplicateSequence:
		return Done
	case codeNotEnoughReplicas, codeLeaderNotAvailable, codeThrottlingQuota, codeKafkaStorage:
		return Refused
	case codeOutOfOrder, codeUnknownProducer:
		return Disorder
	case codeInvalidProducerEpoch, codeProducerFenced:
		return Fenced
	case codeTopicAuthorization, codeClusterAuthorization, codeTransactionalIDDenied, codeUnknownTopicID, codeUnknownTopicOrPart:
		return Denied
	case codeCorruptMessage, codeMessageTooLarge, codeRecordListTooLarge, codeInvalidTimestamp, codeUnsupportedForFormat,
		codeInvalidRecord, codeUnsupportedCompression, codePolicyViolation:
		return Rejected
	case codeNotLeader, codeRequestTimedOut, codeNetworkException, codeNotEnoughAfterAppend, codeUnknownServerError:
		return Uncertain
	}
	return Uncertain
}
