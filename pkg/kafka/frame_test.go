package kafka

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want []byte
		err  error // nil with a nil want: any
	}{
		{"whole", []byte{0, 0, 0, 5, 1, 2, 3, 4, 5, 9}, []byte{1, 2, 3, 4, 5}, nil},
		{"nothing", nil, nil, io.EOF},
		{"cut in the length", []byte{0, 0}, nil, io.ErrUnexpectedEOF},
		{"cut after the length", []byte{0, 0, 0, 5}, nil, io.ErrUnexpectedEOF},
		{"cut in the body", []byte{0, 0, 0, 5, 1}, nil, io.ErrUnexpectedEOF},
		{"too short", []byte{0, 0, 0, 3, 1, 2, 3}, nil, nil},
		{"too long", []byte("HTTP/1.1 400 Bad Request"), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAnswer(bytes.NewReader(tt.in))
			if !bytes.Equal(got, tt.want) || (err == nil) != (tt.want != nil) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v, want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestDecodeAnswerSkipsTags(t *testing.T) {
	want := kmsg.NewPtrInitProducerIDResponse()
	want.Version, want.ProducerID = 4, 77
	body := want.AppendTo(nil)
	for name, header := range map[string][]byte{
		"none": {0}, "two": {2, 0, 1, 0xff, 200, 1, 2, 0xff, 0xff},
	} {
		got := kmsg.NewPtrInitProducerIDResponse()
		got.Version = 4
		frame := append(append([]byte{0, 0, 0, 1}, header...), body...)
		if err := decodeAnswer(frame, got); err != nil || got.ProducerID != 77 {
			t.Errorf("%s: got id %d, %v, want 77", name, got.ProducerID, err)
		}
	}
	for name, frame := range map[string][]byte{
		"no correlation": {0, 0}, "no tags": {0, 0, 0, 1}, "cut tag": {0, 0, 0, 1, 1},
		"cut size": {0, 0, 0, 1, 1, 0}, "tag beyond the end": {0, 0, 0, 1, 1, 0, 100, 1},
	} {
		got := kmsg.NewPtrInitProducerIDResponse()
		got.Version = 4
		if err := decodeAnswer(frame, got); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
