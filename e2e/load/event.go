package load

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// appendEvent appends an ad-server event of size bytes, or of what its fixed
// fields need when that is more (about 110): text that repeats between events,
// with random ids that do not, so that codecs see what they see in production.
// id writes the event's id.
func appendEvent(b []byte, id func([]byte) []byte, rng *rand.Rand, size int) []byte {
	start := len(b)
	b = id(append(b, eventPrefix...))
	b = append(b, `","type":"`...)
	b = append(b, eventTypes[rng.IntN(len(eventTypes))]...)
	b = append(b, `","campaign":`...)
	b = strconv.AppendInt(b, 100000+int64(rng.IntN(5000)), 10)
	b = append(b, `,"micros":`...)
	b = strconv.AppendInt(b, rng.Int64N(5_000_000), 10)
	if size >= userBytes {
		b = appendUser(b, rng)
	}
	for size-(len(b)-start) > 2*len(segment) {
		b = append(b, segment[:segmentID]...)
		b = appendHex(b, rng, 16)
		b = append(b, segment[segmentID+16:]...)
	}
	const open, end = `,"nonce":"`, `"}`
	if rest := size - (len(b) - start) - len(open) - len(end); rest >= 0 {
		return append(appendHex(append(b, open...), rng, rest), end...)
	}
	return append(b, '}')
}

// userBytes is the size from which events say whom they were shown to.
const userBytes = 500

func appendUser(b []byte, rng *rand.Rand) []byte {
	b = append(b, `,"auction":"`...)
	b = appendHex(b, rng, 32)
	b = append(b, `","creative":`...)
	b = strconv.AppendInt(b, 7000000+int64(rng.IntN(90000)), 10)
	b = append(b, `,"user":{"id":"`...)
	b = appendHex(b, rng, 32)
	b = fmt.Appendf(b, `","ip":"10.%d.%d.%d","country":"%s","agent":"`, rng.IntN(256), rng.IntN(256), rng.IntN(256), countries[rng.IntN(len(countries))])
	b = append(b, agents[rng.IntN(len(agents))]...)
	return append(b, `"}`...)
}

// segment is one more field of an event; its 16 digits are replaced by a random id.
const (
	segment   = `,"segment":{"id":"0123456789abcdef","provider":"audience-graph","weight":0.75}`
	segmentID = len(`,"segment":{"id":"`)
)

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

// appendHex appends random hexadecimal digits.
func appendHex(b []byte, rng *rand.Rand, count int) []byte {
	const digits = "0123456789abcdef"
	var v uint64
	for i := range count {
		if i%16 == 0 {
			v = rng.Uint64()
		}
		b = append(b, digits[v&15])
		v >>= 4
	}
	return b
}
