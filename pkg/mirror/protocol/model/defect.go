package model

// defect is one mistake that a mutant makes; the name says which. A rule's letter is that of the protocol document.
type defect uint64

const (
	noSlowStart         defect = 1 << iota // R4a: Run.Hot forced true for Next
	hotByError                             // R4a: a refusal counts as an acknowledgement
	windowThoughOld                        // R4b: Next asked as if nothing were in flight
	resendOld                              // R4b, R5: Unknown asked as if all were young
	resendCold                             // R5: Unknown asked as if hot
	blindResend                            // R5: both, and Next asked as if nothing were dirty
	keepConnection                         // R5: the scan does not close the connection first
	noGrace                                // R5: the calm scan does not wait for requests of before
	highestWins                            // R6: a hole is filled in before Tail.Add
	followerScan                           // R7: the scan ends anywhere below the watermark
	watermarkFromFetch                     // R7: the scan does not wait for ListOffsets after an election
	disorderIsRefusal                      // R8: OUT_OF_ORDER answered by the same again
	disorderIsAck                          // R8: OUT_OF_ORDER taken for "there already"
	otherContent                           // R9
	otherCut                               // R9: same records
	countCompacted                         // R10: a compacted source is treated as a plain one
	rereadCompacted                        // R9, R10: after doubt a compacted source is read again under the same epoch
	roundDown                              // resume at the source's batch, not the record
	noScan                                 // the scan begins at the end
	destIsWatermark                        // the saved destination offset is not the answer's
	saveUnacked                            // the position includes what is in flight
	newEpochOnPlain                        // a new epoch on each resume of a plain source
	notLeaderIsRefusal                     // NOT_LEADER taken for "surely not appended"
	leaseIgnored                           // L2: NeedsLease forced false
	leaseIgnoresOpening                    // L2
	leaseIgnoresIdle                       // L2
	leaseIgnoresAge                        // L2
	leaseIgnoresCold                       // L2: Run.Hot forced true for NeedsLease
	leaseBeforeDial                        // L2: the check that a new connection needs is made before it is open
	noIdleGrace                            // L2: a new owner does not wait the idle time out
	noLogEnd                               // W: the calm scan reads to the watermark
	noCalm                                 // D: Run.Dirty forced false for Next
	startsClean                            // D: a run starts, and goes on after doubt, clean
	fastScanCleans                         // D: any scan counts as a calm one
	neverCalmScan                          // ScanCalm after doubt replaced by ScanFast
	staysHot                               // doubt leaves Run.Hot
	ageByBatch                             // F: Ages.First forced false
	ownIdentity                            // I: producer id by whoever starts
	produceBeforeSave                      // I: ...which produces before it is saved
	baseIsWatermark                        // I: without a position the scan starts at my own watermark
	epochFromPosition                      // E1: the epoch after the saved one
	epochSavedFirst                        // E1: ...saved before the first produce
	startForgotten                         // E2: a position counts whatever its epoch
	noTruncationCheck                      // T
)
