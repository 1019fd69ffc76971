package zookeeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// What this package looks at of the protocol. A frame is its length in four bytes and a body. The first body of each side
// is the greeting; after it a request begins with an xid and an op, an answer with an xid, a zxid and an error code.
const (
	xidEvent int32 = -1 // of a watch; answers no request
	xidPing  int32 = -2
	xidAuth  int32 = -4

	opExists   int32 = 3
	opGet      int32 = 4
	opSync     int32 = 9
	opPing     int32 = 11
	opChildren int32 = 12
	opMulti    int32 = 14
	opAuth     int32 = 100
	opClose    int32 = -11

	eventChildren int32 = 4 // the list of children changed; the other events are of the node itself
	eventDeleted  int32 = 2 // which is of both

	lengthBytes  = 4
	requestBytes = 8  // xid, op
	answerBytes  = 16 // xid, zxid, code

	// maxFrameBytes bounds what a server can make us allocate. A list of 50,000 children with long names fits.
	maxFrameBytes = 16 << 20
)

var (
	errShort  = errors.New("frame is too short")
	errLength = errors.New("frame has an impossible length")
)

// greeting is a server's answer to the first request.
type greeting struct {
	timeout time.Duration
	session int64 // 0: the one that was asked for has expired
}

func parseGreeting(body []byte) (greeting, error) {
	const version, timeout, session = 0, 4, 8
	if len(body) < session+8 {
		return greeting{}, fmt.Errorf("read greeting of %d bytes: %w", len(body), errShort)
	}
	g := greeting{
		timeout: time.Duration(int32(binary.BigEndian.Uint32(body[timeout:]))) * time.Millisecond,
		session: int64(binary.BigEndian.Uint64(body[session:])),
	}
	if g.session != 0 && g.timeout <= 0 {
		return greeting{}, fmt.Errorf("read greeting: session timeout of %v", g.timeout)
	}
	return g, nil
}

// request is the beginning of one, with what follows.
type request struct {
	xid, op int32
	rest    []byte
}

func parseRequest(body []byte) (request, error) {
	if len(body) < requestBytes {
		return request{}, fmt.Errorf("read request of %d bytes: %w", len(body), errShort)
	}
	return request{
		xid:  int32(binary.BigEndian.Uint32(body)),
		op:   int32(binary.BigEndian.Uint32(body[4:])),
		rest: body[requestBytes:],
	}, nil
}

// watchable returns the path of a request that can arm a watch, and of what; its last byte says whether it does.
func (r request) watchable() (path string, of kind, ok bool) {
	switch r.op {
	case opExists, opGet:
		of = ofNode
	case opChildren:
		of = ofChildren
	default:
		return "", 0, false
	}
	path, rest, err := parseString(r.rest)
	return path, of, err == nil && len(rest) == 1
}

// answer is the beginning of one, with what follows.
type answer struct {
	xid, code int32
	rest      []byte
}

func parseAnswer(body []byte) (answer, error) {
	if len(body) < answerBytes {
		return answer{}, fmt.Errorf("read answer of %d bytes: %w", len(body), errShort)
	}
	return answer{
		xid:  int32(binary.BigEndian.Uint32(body)),
		code: int32(binary.BigEndian.Uint32(body[12:])),
		rest: body[answerBytes:],
	}, nil
}

// event is what a watch tells.
type event struct {
	what int32
	path string
}

func (a answer) event() (event, error) {
	const what, state = 0, 4
	if len(a.rest) < state+4 {
		return event{}, fmt.Errorf("read event: %w", errShort)
	}
	path, _, err := parseString(a.rest[state+4:])
	if err != nil {
		return event{}, fmt.Errorf("read event: %w", err)
	}
	return event{what: int32(binary.BigEndian.Uint32(a.rest[what:])), path: path}, nil
}

func parseString(from []byte) (text string, rest []byte, err error) {
	if len(from) < 4 {
		return "", nil, errShort
	}
	n := int(int32(binary.BigEndian.Uint32(from)))
	from = from[4:]
	if n < 0 || n > len(from) {
		return "", nil, errLength
	}
	return string(from[:n]), from[n:], nil
}

// frameLength returns the length of the body that follows.
func frameLength(prefix []byte) (int, error) {
	n := int32(binary.BigEndian.Uint32(prefix))
	if n < 0 || n > maxFrameBytes {
		return 0, fmt.Errorf("read frame of %d bytes: %w", n, errLength)
	}
	return int(n), nil
}

// authFrame returns the request that proves who we are by a digest.
func authFrame(a Auth) []byte {
	const scheme = "digest"
	secret := a.Username + ":" + string(a.Password)
	frame := make([]byte, lengthBytes, lengthBytes+requestBytes+12+len(scheme)+len(secret))
	for _, n := range []int32{xidAuth, opAuth, 0} {
		frame = binary.BigEndian.AppendUint32(frame, uint32(n))
	}
	for _, text := range []string{scheme, secret} {
		frame = binary.BigEndian.AppendUint32(frame, uint32(len(text)))
		frame = append(frame, text...)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-lengthBytes))
	return frame
}
