package mirror

// Cause names why a partition is halted. The same word stands in the status, the metrics, the events and the log.
type Cause string

// Causes.
const (
	CauseRetention            Cause = "retention"             // the source's log begins behind the next offset
	CauseTruncated            Cause = "truncated"             // the source's log was cut; its offsets may be in use again
	CauseSourceRecreated      Cause = "source_recreated"      // the source topic was deleted and made anew
	CauseDestinationTruncated Cause = "destination_truncated" // the destination lost acknowledged records
	CauseDestinationRecreated Cause = "destination_recreated" // the destination topic was deleted and made anew
	CauseWrongCluster         Cause = "wrong_cluster"         // another cluster answers, on either side
	CausePositionLost         Cause = "position_lost"         // where the partition stands cannot be proven
	CauseSequenceHole         Cause = "sequence_hole"         // the destination's log contradicts what was sent
	CauseBadRecord            Cause = "bad_record"            // the source's bytes cannot be read
	CauseTooLarge             Cause = "too_large"             // a record is larger than the destination accepts
	CauseRejected             Cause = "rejected"              // the destination refuses records for good
)

// Causes returns every cause.
func Causes() []Cause {
	return []Cause{CauseRetention, CauseTruncated, CauseSourceRecreated, CauseDestinationTruncated, CauseDestinationRecreated,
		CauseWrongCluster, CausePositionLost, CauseSequenceHole, CauseBadRecord, CauseTooLarge, CauseRejected}
}

// SkipReason says why records were passed over.
type SkipReason string

// Reasons for passing records over.
const (
	SkipOperator          SkipReason = "operator" // Link.Skip
	SkipCorrupt           SkipReason = "corrupt"
	SkipOversize          SkipReason = "oversize"
	SkipTimestampRejected SkipReason = "timestamp_rejected"
	SkipNullKey           SkipReason = "null_key"
	SkipUnknownFormat     SkipReason = "unknown_format"
	SkipDecompression     SkipReason = "decompression"
	SkipRejected          SkipReason = "rejected" // by the destination, for none of the other reasons
)

// SkipReasons returns every reason.
func SkipReasons() []SkipReason {
	return []SkipReason{SkipOperator, SkipCorrupt, SkipOversize, SkipTimestampRejected, SkipNullKey, SkipUnknownFormat, SkipDecompression, SkipRejected}
}
