package verify

import "encoding/binary"

// canonicalVersion begins the canonical form; another form gets another number.
const canonicalVersion = 1

// appendCanonical appends the canonical form of a record: version, timestamp, key, value, number of headers, and each
// header in order. Null and empty differ. Different records have different forms. What a copy does not keep is left out:
// offset, producer, shape and compression of the batch, and whether the log or the producer set the timestamp.
func appendCanonical(dst []byte, r *record) ([]byte, error) {
	dst = append(dst, canonicalVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.timestamp))
	dst = appendNullable(dst, r.key)
	dst = appendNullable(dst, r.value)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.headerCount))
	return appendHeaders(dst, r)
}

// appendHeaders appends the canonical form of the headers.
func appendHeaders(dst []byte, r *record) ([]byte, error) {
	rest := r.headers
	for range r.headerCount {
		h, after, err := nextHeader(rest)
		if err != nil {
			return nil, err
		}
		rest = after
		dst = appendNullable(dst, h.key)
		dst = appendNullable(dst, h.value)
	}
	if len(rest) > 0 {
		return nil, errRecord
	}
	return dst, nil
}

// appendNullable appends a flag, the length and the bytes; of null only the flag.
func appendNullable(dst, value []byte) []byte {
	if value == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}
