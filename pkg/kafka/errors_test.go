package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	tests := []struct {
		name      string
		err       error
		code      int16
		coded     bool
		retriable bool
	}{
		{"nil", ErrorCode(0), 0, false, false},
		{"not leader", ErrorCode(6), 6, true, true},
		{"wrapped", fmt.Errorf("x: %w", Error{29}), 29, true, false},
		{"unknown server error", ErrorCode(-1), -1, true, false},
		{"newer than the table", ErrorCode(32000), 32000, true, false},
		{"partition", errors.Join(nil, &PartitionError{"t", 3, 12}), 12, true, false},
		{"refused", fmt.Errorf("x: %w", refused), 0, false, true},
		{"eof", fmt.Errorf("x: %w", io.EOF), 0, false, true},
		{"deadline of a socket", os.ErrDeadlineExceeded, 0, false, true},
		{"closed", net.ErrClosed, 0, false, true},
		{"canceled", fmt.Errorf("x: %w", context.Canceled), 0, false, false},
		{"deadline of a context", context.DeadlineExceeded, 0, false, false},
		{"other", errors.New("x"), 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if code, ok := Code(tt.err); code != tt.code || ok != tt.coded {
				t.Errorf("Code: got %d %v, want %d %v", code, ok, tt.code, tt.coded)
			}
			if got := Retriable(tt.err); got != tt.retriable {
				t.Errorf("Retriable: got %v, want %v", got, tt.retriable)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	for err, want := range map[error]string{
		ErrorCode(6):                    "NOT_LEADER_FOR_PARTITION (6): ",
		ErrorCode(90):                   "PRODUCER_FENCED (90): ",
		ErrorCode(32000):                "Kafka error code 32000",
		&PartitionError{"clicks", 3, 6}: "clicks/3: NOT_LEADER_FOR_PARTITION (6): ",
	} {
		if got := err.Error(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q...", got, want)
		}
	}
	if !errors.Is(fmt.Errorf("x: %w", Error{3}), Error{3}) {
		t.Error("errors.Is: equal codes are not equal errors")
	}
}

func TestRefusals(t *testing.T) {
	one, two := &PartitionError{"t", 1, 29}, &PartitionError{"t", 2, 12}
	for name, test := range map[string]struct {
		err  error
		want []*PartitionError
		ok   bool
	}{
		"none":                  {nil, nil, true},
		"one":                   {fmt.Errorf("x: %w", one), []*PartitionError{one}, true},
		"of several requests":   {errors.Join(errors.Join(nil, fmt.Errorf("x: %w", errors.Join(one))), two), []*PartitionError{one, two}, true},
		"the last one was lost": {errors.Join(one, fmt.Errorf("x: %w", io.EOF)), nil, false},
		"another":               {Error{15}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := Refusals(test.err); ok != test.ok || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}
