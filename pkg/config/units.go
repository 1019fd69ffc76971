package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size, or a rate in bytes per second, as people write it: 64MiB, 1GB, 500kB or plain bytes.
type Bytes int64

// The binary units; KiB is 1024 bytes, while the decimal kB is 1000.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// unit is one way to write a power.
type unit struct {
	suffix string
	size   Bytes
}

// byteUnits are in the order String prefers them in, the largest first.
var byteUnits = []unit{
	{"TiB", TiB}, {"TB", 1e12}, {"GiB", GiB}, {"GB", 1e9}, {"MiB", MiB}, {"MB", 1e6}, {"KiB", KiB}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

var errBytes = errors.New("is no size; write it like 64MiB, 1GB or 500000")

// UnmarshalText reads a size. Binary (KiB) and decimal (kB) units are different; without a unit it is bytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, size := string(text), Bytes(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, size = strings.TrimRight(rest, " "), u.size
			break
		}
	}
	if !isDecimal(number) {
		return errBytes
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value*float64(size) >= math.MaxInt64 {
		return errors.New("is larger than any size")
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		*b = Bytes(whole) * size
		return nil
	}
	*b = Bytes(math.Round(value * float64(size)))
	return nil
}

// String writes the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return "0B"
}

// Percent is a share between 0 and 100, written with its sign: 50%.
type Percent float64

// UnmarshalText reads a share such as 50% or 12.5%.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	if !ok || !isDecimal(number) {
		return errors.New("is no share; write it like 50%")
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value > 100 {
		return errors.New("is more than 100%")
	}
	*p = Percent(value)
	return nil
}

// Fraction returns the share between 0 and 1.
func (p Percent) Fraction() float64 { return float64(p) / 100 }

// String writes the share with its sign.
func (p Percent) String() string { return fmt.Sprintf("%v%%", float64(p)) }

// isDecimal accepts the one form of a number that means the same to everyone: digits without a leading zero,
// possibly a fraction; no sign, base prefix, exponent or '_'.
func isDecimal(number string) bool {
	whole, fraction, ok := strings.Cut(number, ".")
	return isWhole(whole) && (!ok || isDigits(fraction))
}

func isWhole(number string) bool {
	return isDigits(number) && (number == "0" || number[0] != '0')
}

func isDigits(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return text != ""
}
