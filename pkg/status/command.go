package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"tributary/pkg/journal"
)

// noteTimeout bounds the writing of one event.
const noteTimeout = 10 * time.Second

// peerKey is the key of the peer's user id in a request's context.
type peerKey struct{}

// withPeer notes who connected.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if uid, ok := peerUID(conn); ok {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

// onlyJSON refuses what a form on a web page can send: a browser asks before it sends JSON elsewhere, and is refused.
func onlyJSON(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(w, "a command has the Content-Type application/json", http.StatusUnsupportedMediaType)
			return
		}
		next(w, r)
	})
}

// readBody reads the body of a command: one document, with known keys only.
func readBody(body io.Reader, request any) error {
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	if err := in.Decode(request); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read the request: there is more than one document")
	}
	return nil
}

// noLink is the error of a command to a link that there is not.
func (s *Server) noLink(name string) error {
	return fmt.Errorf("there is no link %q; the mirror has: %s", name, strings.Join(slices.Sorted(maps.Keys(s.cfg.Links)), ", "))
}

// begin makes time for a command. It fails where the command could not be written down.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, d time.Duration) (context.Context, context.CancelFunc, error) {
	if s.cfg.Journal == nil {
		return nil, nil, errors.New("this process keeps no journal, and what is not in it is not done")
	}
	if err := allow(w, d); err != nil {
		return nil, nil, fmt.Errorf("make time for the request: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

// allow gives a request more time than the others have. The body was read.
func allow(w http.ResponseWriter, d time.Duration) error {
	control := http.NewResponseController(w)
	err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Now().Add(d+writeTimeout)))
	if errors.Is(err, http.ErrNotSupported) { // there is no connection whose time could run out
		return nil
	}
	return err
}

// carry does what an operator asked for between its two events: asked is on disk before, and the outcome afterwards, of kind
// done with what do writes into it, or failed. It returns the outcome and an error, with the code to answer it by.
func (s *Server) carry(ctx context.Context, asked journal.Event, done, failed journal.Kind, codeOf func(error) int, do func(outcome *journal.Event) error) (journal.Event, int, error) {
	if uid, ok := ctx.Value(peerKey{}).(uint32); ok {
		asked.UID = &uid
	}
	asked.Remote, _ = ctx.Value(remoteKey{}).(string) // else by the socket
	if err := s.note(ctx, asked); err != nil {
		return asked, http.StatusServiceUnavailable, fmt.Errorf("nothing was done, as it could not be written down before: %w; see to the disk of the state_dir", err)
	}
	outcome := asked
	outcome.Kind = done
	err := do(&outcome)
	if err != nil {
		outcome.Kind, outcome.Text = failed, err.Error()
	}
	if noted := s.note(context.WithoutCancel(ctx), outcome); noted != nil { // it is done all the same
		s.log.Error("outcome of a command not written into the journal", "kind", outcome.Kind, "link", outcome.Link, "topic", outcome.Topic, "outcome", outcome.Text, "err", noted)
	}
	if err != nil {
		return outcome, codeOf(err), err
	}
	return outcome, 0, nil
}

func (s *Server) note(ctx context.Context, e journal.Event) error {
	bounded, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	return s.cfg.Journal.AddNow(bounded, e)
}
