package batch

import (
	"encoding/binary"
	"hash/crc32"
)

// Build returns an uncompressed batch of records, which must not be none, as a producer without idempotence sends it. Their
// offsets do not matter: the broker that takes it gives new ones.
func Build(records []Record) Batch {
	p := piece{count: len(records), base: records[0].Timestamp, newest: records[0].Timestamp}
	for i, r := range records {
		p.newest = max(p.newest, r.Timestamp)
		body := []byte{0} // attributes
		body = binary.AppendVarint(body, r.Timestamp-p.base)
		body = binary.AppendVarint(body, int64(i))
		body = appendNullable(appendNullable(body, r.Key), r.Value)
		body = binary.AppendVarint(body, int64(len(r.Headers)))
		for _, h := range r.Headers {
			body = append(binary.AppendVarint(body, int64(len(h.Key))), h.Key...)
			body = appendNullable(body, h.Value)
		}
		p.records = append(binary.AppendVarint(p.records, int64(len(body))), body...)
	}
	b := Batch(append(make([]byte, HeaderLen), p.records...))
	writeHeader(b, None, p)
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
	return b
}

// appendNullable appends a field behind its length, -1 for nil.
func appendNullable(dst, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(field))), field...)
}
