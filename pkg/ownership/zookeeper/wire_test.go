package zookeeper

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"testing"
	"time"
)

func TestGreetingIsRead(t *testing.T) {
	const session = "0123456789abcdef"
	for name, test := range map[string]struct {
		body string // hex
		want greeting
		ok   bool
	}{
		"accepted":              {"00000000" + "00000fa0" + session + "00000000" + "00", greeting{4 * time.Second, 0x0123456789abcdef}, true},
		"without what follows":  {"00000000" + "00000fa0" + session, greeting{4 * time.Second, 0x0123456789abcdef}, true},
		"expired":               {"00000000" + "00000000" + "0000000000000000", greeting{}, true},
		"short":                 {"00000000" + "00000fa0" + "01234567", greeting{}, false},
		"empty":                 {"", greeting{}, false},
		"timeout of nothing":    {"00000000" + "00000000" + session, greeting{}, false},
		"timeout below nothing": {"00000000" + "ffffffff" + session, greeting{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseGreeting(unhex(t, test.body))
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestAnswerIsRead(t *testing.T) {
	got, err := parseAnswer(unhex(t, "0000002a"+"0000000000000007"+"ffffff9b"+"aabb"))
	if err != nil || got.xid != 42 || got.code != -101 || !bytes.Equal(got.rest, []byte{0xaa, 0xbb}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parseAnswer(make([]byte, answerBytes-1)); !errors.Is(err, errShort) {
		t.Errorf("a short one: got %v", err)
	}
}

func TestEventIsRead(t *testing.T) {
	const header = "ffffffff" + "ffffffffffffffff" + "00000000"
	for name, test := range map[string]struct {
		rest string
		want event
		ok   bool
	}{
		"deleted":             {"00000002" + "00000003" + "00000002" + "2f61", event{eventDeleted, "/a"}, true},
		"no path":             {"00000002" + "00000003", event{}, false},
		"path is cut":         {"00000002" + "00000003" + "00000003" + "2f61", event{}, false},
		"path of no length":   {"00000002" + "00000003" + "ffffffff" + "2f61", event{}, false},
		"path of huge length": {"00000002" + "00000003" + "7fffffff" + "2f61", event{}, false},
		"nothing":             {"", event{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := parseAnswer(unhex(t, header+test.rest))
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.event()
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestWatchableRequests(t *testing.T) {
	for name, test := range map[string]struct {
		op   int32
		rest string
		path string
		of   kind
		ok   bool
	}{
		"get":           {opGet, "00000002" + "2f61" + "00", "/a", ofNode, true},
		"exists":        {opExists, "00000002" + "2f61" + "00", "/a", ofNode, true},
		"children":      {opChildren, "00000002" + "2f61" + "00", "/a", ofChildren, true},
		"sync":          {opSync, "00000002" + "2f61", "", 0, false},
		"without flag":  {opGet, "00000002" + "2f61", "/a", ofNode, false},
		"with too much": {opGet, "00000002" + "2f61" + "0000", "/a", ofNode, false},
		"without path":  {opGet, "", "", ofNode, false},
	} {
		t.Run(name, func(t *testing.T) {
			path, of, ok := request{op: test.op, rest: unhex(t, test.rest)}.watchable()
			if ok != test.ok || ok && (path != test.path || of != test.of) {
				t.Errorf("got %q, %d, %v", path, of, ok)
			}
		})
	}
}

func TestIdentityIsAFrame(t *testing.T) {
	got := authFrame(Auth{Username: "mirror", Password: "hush"})
	want := unhex(t, "00000025"+"fffffffc"+"00000064"+"00000000"+"00000006"+hex.EncodeToString([]byte("digest"))+
		"0000000b"+hex.EncodeToString([]byte("mirror:hush")))
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever a server says, what the library gets is whole frames of it, and its length is bounded.
func FuzzServerSays(f *testing.F) {
	hello := frameOf(append(make([]byte, 4), unhexMust("00000fa0"+"0123456789abcdef"+"00000000")...))
	f.Add(slicesOf(hello, frameOf(make([]byte, answerBytes))))
	f.Add(slicesOf(hello, frameOf(unhexMust("ffffffff"+"ffffffffffffffff"+"00000000"+"00000002"+"00000003"+"00000002"+"2f61"))))
	f.Add(slicesOf(hello, frameOf(unhexMust("fffffffc"+"0000000000000000"+"ffffff8d"))))
	f.Add(slicesOf(frameOf(make([]byte, 16))))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add(binary.BigEndian.AppendUint32(nil, math.MaxInt32))
	f.Fuzz(func(t *testing.T, said []byte) {
		s := newSession(timeout)
		c := &conn{Conn: &script{in: bytes.NewReader(said)}, session: s, handshake: time.Second}
		c.clock.greet(time.Now())
		got, err := io.ReadAll(c)
		if err == nil && len(got) < len(said) {
			t.Errorf("of %d bytes %d arrive, without an error", len(said), len(got))
		}
		for rest := got; len(rest) > 0; {
			if len(rest) < lengthBytes || len(rest)-lengthBytes < int(binary.BigEndian.Uint32(rest)) {
				t.Fatalf("the library gets a part of a frame: %x", rest)
			}
			rest = rest[lengthBytes+int(binary.BigEndian.Uint32(rest)):]
		}
		if cap(c.frame) > 2*maxFrameBytes {
			t.Errorf("a buffer of %d bytes", cap(c.frame))
		}
	})
}

func frameOf(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func unhexMust(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
