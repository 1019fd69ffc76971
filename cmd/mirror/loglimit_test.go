package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// TestLinesInMindAreBounded writes more different lines than are kept in mind: none of them may be left out.
func TestLinesInMindAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lines{seen: map[string]*line{}}
		for i := range 3 * maxRepeats {
			if _, write := s.take(fmt.Sprint(i), time.Now()); !write {
				t.Fatalf("line %d is left out", i)
			}
		}
		if len(s.seen) > maxRepeats {
			t.Errorf("%d lines are kept in mind", len(s.seen))
		}
		time.Sleep(repeatEvery)
		s.take("new", time.Now())
		if len(s.seen) != 1 {
			t.Errorf("%d lines are kept in mind after all are old", len(s.seen))
		}
	})
}
