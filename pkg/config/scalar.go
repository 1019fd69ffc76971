package config

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// plainText is how messages call a value that is neither number, truth value, date, list nor mapping.
const plainText = "text"

func isScalar(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

// scalar expands and reads a single value. Messages quote the file, never what a reference stands for.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	want := wanted(v)
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "is %s, want %s", describe(n), want)
		return
	}
	text, err := expand(n.Value, d.env)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			d.fail(n, path, "%s", line)
		}
		return
	}
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	literal := text == n.Value
	if !literal {
		d.expanded[path] = expansion{source: n.Value, value: text}
	}
	isText := v.Kind() == reflect.String
	if isText && describe(n) != plainText {
		d.fail(n, path, "is %s, want %s", describe(n), want)
		return
	}
	if !isText && quoted && literal && !acceptsQuotes(v) {
		d.fail(n, path, "is text, want %s; write it without quotes", want)
		return
	}
	if err := setScalar(v, text); err != nil {
		d.fail(n, path, "%s %v", quote(n, v), err)
	}
}

// quote shows the value as it stands in the file, but never the literal text of a secret.
func quote(n *yaml.Node, v reflect.Value) string {
	if v.Type() == reflect.TypeFor[Secret]() {
		return "the secret"
	}
	return shorten(n.Value)
}

// acceptsQuotes says whether a type is text with a unit, which may as well be quoted.
func acceptsQuotes(v reflect.Value) bool {
	_, custom := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	return custom || v.Type() == reflect.TypeFor[time.Duration]()
}

func setScalar(v reflect.Value, text string) error {
	if custom, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return custom.UnmarshalText([]byte(text))
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		duration, err := time.ParseDuration(text)
		if err != nil || duration < 0 {
			return errors.New("is no duration; write it like 6s, 500ms or 1m30s")
		}
		v.SetInt(int64(duration))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("is neither true nor false")
		}
		v.SetBool(text == "true")
	case reflect.Float64:
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || !isDecimal(text) {
			return errors.New("is no number; write it in decimal digits, as 2 or 0.5")
		}
		v.SetFloat(number)
	default:
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil || !isWhole(strings.TrimPrefix(text, "-")) {
			return errors.New("is no whole number; write it in decimal digits without leading zeros")
		}
		v.SetInt(number)
	}
	return nil
}

// wanted names the type of a scalar for people.
func wanted(v reflect.Value) string {
	switch v.Interface().(type) {
	case Bytes:
		return "a size such as 64MiB"
	case Percent:
		return "a share such as 50%"
	case time.Duration:
		return "a duration such as 6s"
	}
	switch v.Kind() {
	case reflect.String:
		return plainText
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// describe names what stands in the file without repeating it.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number (put it in quotes to make it text)"
	case "!!bool":
		return "true or false (put it in quotes to make it text)"
	case "!!timestamp":
		return "a date (put it in quotes to make it text)"
	}
	return plainText
}

// shorten quotes a value for a message.
func shorten(text string) string {
	if len(text) > maxSuggested {
		text = text[:maxSuggested] + "..."
	}
	return strconv.Quote(text)
}
