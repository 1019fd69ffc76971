// Package znode is the form of everything that a pool keeps in its coordination service: the paths of its nodes, their
// names, and their contents. What is decoded may have been written by anybody: its size is bounded, also unpacked, every
// name and number is checked, and an error says which is wrong.
//
// Every content begins with a format number. A content of another format is ErrFormat, and of a newer version of this
// program; within a format newer versions may add fields. Those are ignored, except in Term and Identities: these are read,
// changed and written again, which would lose what is not understood.
package znode

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	// MaxBytes is the most that a node may have, packed.
	MaxBytes = 512 << 10

	maxUnpackedBytes = 8 << 20
	packFromBytes    = 16 << 10 // below it people can read the node with any client
	formatNumber     = 1
)

// Errors that a caller may tell apart.
var (
	ErrFormat   = errors.New("content is of another format, written by a newer version of mirror; upgrade this one")
	ErrTooLarge = errors.New("content is too large")
)

// format stands in every content.
type format struct {
	Format int `json:"format"`
}

// encode writes a content, packed where it is large.
func encode(kind string, content any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(content); err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(data) > maxUnpackedBytes {
		return nil, fmt.Errorf("encode %s: %w: %d bytes, at most %d unpacked", kind, ErrTooLarge, len(data), maxUnpackedBytes)
	}
	if len(data) > packFromBytes {
		var err error
		if data, err = pack(data); err != nil {
			return nil, fmt.Errorf("encode %s: %w", kind, err)
		}
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("encode %s: %w: %d bytes, at most %d", kind, ErrTooLarge, len(data), MaxBytes)
	}
	return data, nil
}

func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack returns a content as text. JSON never begins as gzip does.
func unpack(data []byte) ([]byte, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), MaxBytes)
	}
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxUnpackedBytes+1))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	if len(text) > maxUnpackedBytes {
		return nil, fmt.Errorf("%w: more than %d bytes unpacked", ErrTooLarge, maxUnpackedBytes)
	}
	return text, nil
}

// decode reads a content that may have unknown fields.
func decode(data []byte, content any) error { return decodeText(data, content, false) }

// decodeAll reads a content of which every field must be known.
func decodeAll(data []byte, content any) error { return decodeText(data, content, true) }

func decodeText(data []byte, content any, all bool) error {
	text, err := unpack(data)
	if err != nil {
		return err
	}
	var f format
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if f.Format != formatNumber {
		return fmt.Errorf("%w (format %d, known is %d)", ErrFormat, f.Format, formatNumber)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if all {
		d.DisallowUnknownFields()
	}
	return d.Decode(content) // that nothing follows is known from the first reading
}

// list is an array of which the length is bounded before its elements are made: a few bytes of text can ask for a hundred
// of memory.
type list[T any] []T

const maxListed = 1 << 16

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("want an array, got %.20q", text)
	}
	*l = list[T]{}
	for d.More() {
		if len(*l) == maxListed {
			return fmt.Errorf("%w: more than %d elements", ErrTooLarge, maxListed)
		}
		var each T
		if err := d.Decode(&each); err != nil {
			return err
		}
		*l = append(*l, each)
	}
	return nil
}
