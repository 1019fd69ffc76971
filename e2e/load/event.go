package load

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// appendEvent appends an ad-server event of about size bytes (never fewer than
// its fixed fields need): text that repeats between events, with random ids
// that do not, so that codecs see what they see in production (zstd about 4:1,
// lz4 about 3:1 over batches of 1 KiB events). id writes the event's id.
func appendEvent(b []byte, id func([]byte) []byte, rng *rand.Rand, size int) []byte {
	start := len(b)
	b = id(append(b, eventPrefix...))
	b = append(b, `","type":"`...)
	b = append(b, eventTypes[rng.IntN(len(eventTypes))]...)
	b = append(b, `","auction":"`...)
	b = appendHex(b, rng, 2)
	b = append(b, `","campaign":`...)
	b = strconv.AppendInt(b, 100000+int64(rng.IntN(5000)), 10)
	b = append(b, `,"creative":`...)
	b = strconv.AppendInt(b, 7000000+int64(rng.IntN(90000)), 10)
	b = append(b, `,"user":{"id":"`...)
	b = appendHex(b, rng, 2)
	b = fmt.Appendf(b, `","ip":"10.%d.%d.%d","country":"%s"`, rng.IntN(256), rng.IntN(256), rng.IntN(256), countries[rng.IntN(len(countries))])
	b = append(b, `,"agent":"`...)
	b = append(b, agents[rng.IntN(len(agents))]...)
	b = append(b, `"},"price":{"currency":"EUR","micros":`...)
	b = strconv.AppendInt(b, rng.Int64N(5_000_000), 10)
	b = append(b, `},"segments":["s0"`...)
	for len(b)-start < size-len(segment)-2 {
		b = append(b, segment[:9]...)
		b = appendHex(b, rng, 1)
		b = append(b, segment[25:]...)
	}
	return append(b, "]}"...)
}

// segment is one entry of an event's list; bytes 9 to 25 are its random id.
const segment = `,{"seg":"0123456789abcdef","provider":"audience-graph","weight":0.75}`

// Lookup tables of event fields.
var (
	eventTypes = [...]string{"impression", "impression", "impression", "click", "viewable", "bid", "win", "conversion"}
	countries  = [...]string{"DE", "FR", "US", "BR", "IN", "JP", "PL", "ES", "IT", "GB"}
	agents     = [...]string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	}
)

// appendHex appends 16 hexadecimal digits per word.
func appendHex(b []byte, rng *rand.Rand, words int) []byte {
	const digits = "0123456789abcdef"
	for range words {
		v := rng.Uint64()
		for range 16 {
			b = append(b, digits[v&15])
			v >>= 4
		}
	}
	return b
}
