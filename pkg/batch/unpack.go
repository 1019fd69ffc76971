package batch

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

// minZstdMemory is the window that RFC 8878 asks every decoder to support; encoders declare it even for short frames.
const minZstdMemory = 8 << 20

// xerialMagic starts the framing in which the Java client writes Snappy; two version numbers of four bytes follow, then blocks,
// each behind its length. Other clients write one bare block.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

// xerialHeaderLen is the length of the magic and the versions.
const xerialHeaderLen = 16

var errXerial = errors.New("xerial framing is malformed")

// unpacker decompresses payloads. Its decoders are made when first needed and reused, as is the buffer.
type unpacker struct {
	limit  int // bytes a payload may grow to
	buf    []byte
	source bytes.Reader

	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// unpack returns payload decompressed: payload itself for None, else bytes that are valid until release.
func (u *unpacker) unpack(c Codec, payload []byte) ([]byte, error) {
	if c == None {
		return payload, nil
	}
	u.source.Reset(payload)
	out, err := u.decompress(c, payload, u.buf[:0])
	if err == nil && len(out) > u.limit {
		err = ErrTooLarge
	}
	u.source.Reset(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	u.buf = out
	return out, nil
}

// release ends the use of what unpack returned.
func (u *unpacker) release() { u.buf = emptied(u.buf, keepBytes) }

// decompress appends payload decompressed to the empty dst. It may go past the limit, but not without bound.
func (u *unpacker) decompress(c Codec, payload, dst []byte) ([]byte, error) {
	switch c {
	case Gzip:
		return u.gunzip(dst)
	case Snappy:
		return u.unsnap(dst, payload)
	case LZ4:
		if u.lz4 == nil {
			u.lz4 = lz4.NewReader(nil)
		}
		u.lz4.Reset(&u.source)
		return appendAll(dst, u.lz4, u.limit)
	case Zstd:
		return u.unzstd(dst, payload)
	}
	return nil, &CodecError{Codec: c}
}

func (u *unpacker) gunzip(dst []byte) ([]byte, error) {
	var err error
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(&u.source)
	} else {
		err = u.gzip.Reset(&u.source)
	}
	if err != nil {
		return nil, err
	}
	return appendAll(dst, u.gzip, u.limit)
}

func (u *unpacker) unzstd(dst, payload []byte) ([]byte, error) {
	if u.zstd == nil {
		// The decoder bounds output and declared window by the same number.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(u.limit, minZstdMemory))))
		if err != nil {
			return nil, fmt.Errorf("make a decoder: %w", err)
		}
		u.zstd = d
	}
	out, err := u.zstd.DecodeAll(payload, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return out, err
}

func (u *unpacker) unsnap(dst, payload []byte) ([]byte, error) {
	if len(payload) < xerialHeaderLen || !bytes.HasPrefix(payload, xerialMagic) {
		return appendSnappy(dst, payload, u.limit)
	}
	for rest := payload[xerialHeaderLen:]; len(rest) > 0; {
		if len(rest) < 4 {
			return nil, errXerial
		}
		size := int64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if size > int64(len(rest)) {
			return nil, errXerial
		}
		var err error
		if dst, err = appendSnappy(dst, rest[:size], u.limit); err != nil {
			return nil, err
		}
		rest = rest[size:]
	}
	return dst, nil
}

// appendSnappy appends the decompressed block to dst, which may grow to limit bytes.
func appendSnappy(dst, block []byte, limit int) ([]byte, error) {
	size, err := snappy.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if size > limit-len(dst) {
		return nil, ErrTooLarge
	}
	dst = slices.Grow(dst, size)
	end := len(dst) + size
	if _, err := snappy.Decode(dst[len(dst):end:end], block); err != nil {
		return nil, err
	}
	return dst[:end], nil
}

// appendAll appends what r yields to dst and stops with ErrTooLarge once that is longer than limit.
func appendAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, 512)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return nil, err
		}
	}
}
