package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec is a compression codec by its number in batches.
type codec uint8

// The codecs of Kafka.
const (
	codecNone codec = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

// maxUnpackedBytes bounds what one batch may grow to: a batch that grows further is reported as unreadable.
const maxUnpackedBytes = 128 << 20

var (
	errTooLarge = fmt.Errorf("batch grows beyond %d MiB when decompressed", maxUnpackedBytes>>20)
	errLZ4      = errors.New("lz4 frame is malformed")
	errSnappy   = errors.New("snappy framing is malformed")
)

// unpacker decompresses. What it returns is valid until its next use.
type unpacker struct {
	out  []byte
	in   bytes.Reader
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

func (u *unpacker) unpack(c codec, b []byte) ([]byte, error) {
	var err error
	u.out = u.out[:0]
	switch c {
	case codecNone:
		return b, nil
	case codecGzip:
		err = u.gunzip(b)
	case codecSnappy:
		u.out, err = unsnap(u.out, b)
	case codecLZ4:
		u.out, err = unLZ4(u.out, b)
	case codecZstd:
		err = u.unzstd(b)
	default:
		return nil, fmt.Errorf("codec %d is unknown", c)
	}
	return u.out, err
}

func (u *unpacker) gunzip(b []byte) error {
	u.in.Reset(b)
	var err error
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(&u.in)
	} else {
		err = u.gzip.Reset(&u.in)
	}
	if err != nil {
		return fmt.Errorf("gzip: %w", err)
	}
	for {
		if len(u.out) == cap(u.out) {
			u.out = slices.Grow(u.out, 64<<10)
		}
		n, err := u.gzip.Read(u.out[len(u.out):cap(u.out)])
		u.out = u.out[:len(u.out)+n]
		switch {
		case len(u.out) > maxUnpackedBytes:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("gzip: %w", err)
		}
	}
}

func (u *unpacker) unzstd(b []byte) error {
	if u.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpackedBytes))
		if err != nil {
			return fmt.Errorf("make a zstd decoder: %w", err)
		}
		u.zstd = d
	}
	out, err := u.zstd.DecodeAll(b, u.out)
	if err != nil {
		return fmt.Errorf("zstd: %w", err)
	}
	u.out = out
	return nil
}

// unsnap knows the two forms in use: one block, and the Java client's framing, which is a magic, two versions, and
// blocks behind their lengths.
func unsnap(dst, b []byte) ([]byte, error) {
	const framing = 16
	if len(b) < framing || !bytes.HasPrefix(b, []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}) {
		return unsnapBlock(dst, b)
	}
	for b = b[framing:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, errSnappy
		}
		n := int64(binary.BigEndian.Uint32(b))
		if b = b[4:]; n > int64(len(b)) {
			return nil, errSnappy
		}
		var err error
		if dst, err = unsnapBlock(dst, b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return dst, nil
}

func unsnapBlock(dst, block []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	if n > maxUnpackedBytes-len(dst) {
		return nil, errTooLarge
	}
	dst = slices.Grow(dst, n)
	out, err := snappy.Decode(dst[len(dst):len(dst)+n:len(dst)+n], block)
	if err != nil {
		return nil, fmt.Errorf("snappy: %w", err)
	}
	return dst[:len(dst)+len(out)], nil
}

// LZ4 frames: magic, descriptor, blocks behind their lengths, an end mark. Their checksums are passed over, as the batch
// has one, and as old Java clients computed that of the descriptor wrongly.
const (
	lz4Magic          = 0x184d2204
	lz4BlockChecksums = 0x10
	lz4ContentSize    = 0x08
	lz4DictionaryID   = 0x01
	lz4Stored         = 1 << 31 // in a block's length
	lz4Window         = 64 << 10
)

func unLZ4(dst, b []byte) ([]byte, error) {
	if len(b) < 7 || binary.LittleEndian.Uint32(b) != lz4Magic {
		return nil, errLZ4
	}
	flags, sizes := b[4], b[5]
	head, trailer := 7, 0
	if flags&lz4ContentSize != 0 {
		head += 8
	}
	if flags&lz4DictionaryID != 0 {
		head += 4
	}
	if flags&lz4BlockChecksums != 0 {
		trailer = 4
	}
	exponent := int(sizes >> 4 & 7)
	if exponent < 4 || len(b) < head {
		return nil, errLZ4
	}
	largest := 1 << (2*exponent + 8)
	for b = b[head:]; ; {
		if len(b) < 4 {
			return nil, errLZ4
		}
		word := binary.LittleEndian.Uint32(b)
		if b = b[4:]; word == 0 {
			return dst, nil
		}
		n := int64(word &^ lz4Stored)
		if n+int64(trailer) > int64(len(b)) {
			return nil, errLZ4
		}
		var err error
		if dst, err = unLZ4Block(dst, b[:n], word&lz4Stored != 0, largest); err != nil {
			return nil, err
		}
		b = b[n+int64(trailer):]
	}
}

// unLZ4Block appends one block, which may refer to the last 64 KiB before it.
func unLZ4Block(dst, block []byte, stored bool, largest int) ([]byte, error) {
	if len(dst) > maxUnpackedBytes {
		return nil, errTooLarge
	}
	if stored {
		return append(dst, block...), nil
	}
	dst = slices.Grow(dst, largest)
	n, err := lz4.UncompressBlockWithDict(block, dst[len(dst):len(dst)+largest], dst[max(0, len(dst)-lz4Window):])
	if err != nil {
		return nil, fmt.Errorf("lz4: %w", err)
	}
	return dst[:len(dst)+n], nil
}
