package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is a pseudo terminal: what is written to the one side is typed at the other.
func terminal(t *testing.T) (host, user *os.File) {
	t.Helper()
	host, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	fd := int(host.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if user, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	return host, user
}

// TestTopRestoresTheTerminal ends it in every way there is.
func TestTopRestoresTheTerminal(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(host *os.File, cancel context.CancelFunc) error
	}{
		{"q", func(host *os.File, _ context.CancelFunc) error { _, err := host.WriteString("q"); return err }},
		{"Ctrl-C", func(host *os.File, _ context.CancelFunc) error { _, err := host.WriteString("\x03"); return err }},
		{"a signal", func(_ *os.File, cancel context.CancelFunc) error { cancel(); return nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			host, user := terminal(t)
			before, err := term.GetState(int(user.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			v, err := newViewer(viewOptions{address: serveView(t)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			shown := &notebook{}
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(shown, host) }) // it ends when the other side is closed
			ended := make(chan error, 1)                       // holds runTop's only answer
			go func() { ended <- runTop(ctx, user, user, v, &topScreen{}) }()
			text := ""
			waitFor(t, "the topics show", func() bool { text += shown.take(); return strings.Contains(text, "stuck") })
			if err := test.end(host, cancel); err != nil {
				t.Fatal(err)
			}
			select {
			case err = <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on")
			}
			after, failed := term.GetState(int(user.Fd()))
			if err != nil || failed != nil || *after != *before {
				t.Errorf("runTop() = %v; the terminal is %+v, was %+v: %v", err, after, before, failed)
			}
			waitFor(t, "the screen is given back", func() bool { text += shown.take(); return strings.HasSuffix(text, "\x1b[?1049l") })
			user.Close()
			reading.Wait()
		})
	}
}

// waitFor waits until done, and fails the test when that takes too long.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}
