package kafka

import (
	"bytes"
	"testing"
	"time"
)

// Faults that begin in mid-stream: what was carried before arrives, nothing behind it does.
func TestProxyLosesPartOfAStream(t *testing.T) {
	small, large := []byte("small"), bytes.Repeat([]byte{1}, 3000)
	for _, c := range []struct {
		name  string
		begin func(*Proxy)
	}{
		{"silent after", func(p *Proxy) { p.SilenceAfter(1000) }},
		{"silent on", func(p *Proxy) { p.SilenceOn(0x0101) }}, // the key that large begins with
		{"large lost", func(p *Proxy) { p.LoseLarge(1400) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := echoProxy(t)
			c.begin(p)
			conn := dial(t, p)
			if err := echo(conn, small, patience); err != nil {
				t.Fatalf("small, before: %v", err)
			}
			if err := echo(conn, large, 100*time.Millisecond); !isTimeout(err) {
				t.Fatalf("large: got %v, want a timeout", err)
			}
			if err := echo(conn, small, 100*time.Millisecond); !isTimeout(err) {
				t.Fatalf("small, behind it: got %v, want a timeout", err)
			}
			if s := p.Stats(); s.Silenced != 1 || s.SwallowedUp == 0 {
				t.Errorf("got %d silenced connections and %d swallowed bytes, want 1 and some", s.Silenced, s.SwallowedUp)
			}
			if err := p.Heal(); err != nil {
				t.Fatal(err)
			}
			if err := echo(conn, small, patience); err == nil {
				t.Error("the torn connection still answers after Heal")
			}
			mustEcho(t, dial(t, p), "after")
		})
	}
}

func TestProxyResetsAfterBytes(t *testing.T) {
	p := echoProxy(t)
	p.ResetAfter(1000)
	conn := dial(t, p)
	mustEcho(t, conn, "small")
	if err := echo(conn, make([]byte, 3000), patience); err == nil || isTimeout(err) {
		t.Fatalf("more than the connection may carry: got %v, want a reset", err)
	}
	if s := p.Stats(); s.Reset != 1 {
		t.Errorf("resets: got %d, want 1", s.Reset)
	}
}

func TestProxyDropsRequestsAlone(t *testing.T) {
	p := echoProxy(t)
	conn := dial(t, p)
	mustEcho(t, conn, "before")
	p.DropRequests()
	if err := echo(conn, []byte("lost"), 100*time.Millisecond); !isTimeout(err) {
		t.Fatalf("got %v, want a timeout", err)
	}
	if s := p.Stats(); s.SwallowedUp != 4 || s.SwallowedDown != 0 {
		t.Errorf("swallowed: got %d bytes up and %d down, want 4 and 0", s.SwallowedUp, s.SwallowedDown)
	}
}

func TestProxySlices(t *testing.T) {
	p := echoProxy(t)
	p.Slice(7)
	if err := echo(dial(t, p), bytes.Repeat([]byte("0123456789"), 1000), patience); err != nil {
		t.Fatal(err)
	}
}
