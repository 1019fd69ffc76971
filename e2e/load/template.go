package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"
)

// templates are encoded batches, complete but for producer, sequence, times and
// checksum. Read-only once built.
type templates struct {
	full       []template
	last       template // the short batch at the very end, if any
	batches    int64    // in total, the short one included
	castagnoli *crc32.Table
}

type template struct {
	bytes      []byte
	records    int32
	valueBytes int64
}

const templateBytes = 16 << 20 // of values, uncompressed, over all templates

func newTemplates(spec FillSpec) (*templates, error) {
	codec, err := spec.Codec.option()
	if err != nil {
		return nil, err
	}
	compressor, err := kgo.DefaultCompressor(codec)
	if err != nil {
		return nil, fmt.Errorf("make compressor: %w", err)
	}
	t := &templates{castagnoli: crc32.MakeTable(crc32.Castagnoli)}
	perBatch := int64(spec.RecordsPerBatch)
	t.batches = (spec.Records + perBatch - 1) / perBatch
	count := min(t.batches, max(2, int64(templateBytes/(spec.RecordsPerBatch*max(spec.ValueBytes, 1)))))
	rng := rand.New(rand.NewPCG(mix(spec.Seed), 0))
	for range count {
		t.full = append(t.full, newTemplate(spec.RecordsPerBatch, spec.ValueBytes, rng, compressor))
	}
	if rest := spec.Records % perBatch; rest > 0 {
		t.last = newTemplate(int(rest), spec.ValueBytes, rng, compressor)
	}
	return t, nil
}

// newTemplate encodes one batch of format v2. No compressor means no codec.
func newTemplate(records, valueBytes int, rng *rand.Rand, compressor kgo.Compressor) template {
	var (
		t          = template{records: int32(records)}
		body       []byte
		one, value []byte
		noID       = func(b []byte) []byte { return appendHex(b, rng, 32) }
	)
	for i := range records {
		value = appendEvent(value[:0], noID, rng, valueBytes)
		t.valueBytes += int64(len(value))
		one = append(one[:0], 0)                 // attributes
		one = binary.AppendVarint(one, 0)        // all records have the batch's time
		one = binary.AppendVarint(one, int64(i)) // offset delta
		one = binary.AppendVarint(one, 16)
		one = appendHex(one, rng, 16) // key
		one = binary.AppendVarint(one, int64(len(value)))
		one = append(one, value...)
		one = binary.AppendVarint(one, 0) // headers
		body = binary.AppendVarint(body, int64(len(one)))
		body = append(body, one...)
	}
	packed, codec := body, kgo.CodecNone
	if compressor != nil {
		packed, codec = compressor.Compress(new(bytes.Buffer), body)
	}
	b := make([]byte, batchHeaderBytes, batchHeaderBytes+len(packed))
	b = append(b, packed...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchLengthEnd))
	binary.BigEndian.PutUint32(b[12:], 1<<32-1) // leader epoch -1
	b[batchMagicAt] = 2
	binary.BigEndian.PutUint16(b[21:], uint16(codec))
	binary.BigEndian.PutUint32(b[23:], uint32(records-1))
	binary.BigEndian.PutUint32(b[57:], uint32(records))
	t.bytes = b
	return t
}

// stamp fills in what was left open in b, a copy of a template.
func (t *templates) stamp(b []byte, producer int64, epoch int16, sequence int32, millis int64) {
	binary.BigEndian.PutUint64(b[27:], uint64(millis))
	binary.BigEndian.PutUint64(b[35:], uint64(millis))
	binary.BigEndian.PutUint64(b[43:], uint64(producer))
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], t.castagnoli))
}
