package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestTalk lets the other end of a stream behave in all ways that are not an end of it, in simulated time.
func TestTalk(t *testing.T) {
	discard := func(far net.Conn) { _, _ = io.Copy(io.Discard, far) }
	for _, test := range []struct {
		name  string
		far   func(far net.Conn)
		want  error
		after time.Duration // at least
		quiet int           // the longest silence that is told
		dying bool          // such an end is looked into
	}{
		{"half-open: nothing ever comes", discard, errDeaf, deafBeats * beat, deafBeats + 1, false},
		{"half-open: nothing is even taken", func(net.Conn) {}, os.ErrDeadlineExceeded, beat, 0, false},
		{"it falls silent for a while, and is heard again", func(far net.Conn) {
			go discard(far)
			for range 3 {
				time.Sleep(20 * beat)
				_, _ = far.Write([]byte{byteBeat})
			}
			time.Sleep(beat / 2)
			_ = far.Close()
		}, io.EOF, 60 * beat, 20, true},
		{"unknown bytes are signs of life", func(far net.Conn) {
			go discard(far)
			for range 40 {
				time.Sleep(beat)
				_, _ = far.Write([]byte("?"))
			}
			_, _ = far.Write([]byte{byteGoodbye})
		}, errGoodbye, 40 * beat, 1, false},
		{"noise", func(far net.Conn) {
			go discard(far)
			_, _ = far.Write(make([]byte, noise+300))
		}, errNoise, 0, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer func() { _ = far.Close() }()
				defer func() { _ = near.Close() }()
				go test.far(far)
				begin, quiet := time.Now(), 0
				err := (&stream{conn: near}).talk(t.Context(), func(q int) { quiet = max(quiet, q) })
				if !errors.Is(err, test.want) || time.Since(begin) < test.after {
					t.Errorf("got %v after %v, want %v after %v", err, time.Since(begin), test.want, test.after)
				}
				if quiet > test.quiet || quiet < test.quiet-1 {
					t.Errorf("%d silent beats were told, want %d", quiet, test.quiet)
				}
				if got := closedByPeer(err); got != test.dying {
					t.Errorf("%v counts as an end of the other side: %v, want %v", err, got, test.dying)
				}
			})
		})
	}
}

func TestTalkEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		defer func() { _ = near.Close() }()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		ctx, cancel := context.WithCancelCause(t.Context())
		begin := time.Now()
		time.AfterFunc(beat/2, func() { cancel(errLeave) })
		if err := (&stream{conn: near}).talk(ctx, func(int) {}); !errors.Is(err, errLeave) || time.Since(begin) != beat/2 {
			t.Errorf("got %v after %v, want %v after %v", err, time.Since(begin), errLeave, beat/2)
		}
	})
}
