package kafka

import (
	"fmt"
	"io"
	"log/slog"
)

// secretMask is what is shown in place of every Secret, whatever its length.
const secretMask = "***"

// Secret is a string that shows itself as *** in formatting, logging and marshalling.
// string(s) is the only way to its value.
type Secret string

// String returns the mask.
func (Secret) String() string { return secretMask }

// GoString returns the mask.
func (Secret) GoString() string { return secretMask }

// Format writes the mask for every verb: without it %d and the like would show the value.
func (Secret) Format(f fmt.State, _ rune) {
	// An error of a fmt.State is the caller's writer failing, which fmt reports itself.
	_, _ = io.WriteString(f, secretMask)
}

// MarshalYAML returns the mask.
func (Secret) MarshalYAML() (any, error) { return secretMask, nil }

// MarshalText returns the mask; it serves encoding/json.
func (Secret) MarshalText() ([]byte, error) { return []byte(secretMask), nil }

// LogValue returns the mask.
func (Secret) LogValue() slog.Value { return slog.StringValue(secretMask) }
