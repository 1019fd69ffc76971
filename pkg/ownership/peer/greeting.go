package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A greeting is what each end says first: the one that dials a hello, the other a welcome or a refusal. It is magic, format,
// length of the body and the body: kind, process, and three texts, each behind its length. Lengths are 16 bits, big-endian.
type greeting struct {
	kind    byte
	process [16]byte
	pool    string // of who speaks; "" in a refusal, which tells a stranger nothing
	from    string // incarnation of who speaks; "" in a welcome of one who is no member at the moment, and in a refusal
	to      string // incarnation of who is spoken to; "" in a refusal
}

const (
	kindHello   byte = 1
	kindWelcome byte = 2
	kindRefusal byte = 3
)

const (
	greetingMagic  = "trib"
	greetingFormat = 1
	headerBytes    = len(greetingMagic) + 3
	maxBodyBytes   = 1024

	maxPoolBytes        = 400
	maxIncarnationBytes = 200
)

var (
	errGreeting = errors.New("no greeting of a mirror")
	errRefused  = errors.New("it belongs to another pool")
)

// encode returns the bytes of a greeting.
func (g greeting) encode() []byte {
	body := append([]byte{g.kind}, g.process[:]...)
	for _, text := range []string{g.pool, g.from, g.to} {
		body = binary.BigEndian.AppendUint16(body, uint16(len(text)))
		body = append(body, text...)
	}
	data := append([]byte(greetingMagic), greetingFormat)
	data = binary.BigEndian.AppendUint16(data, uint16(len(body)))
	return append(data, body...)
}

// readGreeting reads one greeting and not a byte more. What comes is not trusted: it is bounded, and names are plain.
func readGreeting(r io.Reader) (greeting, error) {
	var data [headerBytes + maxBodyBytes]byte
	if _, err := io.ReadFull(r, data[:headerBytes]); err != nil {
		return greeting{}, fmt.Errorf("read greeting: %w", err)
	}
	if !bytes.HasPrefix(data[:], []byte(greetingMagic)) {
		return greeting{}, fmt.Errorf("read greeting: %w", errGreeting)
	}
	if format := data[len(greetingMagic)]; format != greetingFormat {
		return greeting{}, fmt.Errorf("read greeting: it has format %d, and this version knows %d: %w", format, greetingFormat, errGreeting)
	}
	length := int(binary.BigEndian.Uint16(data[headerBytes-2:]))
	if length > maxBodyBytes {
		return greeting{}, fmt.Errorf("read greeting: it has %d bytes: %w", length, errGreeting)
	}
	body := data[headerBytes : headerBytes+length]
	if _, err := io.ReadFull(r, body); err != nil {
		return greeting{}, fmt.Errorf("read greeting: %w", err)
	}
	return parseBody(body)
}

func parseBody(body []byte) (greeting, error) {
	var g greeting
	if len(body) < 1+len(g.process) {
		return greeting{}, fmt.Errorf("parse greeting of %d bytes: %w", len(body), errGreeting)
	}
	g.kind = body[0]
	body = body[1+copy(g.process[:], body[1:]):]
	for _, text := range []*string{&g.pool, &g.from, &g.to} {
		if len(body) < 2 || len(body)-2 < int(binary.BigEndian.Uint16(body)) {
			return greeting{}, fmt.Errorf("parse greeting that ends early: %w", errGreeting)
		}
		end := 2 + int(binary.BigEndian.Uint16(body))
		*text, body = string(body[2:end]), body[end:]
	}
	if len(body) > 0 || !g.sound() {
		return greeting{}, fmt.Errorf("parse greeting of kind %d: %w", g.kind, errGreeting)
	}
	return g, nil
}

// sound says whether the greeting has what its kind needs and nothing else.
func (g greeting) sound() bool {
	switch g.kind {
	case kindHello, kindWelcome:
		joined := isIncarnation(g.from) || g.from == "" && g.kind == kindWelcome
		return joined && isIncarnation(g.to) && len(g.pool) > 0 && len(g.pool) <= maxPoolBytes
	case kindRefusal:
		return g.pool == "" && g.from == "" && g.to == ""
	}
	return false
}

// isIncarnation accepts what a member's node may be called.
func isIncarnation(name string) bool {
	if len(name) == 0 || len(name) > maxIncarnationBytes {
		return false
	}
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// instanceOf cuts from an incarnation, <instance>-<8 hexadecimal digits>-<10 digits>, what tells it from others of the same
// instance. It returns "" for what is no incarnation.
func instanceOf(incarnation string) string {
	const tail = 1 + 8 + 1 + 10
	at := len(incarnation) - tail
	if at <= 0 || incarnation[at] != '-' || incarnation[at+9] != '-' {
		return ""
	}
	return incarnation[:at]
}
