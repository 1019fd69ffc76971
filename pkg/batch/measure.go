package batch

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// unpackLarge is unpack for a payload above softBytes: it is measured first, which takes no memory, so that a bomb is refused
// and the rest is allocated once. The gate is held until release, unless it fails.
func (u *unpacker) unpackLarge(c Codec, payload []byte) ([]byte, error) {
	u.buf = nil
	u.gate.enter()
	size, err := u.measure(c, payload)
	var out []byte
	if err == nil {
		u.gate.sweep()
		out, err = u.decompress(c, payload, make([]byte, 0, size+readSlack), u.limit)
	}
	if err != nil {
		u.gate.leave()
		return nil, err
	}
	u.large = true
	return out, nil
}

// measure returns what payload decompresses to, or ErrTooLarge when that is more than the limit.
func (u *unpacker) measure(c Codec, payload []byte) (int, error) {
	u.source.Reset(payload)
	defer u.source.Reset(payload)
	switch c {
	case Gzip:
		if err := u.openGzip(); err != nil {
			return 0, err
		}
		return count(u.gzip, u.limit)
	case Snappy:
		return measureSnappy(payload, u.limit)
	case LZ4:
		u.openLZ4()
		return count(u.lz4, u.limit)
	case Zstd:
		return u.measureZstd()
	}
	return 0, &CodecError{Codec: c}
}

// count reads r to its end and returns how much it yielded; ErrTooLarge comes before the end.
func count(r io.Reader, limit int) (int, error) {
	n, err := io.Copy(io.Discard, io.LimitReader(r, int64(limit)+1))
	if err == nil && n > int64(limit) {
		err = ErrTooLarge
	}
	return int(n), err
}

func measureSnappy(payload []byte, limit int) (int, error) {
	total := 0
	err := eachBlock(payload, func(block []byte) error {
		size, err := snappy.DecodedLen(block)
		if err != nil {
			return err
		}
		if size > limit-total {
			return ErrTooLarge
		}
		total += size
		return nil
	})
	return total, err
}

// measureZstd has a decoder of its own, whose window, up to the limit, goes with it.
func (u *unpacker) measureZstd() (int, error) {
	d, err := newZstd(u.limit)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	if err := d.Reset(&u.source); err != nil {
		return 0, zstdError(err)
	}
	n, err := count(d, u.limit)
	return n, zstdError(err)
}

// newZstd returns a decoder that bounds output and declared window by the same number.
func newZstd(limit int) (*zstd.Decoder, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(max(limit, minZstdMemory))))
	if err != nil {
		return nil, fmt.Errorf("make a decoder: %w", err)
	}
	return d, nil
}

// zstdError makes the decoder's own limits ErrTooLarge.
func zstdError(err error) error {
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}
