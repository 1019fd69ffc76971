package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxAnswerBytes is the largest answer that Do accepts; a length beyond it is garbage, not an answer.
const maxAnswerBytes = 128 << 20

var errCutAnswer = errors.New("answer is cut short")

// readAnswer reads one frame: its 4-byte length and then, returned, the correlation id and the rest.
func readAnswer(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxAnswerBytes {
		return nil, fmt.Errorf("answer of %d bytes is not from 4 to %d", n, maxAnswerBytes)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return frame, nil
}

// decodeAnswer decodes a frame without its length into resp, whose version is set. resp keeps
// references to frame.
func decodeAnswer(frame []byte, resp kmsg.Response) error {
	if len(frame) < 4 {
		return errCutAnswer
	}
	body := frame[4:]
	// ApiVersions answers keep the old header for ever, so that any client can read them.
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		var err error
		if body, err = skipTags(body); err != nil {
			return err
		}
	}
	return resp.ReadFrom(body)
}

// skipTags returns what follows the tagged fields of a flexible header.
func skipTags(b []byte) ([]byte, error) {
	count, b, err := uvarint(b)
	if err != nil {
		return nil, err
	}
	for ; count > 0; count-- {
		if _, b, err = uvarint(b); err != nil { // tag
			return nil, err
		}
		var size uint64
		if size, b, err = uvarint(b); err != nil {
			return nil, err
		}
		if size > uint64(len(b)) {
			return nil, errCutAnswer
		}
		b = b[size:]
	}
	return b, nil
}

func uvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errCutAnswer
	}
	return v, b[n:], nil
}
