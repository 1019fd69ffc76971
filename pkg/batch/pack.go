package batch

import (
	"fmt"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// zstdWindow is the reach of the encoder's matches, and most of what it holds in memory. Batches are hardly ever larger.
const zstdWindow = 1 << 20

// packer compresses records. Its encoders are made when first needed and reused. None adds a checksum of its own, as the batch
// has one.
type packer struct {
	out sliceWriter

	gzip *gzip.Writer
	lz4  *lz4.Writer
	zstd *zstd.Encoder
}

// pack appends records to dst, compressed with c.
func (p *packer) pack(dst []byte, c Codec, records []byte) ([]byte, error) {
	switch c {
	case None:
		return append(dst, records...), nil
	case Gzip:
		return p.packGzip(dst, records)
	case Snappy:
		return packSnappy(dst, records), nil
	case LZ4:
		return p.packLZ4(dst, records)
	case Zstd:
		return p.packZstd(dst, records)
	}
	return nil, &CodecError{Codec: c}
}

func (p *packer) packGzip(dst, records []byte) ([]byte, error) {
	if p.gzip == nil {
		p.gzip = gzip.NewWriter(nil)
	}
	p.out.buf = dst
	p.gzip.Reset(&p.out)
	if _, err := p.gzip.Write(records); err != nil {
		return nil, err
	}
	if err := p.gzip.Close(); err != nil {
		return nil, err
	}
	return p.out.release(), nil
}

// packSnappy writes one bare block. Java's SnappyInputStream, librdkafka, sarama and franz-go all read it beside the xerial
// framing, and it is the smaller form.
func packSnappy(dst, records []byte) []byte {
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(records)))
	block := s2.EncodeSnappy(dst[len(dst):cap(dst)], records) // in place, as there is room
	return dst[:len(dst)+len(block)]
}

func (p *packer) packLZ4(dst, records []byte) ([]byte, error) {
	if p.lz4 == nil {
		w := lz4.NewWriter(nil)
		// Small blocks, as the Java client writes them: readers allocate a whole block however short the batch.
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
			return nil, fmt.Errorf("set up the encoder: %w", err)
		}
		p.lz4 = w
	}
	p.out.buf = dst
	p.lz4.Reset(&p.out)
	if _, err := p.lz4.Write(records); err != nil {
		return nil, err
	}
	if err := p.lz4.Close(); err != nil {
		return nil, err
	}
	return p.out.release(), nil
}

func (p *packer) packZstd(dst, records []byte) ([]byte, error) {
	if p.zstd == nil {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, fmt.Errorf("make an encoder: %w", err)
		}
		p.zstd = e
	}
	return p.zstd.EncodeAll(records, dst), nil
}

// sliceWriter appends what is written to buf; it cannot fail.
type sliceWriter struct {
	buf []byte
}

// Write implements io.Writer.
func (w *sliceWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// release returns the written bytes and forgets them.
func (w *sliceWriter) release() []byte {
	buf := w.buf
	w.buf = nil
	return buf
}
