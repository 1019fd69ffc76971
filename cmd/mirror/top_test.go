package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tributary/pkg/api"
)

// screenOf is a screen that has taken a look.
func screenOf(t *testing.T, width, height int) *topScreen {
	t.Helper()
	now := time.Now()
	var r api.Status
	if err := json.Unmarshal([]byte(viewBody(now)), &r); err != nil {
		t.Fatal(err)
	}
	s := &topScreen{width: width, height: height}
	s.take(topLook{report: &r, now: now, events: []event{{ID: 1, Kind: "halted", Link: "up", Text: "gone\x1b[2J"}, {ID: 2, Kind: "skip_done", Link: "up"}}})
	return s
}

// names are the topics that the screen shows, in order.
func (s *topScreen) names() string {
	var list []string
	for _, row := range s.topics()[1:] {
		list = append(list, strings.Fields(row[1])[1])
	}
	return strings.Join(list, " ")
}

func TestTopKeys(t *testing.T) {
	s := screenOf(t, 120, 40)
	for _, step := range []struct {
		key  byte
		want string
	}{
		{0, "stuck cfg idle dark catching"},
		{'s', "dark stuck catching cfg idle"}, // behind
		{'s', "stuck dark catching cfg idle"}, // state
		{'s', "cfg catching dark idle stuck"}, // name
		{'s', "stuck cfg idle dark catching"},
		{'l', "stuck idle dark catching"},
		{'l', "cfg"},
		{'l', "stuck cfg idle dark catching"},
	} {
		if s.key(step.key) {
			t.Fatalf("key %q ends", step.key)
		}
		if got := s.names(); got != step.want {
			t.Errorf("after %q: got %q, want %q", step.key, got, step.want)
		}
	}
	for _, key := range []byte("\x1b[A") { // an arrow is none of ours
		if s.key(key) {
			t.Error("an arrow ends")
		}
	}
	for _, key := range []byte{'q', 3, 4} {
		if !s.key(key) {
			t.Errorf("key %q does not end", key)
		}
	}
}

func TestTopFits(t *testing.T) {
	for _, size := range [][2]int{{120, 40}, {40, 12}, {20, 5}, {10, 2}, {5, 1}} {
		s := screenOf(t, size[0], size[1])
		for range 2 {
			lines := s.lines(time.Now())
			if len(lines) > max(2, s.height) {
				t.Errorf("%v, events %v: %d lines", size, s.events, len(lines))
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) > s.width || strings.ContainsAny(line, "\x1b\n\r") {
					t.Errorf("%v: line %q", size, line)
				}
			}
			s.key('e')
		}
	}
	s := screenOf(t, 120, 40)
	s.key('e')
	if text := strings.Join(s.lines(time.Now()), "\n"); !strings.Contains(text, "halted") || !strings.Contains(text, "skip_done") {
		t.Errorf("no events in\n%s", text)
	}
}

func TestTopTellsOfAMirrorThatIsGone(t *testing.T) {
	s := &topScreen{width: 80, height: 24}
	if got := s.lines(time.Now())[0]; got != "asking the mirror" {
		t.Errorf("got %q", got)
	}
	s.take(topLook{err: errors.New("refused")})
	if got := s.lines(time.Now())[0]; got != "refused" {
		t.Errorf("got %q", got)
	}
	s = screenOf(t, 80, 24)
	s.take(topLook{err: errors.New("refused")})
	if got := strings.Join(s.lines(time.Now().Add(12*time.Second)), "\n"); !strings.Contains(got, "NOT ANSWERING, shown is what was 12s ago: refused") || !strings.Contains(got, "stuck") {
		t.Errorf("got\n%s", got)
	}
}

func TestTopNeedsATerminal(t *testing.T) {
	if got := mirror(t, "top", "--address", "127.0.0.1:1"); got.code != exitUsage || !strings.Contains(got.stderr, "needs a terminal") {
		t.Errorf("exit %d, %s", got.code, got.stderr)
	}
}
