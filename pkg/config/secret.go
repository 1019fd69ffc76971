package config

import (
	"fmt"
	"log/slog"
)

// hidden is what every way to print a Secret shows.
const hidden = "***"

// Secret is text that never shows in a log, an error or an encoded form. Convert it to string to use it.
type Secret string

// String hides the secret.
func (Secret) String() string { return hidden }

// Format hides the secret under every verb, also those that would bypass String.
func (Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(hidden)) }

// MarshalText hides the secret in JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
