package batch

import (
	"encoding/binary"
	"hash/crc32"
)

// Producer is the identity a batch carries at the destination.
type Producer struct {
	ID    int64
	Epoch int16
}

// Verify compares the CRC32C in the header with the bytes it covers and returns ErrCRC when they differ.
func (b Batch) Verify() error {
	if crc32.Checksum(b[atAttributes:], castagnoli) != b.CRC() {
		return ErrCRC
	}
	return nil
}

// Reseal verifies the source's CRC32C and makes b a batch of p whose first record has the given sequence, ready to be produced.
// Of the attributes only the codec stays, as a producer may not set the others. ErrCRC leaves b untouched.
//
// The payload is read once: CRC32C is linear, so the new sum is the old one xor the change of the header's sum, carried across
// the payload's length.
func (b Batch) Reseal(p Producer, sequence int32) error {
	old := b.CRC()
	before := crc32.Checksum(b[atAttributes:HeaderLen], castagnoli)
	if crc32.Update(before, castagnoli, b[HeaderLen:]) != old {
		return ErrCRC
	}
	b.identify(p, sequence)
	after := crc32.Checksum(b[atAttributes:HeaderLen], castagnoli)
	binary.BigEndian.PutUint32(b[atCRC:], old^zeros.extend(before^after, len(b)-HeaderLen))
	return nil
}

// Seal makes a batch that Recoder.Take built a batch of p whose first record has the given sequence. It computes the CRC32C
// anew, so it must not be used on bytes that came from elsewhere: damage would be signed.
func (b Batch) Seal(p Producer, sequence int32) {
	b.identify(p, sequence)
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}

// identify writes every header field in which the sent batch differs from the fetched one, except the CRC.
func (b Batch) identify(p Producer, sequence int32) {
	binary.BigEndian.PutUint64(b[atBaseOffset:], 0)
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], 0xffffffff)
	binary.BigEndian.PutUint16(b[atAttributes:], b.Attributes()&codecMask)
	binary.BigEndian.PutUint64(b[atProducerID:], uint64(p.ID))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(b[atBaseSequence:], uint32(sequence))
}
