package batch

import (
	"fmt"
	"slices"
	"strconv"
)

// Codec is a compression codec by its number in the batch attributes.
type Codec uint8

// The codecs Kafka knows.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// codecNames are the names used by Kafka's own compression.type.
var codecNames = [...]string{None: "none", Gzip: "gzip", Snappy: "snappy", LZ4: "lz4", Zstd: "zstd"}

// known reports whether c is one of the constants.
func (c Codec) known() bool { return int(c) < len(codecNames) }

// String returns the codec's name as ParseCodec takes it; an unknown codec shows its number.
func (c Codec) String() string {
	if !c.known() {
		return "codec(" + strconv.Itoa(int(c)) + ")"
	}
	return codecNames[c]
}

// ParseCodec returns the codec of that name: none, gzip, snappy, lz4 or zstd, in lower case.
func ParseCodec(name string) (Codec, error) {
	i := slices.Index(codecNames[:], name)
	if i < 0 {
		return None, fmt.Errorf("compression codec %q is not one of %v", name, codecNames)
	}
	return Codec(i), nil
}
