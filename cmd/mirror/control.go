package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// control asks the running mirror where things may also be changed: over the socket in its state directory, or with its token at an
// address.
type control struct {
	stateDir string // "" at an address
	base     string // URL
	token    string // "" at the socket
	client   *http.Client
}

// errNoMirror says that nobody answers at the socket.
var errNoMirror = errors.New("no mirror runs there")

// newControl finds the state directory: as named, else that of the configuration, else this host's default.
func newControl(stateDir, path string, named bool) (*control, error) {
	var err error
	if stateDir == "" {
		stateDir, err = config.StateDir(path)
	}
	if errors.Is(err, fs.ErrNotExist) && !named {
		stateDir, err = config.DefaultStateDir()
	}
	if err != nil {
		return nil, &exitError{exitConfig, fmt.Errorf("find the mirror, which may well run: its configuration does not tell its state directory; name it with --state-dir%s: %w", usualStateDir(), err)}
	}
	socket := app.Socket(stateDir)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	return &control{stateDir: stateDir, base: "http://mirror", client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}, nil
}

// usualStateDir is an example of what to name: this host's default, if it has one.
func usualStateDir() string {
	usual, err := config.DefaultStateDir()
	if err != nil {
		return ""
	}
	return ", such as --state-dir " + usual
}

// get asks for a path and reads the answer into value.
func (c *control) get(ctx context.Context, path string, value any) error {
	return c.ask(ctx, http.MethodGet, path, nil, value, statusTimeout)
}

// ask sends a request, with a body if there is one, and reads the answer into value.
func (c *control) ask(ctx context.Context, method, path string, body, value any, timeout time.Duration) error {
	if body != nil && c.stateDir == "" && c.token == "" {
		return &exitError{exitUsage, errors.New("to change something at an address takes the mirror's status_token: name a file that holds it with --token-file")}
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(bounded, method, c.base+path, &sent)
	if err != nil {
		return fmt.Errorf("ask the mirror: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.client.Do(request)
	if err != nil && ctx.Err() != nil && body != nil {
		return errors.New("interrupted; the mirror may have done it all the same, see: mirror events")
	}
	if err != nil {
		return c.explain(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxStatusBytes))
	if err != nil {
		return fmt.Errorf("read the mirror's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return c.refusal(response, answer)
	}
	if err := json.Unmarshal(answer, value); err != nil {
		return fmt.Errorf("read the mirror's answer: %w; is that a mirror of this version?", err)
	}
	return nil
}

// explain says what to do when the mirror cannot be reached.
func (c *control) explain(err error) error {
	if c.stateDir == "" {
		return c.explainAddress(err)
	}
	socket := app.Socket(c.stateDir)
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // without the URL, whose host is made up
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("ask the mirror at %s: %w; start it, or name its directory with --state-dir or its configuration with --config", socket, errNoMirror)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("ask the mirror at %s: %w; run this as the user that the mirror runs as", socket, err)
	}
	return fmt.Errorf("ask the mirror at %s: %w; see its log", socket, err)
}

// refused is what the mirror answered instead of doing what it was asked.
type refused struct {
	code int // of HTTP
	text string
}

func (r *refused) Error() string { return r.text }

// refusal is the error that an answer tells of.
func (c *control) refusal(response *http.Response, answer []byte) error {
	var told struct{ Error string }
	if json.Unmarshal(answer, &told) == nil && told.Error != "" {
		return &refused{response.StatusCode, cleanLines(told.Error)}
	}
	if c.stateDir == "" {
		return c.refusedAt(response)
	}
	return fmt.Errorf("the mirror answered %s; see its log", response.Status)
}
