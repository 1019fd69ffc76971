package batch

import "fmt"

// Class is the way a batch may travel.
type Class uint8

// The classes. The zero value is the safe one.
const (
	// Halt means that the batch cannot be carried without loss or change: its partition stops there.
	Halt Class = iota
	// Drop means that the batch holds nothing to copy, so the position moves past it.
	Drop
	// Raw means that Reseal makes it ready as it is.
	Raw
	// Recode means that its records have to go through a Recoder.
	Recode
)

// classNames are the names String returns.
var classNames = [...]string{Halt: "halt", Drop: "drop", Raw: "raw", Recode: "recode"}

// String returns the class in lower case.
func (c Class) String() string {
	if int(c) >= len(classNames) {
		return fmt.Sprintf("class(%d)", uint8(c))
	}
	return classNames[c]
}

// Limits is what a batch is held against.
type Limits struct {
	From                     int64 // first source offset wanted; records below it were copied before
	MaxBytes                 int   // the destination topic's max.message.bytes, 0 = no limit
	DestinationLogAppendTime bool  // the destination topic stamps records itself
	Compress                 Codec // the codec to arrive with when Recompress is set
	Recompress               bool  // batches in any codec other than Compress are recoded
}

// Classify says how b may travel, from its header alone. It neither checks the CRC, which Reseal and Recoder.Add do, nor knows
// of aborted transactions. The error is set exactly for Halt: a *CodecError for an unknown codec, ErrCount for a record count
// that contradicts the offset range.
func (b Batch) Classify(l Limits) (Class, error) {
	count, span := int64(b.Count()), int64(b.LastOffsetDelta())+1
	switch {
	case count < 0 || count > span || count == 0 && len(b) > HeaderLen:
		return Halt, fmt.Errorf("%w: %d records in %d offsets", ErrCount, count, span)
	case b.IsControl(): // clients may not write them
		return Drop, nil
	case count == 0: // what the log cleaner leaves of a batch to remember its producer
		return Drop, nil
	case b.NextOffset() <= l.From:
		return Drop, nil
	case !b.Codec().known():
		return Halt, &CodecError{Codec: b.Codec()}
	case !b.Dense(): // a raw copy is refused, or worse, accepted with overlapping offsets
		return Recode, nil
	case b.BaseOffset() < l.From: // starts before the wanted offset
		return Recode, nil
	case b.LogAppendTime() && !l.DestinationLogAppendTime: // record times must become the append time
		return Recode, nil
	case l.MaxBytes > 0 && len(b) > l.MaxBytes:
		return Recode, nil
	case l.Recompress && b.Codec() != l.Compress:
		return Recode, nil
	}
	return Raw, nil
}
