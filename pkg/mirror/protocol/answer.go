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
	Denied                  // a right or the topic is missing, and nothing was appended that is still there; try again slowly
)

// Kafka's error codes with a certain meaning (org.apache.kafka.common.protocol.Errors).
const (
	codeNone                   = 0
	codeUnknownTopicOrPart     = 3
	codeLeaderNotAvailable     = 5
	codeNotEnoughReplicas      = 19
	codeTopicAuthorization     = 29
	codeClusterAuthorization   = 31
	codeOutOfOrder             = 45
	codeDuplicateSequence      = 46
	codeInvalidProducerEpoch   = 47
	codeUnknownProducer        = 59
	codeProducerFenced         = 90
	codeUnknownTopicID         = 100
	codeThrottlingQuota        = 89
	codePolicyViolation        = 44
	codeTransactionalIDDenied  = 53
	codeCorruptMessage         = 2
	codeMessageTooLarge        = 10
	codeRecordListTooLarge     = 18
	codeInvalidTimestamp       = 32
	codeUnsupportedForFormat   = 43
	codeInvalidRecord          = 87
	codeUnsupportedCompression = 76
)

// Judge says what a Produce error code means. A code that is not known to be harmless is Uncertain: doubt is answered
// by the scan, never by a guess. NOT_LEADER and KAFKA_STORAGE_ERROR are uncertain too, because they also end a produce
// that was appended and then waited for replicas. DUPLICATE_SEQUENCE_NUMBER is no acknowledgement: it carries no offset
// and does not wait for replicas, so the log has to tell.
func Judge(code int16) Answer {
	switch code {
	case codeNone:
		return Done
	case codeNotEnoughReplicas, codeLeaderNotAvailable, codeThrottlingQuota:
		return Refused
	case codeOutOfOrder, codeUnknownProducer, codeDuplicateSequence:
		return Disorder
	case codeInvalidProducerEpoch, codeProducerFenced:
		return Fenced
	case codeTopicAuthorization, codeClusterAuthorization, codeTransactionalIDDenied, codeUnknownTopicID, codeUnknownTopicOrPart:
		return Denied
	case codeCorruptMessage, codeMessageTooLarge, codeRecordListTooLarge, codeInvalidTimestamp, codeUnsupportedForFormat,
		codeInvalidRecord, codeUnsupportedCompression, codePolicyViolation:
		return Rejected
	}
	return Uncertain
}
