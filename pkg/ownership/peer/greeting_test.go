package peer

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

const (
	alice = "alice-0123abcd-0000000001"
	bob   = "bob-0123abcd-0000000002"
)

func hello() greeting {
	return greeting{kind: kindHello, process: [16]byte{1, 15: 9}, pool: "/mirror/up", from: alice, to: bob}
}

func TestGreetingsSurviveTheWire(t *testing.T) {
	longest := hello()
	longest.pool, longest.from, longest.to = strings.Repeat("p", maxPoolBytes), strings.Repeat("f", maxIncarnationBytes), strings.Repeat("t", maxIncarnationBytes)
	unborn := hello()
	unborn.kind, unborn.from = kindWelcome, ""
	for name, want := range map[string]greeting{"hello": hello(), "longest": longest, "welcome of no member": unborn, "refusal": {kind: kindRefusal}} {
		rest := bytes.NewReader(append(want.encode(), "..."...))
		got, err := readGreeting(rest)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
		if rest.Len() != 3 {
			t.Errorf("%s: %d bytes are left, want 3", name, rest.Len())
		}
	}
}

func TestGreetingsAreRefused(t *testing.T) {
	changed := func(change func(*greeting)) []byte {
		g := hello()
		change(&g)
		return g.encode()
	}
	set := func(at int, b byte) []byte {
		data := hello().encode()
		data[at] = b
		return data
	}
	for name, data := range map[string][]byte{
		"nothing":             {},
		"HTTP":                []byte("GET / HTTP/1.1\r\n\r\n"),
		"another magic":       set(0, 'T'),
		"another format":      set(4, 2),
		"too long":            set(5, 0xff),
		"shorter than it is":  set(6, 20),
		"ends early":          hello().encode()[:30],
		"unknown kind":        changed(func(g *greeting) { g.kind = 4 }),
		"no kind":             changed(func(g *greeting) { g.kind = 0 }),
		"no pool":             changed(func(g *greeting) { g.pool = "" }),
		"pool too long":       changed(func(g *greeting) { g.pool = strings.Repeat("p", maxPoolBytes+1) }),
		"from nobody":         changed(func(g *greeting) { g.from = "" }),
		"to nobody":           changed(func(g *greeting) { g.to = "" }),
		"from with a newline": changed(func(g *greeting) { g.from = "a\nb" }),
		"from too long":       changed(func(g *greeting) { g.from = strings.Repeat("f", maxIncarnationBytes+1) }),
		"welcome to nobody":   changed(func(g *greeting) { g.kind, g.from, g.to = kindWelcome, "", "" }),
		"talkative refusal":   changed(func(g *greeting) { g.kind = kindRefusal }),
	} {
		if g, err := readGreeting(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, g)
		}
	}
}

func TestInstanceOf(t *testing.T) {
	for incarnation, want := range map[string]string{
		alice: "alice", "a-b.c-0123abcd-0000000001": "a-b.c", "": "", "alice": "", "-0123abcd-0000000001": "",
		"alice-0123abcd_0000000001": "", "0123456789012345678901234567890": "",
	} {
		if got := instanceOf(incarnation); got != want {
			t.Errorf("instanceOf(%q) = %q, want %q", incarnation, got, want)
		}
	}
}

// FuzzGreeting: whatever the bytes, what is accepted is sound, is what its own encoding says, and nothing behind it is read.
func FuzzGreeting(f *testing.F) {
	f.Add(hello().encode())
	f.Add(greeting{kind: kindRefusal}.encode())
	f.Add([]byte("trib\x01\x00\x11"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		g, err := readGreeting(r)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		if again := append(g.encode(), rest...); !bytes.Equal(again, data) {
			t.Errorf("%+v encodes to %q, want %q", g, again, data)
		}
		if g.pool == "" != (g.kind == kindRefusal) || strings.ContainsAny(g.from+g.to, "\n\x00 /") {
			t.Errorf("accepted %+v", g)
		}
	})
}
