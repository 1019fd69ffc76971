package batch

import "encoding/binary"

// minLength is the smallest value of the length field of a v2 batch: the header without records.
const minLength = HeaderLen - lengthFrom

// Split takes the first batch off the records of a Fetch response. Both results alias records, first with its capacity
// clipped. On an error first is nil and rest is records: ErrIncomplete when records end before the batch does (also when there
// is nothing left), a *MagicError for formats other than v2, ErrLength for a length no v2 batch has. The CRC is not checked.
func Split(records []byte) (first Batch, rest []byte, err error) {
	if len(records) <= atMagic {
		return nil, records, ErrIncomplete
	}
	if magic := int8(records[atMagic]); magic != magicV2 {
		return nil, records, &MagicError{Magic: magic}
	}
	length := int(int32(binary.BigEndian.Uint32(records[atLength:])))
	if length < minLength {
		return nil, records, ErrLength
	}
	// Compared on this side, as lengthFrom+length may not fit an int of 32 bits.
	if length > len(records)-lengthFrom {
		return nil, records, ErrIncomplete
	}
	end := lengthFrom + length
	return Batch(records[:end:end]), records[end:], nil
}
