package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/pkg/mirror"
)

func TestDemo(t *testing.T) {
	var once sync.Once
	livez := 0
	out := &transcript{told: func(text string) {
		_, rest, _ := strings.Cut(text, "http://")
		address, later, _ := strings.Cut(rest, "/\n")
		if strings.Contains(later, "unreachable") {
			once.Do(func() { livez = get(t, address, "/livez") })
		}
	}}
	log := &transcript{}
	options := DemoOptions{Records: 2000, Duration: 2 * time.Second, Seed: 1}
	err := Demo(t.Context(), options, out, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatalf("Demo() = %v\n%s\n%s", err, out, log)
	}
	for _, want := range []string{"simulated brokers", "2000 records over 2s, seed 1", "region's brokers become unreachable for 500ms", "region's brokers are back",
		"produced 2000  at home 2000", "lost 0  doubled 0  reordered 0  altered 0", "mirror validate -c mirror.yaml"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("output that is no terminal has control characters: %q", out)
	}
	if livez != 200 {
		t.Errorf("/livez answered %d, want 200", livez)
	}
	if log.String() != "" {
		t.Errorf("the mirror complained: %s", log)
	}
}

func TestDemoEndsEarly(t *testing.T) {
	for _, moment := range []string{"Status while it runs", "become unreachable"} {
		t.Run(moment, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out := &transcript{told: func(text string) {
				if strings.Contains(text, moment) {
					cancel()
				}
			}}
			err := Demo(ctx, DemoOptions{Records: 2000, Duration: 2 * time.Second, Seed: 1}, out, slog.New(slog.DiscardHandler))
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "before the comparison") {
				t.Errorf("Demo() = %v", err)
			}
			if strings.Contains(out.String(), "lost 0") {
				t.Errorf("a demo that was ended early claims a result:\n%s", out)
			}
		})
	}
}

func TestDemoRefuses(t *testing.T) {
	for _, o := range []DemoOptions{{Records: 0, Duration: time.Second}, {Records: 1}} {
		if err := Demo(t.Context(), o, io.Discard, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("Demo(%+v) = nil", o)
		}
	}
}

func TestDemoTellsWhenItCannotPrint(t *testing.T) {
	broken := errors.New("pipe is closed")
	read, write := io.Pipe()
	read.CloseWithError(broken)
	err := Demo(t.Context(), DemoOptions{Records: 1, Duration: time.Millisecond}, write, slog.New(slog.DiscardHandler))
	if !errors.Is(err, broken) {
		t.Errorf("Demo() = %v, want %v", err, broken)
	}
}

func TestDemoRecordsAreTheSameAgainAndAllDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, lane := range []*demoLane{{edge: "edge-a", partition: 0}, {edge: "edge-a", partition: 1}, {edge: "edge-b", partition: 0}} {
		for n := range int64(200) {
			r := fmt.Sprintf("%q", lane.record(1, n))
			if again := fmt.Sprintf("%q", lane.record(1, n)); again != r {
				t.Fatalf("%s/%d is %s, and again %s", lane.name(), n, r, again)
			}
			if other := fmt.Sprintf("%q", lane.record(2, n)); other == r {
				t.Errorf("%s/%d does not depend on the seed", lane.name(), n)
			}
			if seen[r] {
				t.Errorf("%s/%d is not the only one of its kind", lane.name(), n)
			}
			seen[r] = true
		}
	}
}

func TestDemoScreen(t *testing.T) {
	sample := demoSample{elapsed: 7 * time.Second, produced: 900, region: 800, home: 700, rate: 99.6, phase: phaseCut,
		states: map[mirror.State]int{mirror.StateWaiting: 3, mirror.StateCaughtUp: 2}}
	const line = "  7.0s  REGION CUT OFF  produced   900  region   800  home   700  behind  200   100/s  partitions: 3 waiting 2 caught up"
	at := time.Now()
	for _, test := range []struct {
		name        string
		live, color bool
		want        string
	}{
		{"plain", false, false, line + "\nsaid\n" + line + "\n"},
		{"terminal", true, false, "\r" + line + "\x1b[K\r" + line + "\x1b[K\r\x1b[Ksaid\n\r" + line + "\x1b[K"},
		{"terminal in colour", true, true, "\r\x1b[31m" + line + "\x1b[0m\x1b[K\r\x1b[31m" + line + "\x1b[0m\x1b[K\r\x1b[Ksaid\n\r\x1b[31m" + line + "\x1b[0m\x1b[K"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			s := &demoScreen{out: &out, color: test.color}
			if test.live {
				file, err := os.Open(os.DevNull) // of no width: nothing is cut
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				s.live = file
			}
			s.draw(sample, at)
			s.draw(sample, at.Add(demoRedraw/2)) // too early for either
			s.draw(sample, at.Add(demoRedraw))
			s.say("said")
			s.draw(sample, at.Add(demoPrint))
			if got := out.String(); got != test.want {
				t.Errorf("got\n%q, want\n%q", got, test.want)
			}
		})
	}
}

func TestDemoGate(t *testing.T) {
	gate := newDemoGate()
	listener, err := gate.listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	defer served.Wait()
	defer listener.Close()
	served.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // ends with the connection
			})
		}
	})
	echo := func(c net.Conn) error {
		if c == nil {
			return errors.New("no connection")
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return nil // a reset may come this early
		}
		conns = append(conns, c)
		return c
	}
	first := dial()
	if err := echo(first); err != nil {
		t.Fatalf("open gate: %v", err)
	}
	gate.cut()
	if err := echo(first); err == nil {
		t.Error("a connection survived the cut")
	}
	if err := echo(dial()); err == nil {
		t.Error("a new connection got through the shut gate")
	}
	gate.heal()
	if err := echo(dial()); err != nil {
		t.Errorf("healed gate: %v", err)
	}
}
