package batch

import "encoding/binary"

// markerAbort is the type of a control record that ends a transaction without its records; 1 ends it with them.
const markerAbort = 0

// IsAbortMarker reports whether the control batch b ends a transaction by an abort. A commit, a type unknown to this package
// and a control batch that the log cleaner emptied are none. ErrControl says that b is not a control batch, ErrRecord
// that its record cannot be read (control batches are never compressed).
func (b Batch) IsAbortMarker() (abort bool, err error) {
	if !b.IsControl() {
		return false, ErrControl
	}
	if b.Count() == 0 {
		return false, nil
	}
	if b.Codec() != None {
		return false, ErrRecord
	}
	h, ok := readHead(b.Payload())
	if !ok {
		return false, ErrRecord
	}
	// The key is its length, a version of two bytes and the type of two bytes.
	key := b.Payload()[h.body:h.size]
	length, n := binary.Varint(key)
	if n <= 0 || length < 4 || int64(len(key)-n) < length {
		return false, ErrRecord
	}
	return binary.BigEndian.Uint16(key[n+2:]) == markerAbort, nil
}
