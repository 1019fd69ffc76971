package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSameLineIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		root := slog.New(newLimiter(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
		log := root.With("link", "up")
		wait := func(partition, port int) {
			log.Warn("waits", "partition", partition, "err", fmt.Errorf("dial 10.0.0.1:%d: refused", port))
		}
		expect := func(when string, want ...string) {
			t.Helper()
			got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if out.Len() == 0 {
				got = nil
			}
			out.Reset()
			if len(got) != len(want) {
				t.Fatalf("%s: got %q, want %d lines", when, got, len(want))
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("%s: got %q, want %q in it", when, got[i], want[i])
				}
			}
		}
		for port := range 50 {
			wait(1, port)
		}
		expect("one of fifty that differ in the error's numbers", "partition=1")
		wait(2, 0)
		log.Warn("waits", "partition", 1, "err", errors.New("another reason"))
		log.Error("waits", "partition", 1, "err", errors.New("dial 10.0.0.1:1: refused"))
		root.With("link", "down").Warn("waits", "partition", 1, "err", errors.New("dial 10.0.0.1:1: refused"))
		root.WithGroup("up").Warn("waits", "partition", 1)
		expect("what differs in anything else", "partition=2", "another reason", "ERROR", "link=down", "up.partition=1")
		time.Sleep(repeatEvery - time.Millisecond)
		wait(1, 7)
		expect("within ten seconds")
		time.Sleep(time.Millisecond)
		wait(1, 8)
		expect("after ten seconds", "repeated=50")
		time.Sleep(repeatEvery)
		wait(1, 9)
		expect("after ten seconds more", "partition=1")
	})
}

// notebook is a log in memory. Safe for concurrent use.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

// take returns what was written since the last call.
func (n *notebook) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.text.Reset()
	return n.text.String()
}

// TestTheLastRepetitionIsTold: an error that ceases within the ten seconds is not left at its first line.
func TestTheLastRepetitionIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &notebook{}
		handler := newLimiter(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
		log := slog.New(handler).With("link", "up")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { handler.Run(ctx) })
		expect := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got := out.take(); got != want {
				t.Errorf("%s: got\n%swant\n%s", when, got, want)
			}
		}
		wait := func(times int, port string) {
			for range times {
				log.Warn("waits", "err", errors.New("dial :"+port))
			}
		}
		const line = "level=WARN msg=waits link=up err=\"dial :"
		wait(4, "1")
		wait(1, "2")
		log.Warn("once")
		expect("at first", line+"1\"\nlevel=WARN msg=once link=up\n")
		time.Sleep(repeatEvery - time.Second)
		expect("within ten seconds", "")
		time.Sleep(2 * time.Second)
		expect("after ten seconds: the last of four that were left out", line+"2\" repeated=3\n")
		wait(1, "3")
		expect("one more, soon after a line", "")
		time.Sleep(repeatEvery + time.Second)
		expect("ten seconds later: nothing else was left out", line+"3\"\n")
		time.Sleep(3 * repeatEvery)
		expect("no more", "")
		wait(3, "4")
		cancel()
		running.Wait()
		expect("at the end", line+"4\"\n"+line+"4\" repeated=1\n")
	})
}

// TestLinesInMindAreBounded writes more different lines than are kept in mind: none of them may be left out.
func TestLinesInMindAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lines{seen: map[string]*line{}}
		for i := range 3 * maxRepeats {
			if _, write := s.take(fmt.Sprint(i), repetition{record: slog.Record{Time: time.Now()}}); !write {
				t.Fatalf("line %d is left out", i)
			}
		}
		if len(s.seen) > maxRepeats {
			t.Errorf("%d lines are kept in mind", len(s.seen))
		}
		time.Sleep(repeatEvery)
		s.take("new", repetition{record: slog.Record{Time: time.Now()}})
		if len(s.seen) != 1 {
			t.Errorf("%d lines are kept in mind after all are old", len(s.seen))
		}
	})
}
