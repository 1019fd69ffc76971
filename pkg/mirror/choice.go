package mirror

import "errors"

// Where says at which source offset a halted partition is to go on.
type Where uint8

// Places to go on at.
const (
	AfterLoss Where = iota // behind what is lost: each cause has its place
	Beginning              // the source's first record, whatever the destination has already
	AtOffset               // Choice.Offset
)

// Choice is an operator's decision about a halted partition.
type Choice struct {
	Where  Where
	Offset int64 // of AtOffset
}

// Skipped is what a skip did.
type Skipped struct {
	Topic     string // at the source
	Partition int32
	Cause     Cause
	Loss      Loss  // as it was when it was accepted
	ResumesAt int64 // source offset
}

// Why a skip is refused. Nothing was changed then.
var (
	ErrUnknownPartition = errors.New("the link does not mirror this partition")
	ErrNotHalted        = errors.New("the partition is not halted")
	ErrOutOfRange       = errors.New("the source does not have this offset")
	ErrNoPlace          = errors.New("where to go on cannot be known: choose the beginning or an offset")
)
