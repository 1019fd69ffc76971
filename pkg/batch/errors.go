package batch

import (
	"errors"
	"fmt"
)

var (
	// ErrIncomplete says that the bytes end inside a batch. Brokers cut the last batch of a Fetch response anywhere: it comes
	// whole with the next fetch, or, when nothing before it was complete, with a larger one.
	ErrIncomplete = errors.New("batch is cut off")
	// ErrLength says that a batch's length field cannot be true.
	ErrLength = errors.New("batch length is impossible")
	// ErrMagic is matched by every *MagicError.
	ErrMagic = errors.New("batch format is not v2")
	// ErrCRC says that a batch's bytes are not those its CRC32C was computed of.
	ErrCRC = errors.New("batch crc does not match")
	// ErrCodec is matched by every *CodecError.
	ErrCodec = errors.New("compression codec is unknown")
	// ErrCount says that a batch's record count and offset range contradict each other.
	ErrCount = errors.New("batch record count does not fit its offsets")
	// ErrRecord says that the records of a batch are not what its header announces.
	ErrRecord = errors.New("record is malformed")
	// ErrControl says that a control batch was given where only data can go, or data where only a control batch can.
	ErrControl = errors.New("batch is of the wrong kind, control or data")
	// ErrTooLarge says that a batch decompresses to more than the Recoder allows.
	ErrTooLarge = errors.New("batch decompresses to more than is allowed")
	// ErrPending says that what a Recoder holds has to be taken before the batch can be added.
	ErrPending = errors.New("pending records have to be taken first")
	// ErrEmpty says that a Recoder holds no record to take.
	ErrEmpty = errors.New("no records are pending")
)

// MagicError reports a batch in a format other than v2. errors.Is(err, ErrMagic) holds for it.
type MagicError struct {
	Magic int8 // the format found: 0 and 1 are those of Kafka before 0.11
}

func (e *MagicError) Error() string { return fmt.Sprintf("%v: magic %d", ErrMagic, e.Magic) }

// Unwrap returns ErrMagic.
func (e *MagicError) Unwrap() error { return ErrMagic }

// CodecError reports a compression codec this package does not know. errors.Is(err, ErrCodec) holds for it.
type CodecError struct {
	Codec Codec
}

func (e *CodecError) Error() string { return fmt.Sprintf("%v: %s", ErrCodec, e.Codec) }

// Unwrap returns ErrCodec.
func (e *CodecError) Unwrap() error { return ErrCodec }

// RecordTooLargeError reports a record that alone makes a batch larger than the destination takes.
type RecordTooLargeError struct {
	Offset int64 // the record's offset at the source
	Size   int   // bytes of a batch holding only this record, compressed as asked
	Limit  int   // bytes allowed
}

func (e *RecordTooLargeError) Error() string {
	return fmt.Sprintf("record at offset %d needs a batch of %d bytes, above the limit of %d", e.Offset, e.Size, e.Limit)
}
