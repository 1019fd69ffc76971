package load

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Codec is a compression codec, numbered as in a batch header.
type Codec int8

// The codecs of batch format v2.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Codecs returns all codecs, in the order of their numbers.
func Codecs() []Codec { return []Codec{None, Gzip, Snappy, LZ4, Zstd} }

// String returns the codec as Kafka's settings spell it.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	default:
		return fmt.Sprintf("codec-%d", int8(c))
	}
}

func (c Codec) option() (kgo.CompressionCodec, error) {
	switch c {
	case None:
		return kgo.NoCompression(), nil
	case Gzip:
		return kgo.GzipCompression(), nil
	case Snappy:
		return kgo.SnappyCompression(), nil
	case LZ4:
		return kgo.Lz4Compression(), nil
	case Zstd:
		return kgo.ZstdCompression(), nil
	default:
		return kgo.CompressionCodec{}, fmt.Errorf("choose codec %d: not one of 0 to 4", c)
	}
}
