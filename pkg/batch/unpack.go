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

// softBytes is up to which size a payload is decompressed as it comes, into a buffer that grows. Nearly all are far below.
const softBytes = 16 << 20

// readSlack is what a buffer has beyond its content, so that a reader finds its end, and zstd may copy in long strides, without
// another allocation.
const readSlack = 64

// unpacker decompresses payloads. Its decoders are made when first needed and reused, as is the buffer.
type unpacker struct {
	limit  int   // bytes a payload may grow to
	gate   *Gate // for those above softBytes
	large  bool  // the gate is held, for buf
	buf    []byte
	source bytes.Reader

	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder // for payloads up to softBytes
}

// unpack returns payload decompressed: payload itself for None, else bytes that are valid until release, which must come
// before the next unpack. It may wait for other holders of the gate.
func (u *unpacker) unpack(c Codec, payload []byte) ([]byte, error) {
	if c == None {
		return payload, nil
	}
	soft := min(u.limit, softBytes)
	out, err := u.decompress(c, payload, u.buf[:0], soft)
	if errors.Is(err, ErrTooLarge) && soft < u.limit {
		out, err = u.unpackLarge(c, payload)
	}
	u.source.Reset(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	u.buf = out
	return out, nil
}

// release ends the use of what unpack returned.
func (u *unpacker) release() {
	u.buf = emptied(u.buf, keepBytes)
	if u.large {
		u.large = false
		u.gate.leave()
	}
}

// decompress appends payload decompressed to the empty dst, which may grow to limit bytes. More is ErrTooLarge, and has not
// taken memory without bound.
func (u *unpacker) decompress(c Codec, payload, dst []byte, limit int) ([]byte, error) {
	u.source.Reset(payload)
	switch c {
	case Gzip:
		if err := u.openGzip(); err != nil {
			return nil, err
		}
		return appendAll(dst, u.gzip, limit)
	case Snappy:
		size, err := measureSnappy(payload, limit)
		if err != nil {
			return nil, err
		}
		dst = slices.Grow(dst, size)
		err = eachBlock(payload, func(block []byte) (err error) {
			dst, err = appendSnappy(dst, block)
			return err
		})
		return dst, err
	case LZ4:
		u.openLZ4()
		return appendAll(dst, u.lz4, limit)
	case Zstd:
		return u.unzstd(dst, payload, limit)
	}
	return nil, &CodecError{Codec: c}
}

func (u *unpacker) openGzip() (err error) {
	if u.gzip != nil {
		return u.gzip.Reset(&u.source)
	}
	u.gzip, err = gzip.NewReader(&u.source)
	return err
}

func (u *unpacker) openLZ4() {
	if u.lz4 == nil {
		u.lz4 = lz4.NewReader(nil)
	}
	u.lz4.Reset(&u.source)
}

func (u *unpacker) unzstd(dst, payload []byte, limit int) ([]byte, error) {
	d := u.zstd
	if d == nil || limit > softBytes {
		var err error
		if d, err = newZstd(limit); err != nil {
			return nil, err
		}
		if limit > softBytes {
			defer d.Close()
		} else {
			u.zstd = d
		}
	}
	out, err := d.DecodeAll(payload, dst)
	if err == nil && len(out) > limit {
		err = ErrTooLarge
	}
	return out, zstdError(err)
}

// eachBlock calls do for the blocks of a Snappy payload: those in the Java client's framing, or the bare one.
func eachBlock(payload []byte, do func(block []byte) error) error {
	if len(payload) < xerialHeaderLen || !bytes.HasPrefix(payload, xerialMagic) {
		return do(payload)
	}
	for rest := payload[xerialHeaderLen:]; len(rest) > 0; {
		if len(rest) < 4 {
			return errXerial
		}
		size := int64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if size > int64(len(rest)) {
			return errXerial
		}
		if err := do(rest[:size]); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

// appendSnappy appends the decompressed block to dst, which has room for it.
func appendSnappy(dst, block []byte) ([]byte, error) {
	size, err := snappy.DecodedLen(block)
	if err != nil {
		return nil, err
	}
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
