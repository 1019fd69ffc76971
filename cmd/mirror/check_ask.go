package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// watcherHeader tells the mirror who watches it. It believes that of those who may change things alone, at its socket.
const watcherHeader = "Mirror-Watcher"

// errHangs says that a mirror took a connection, and did not answer before the time was over.
var errHangs = errors.New("the mirror did not answer in time: it hangs; see its log, and: mirror debug bundle")

// asker asks a mirror for what checks and views need.
type asker struct {
	base    string // URL
	watcher string // who asks, "" for people, whose asking proves no watcher alive
	client  *http.Client
	explain func(error) error
	remote  bool // its clock may be another one than ours
}

// newAsker asks at the address, if one is named, else at the socket.
func newAsker(o *checkOptions) (*asker, error) {
	if o.address == "" {
		c, err := newControl(o.stateDir, o.config, o.named)
		if err != nil {
			return nil, err
		}
		return &asker{base: "http://mirror", watcher: o.watcher(), client: c.client, explain: c.explain}, nil
	}
	address, err := statusAddress(statusOptions{address: o.address, config: o.config, named: o.named})
	if err != nil {
		return nil, err
	}
	a := askAt(address)
	a.watcher = o.watcher()
	return a, nil
}

// watcher is who asks.
func (o *checkOptions) watcher() string {
	if o.anonymous {
		return ""
	}
	return "sensu"
}

// askAt asks at host:port.
func askAt(address string) *asker {
	explain := func(err error) error {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("no mirror answers at %s; start it, or name another with --address", address)
		}
		return fmt.Errorf("ask the mirror at %s: %w", address, err)
	}
	return &asker{base: "http://" + address, remote: true, explain: explain,
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// ask returns the report, with readiness if that is wanted, and the time to judge it by. That of a remote mirror is its own.
func (a *asker) ask(ctx context.Context, readiness bool) (*api.Status, check.Readiness, time.Time, error) {
	var report api.Status
	var ready check.Readiness
	code, body, err := a.get(ctx, "/api/v1/status")
	if err != nil {
		return nil, ready, time.Time{}, err
	}
	if code != http.StatusOK {
		var told struct{ Error string }
		if json.Unmarshal(body, &told) != nil || told.Error == "" {
			told.Error = fmt.Sprintf("the mirror answered %d %s", code, http.StatusText(code))
		}
		return nil, ready, time.Time{}, errors.New(told.Error)
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return nil, ready, time.Time{}, fmt.Errorf("read the mirror's answer: %w; is that a mirror of this version?", err)
	}
	now := time.Now()
	if a.remote && !report.Time.IsZero() {
		now = report.Time
	}
	if readiness {
		if code, body, err = a.get(ctx, "/readyz"); err != nil {
			return nil, ready, now, err
		}
		ready = check.Readiness{Ready: code == http.StatusOK, Text: string(body)}
	}
	return &report, ready, now, nil
}

// hung says why the process does not work any more by its own word, "" while it does. A mirror that starts does.
func (a *asker) hung(ctx context.Context) (string, error) {
	code, body, err := a.get(ctx, "/livez")
	if err != nil || code == http.StatusOK {
		return "", err
	}
	return strings.TrimSpace(string(body)), nil
}

func (a *asker) get(ctx context.Context, path string) (code int, body []byte, err error) {
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	request, err := http.NewRequestWithContext(traced, http.MethodGet, a.base+path, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("ask the mirror: %w", err)
	}
	if a.watcher != "" {
		request.Header.Set(watcherHeader, a.watcher)
	}
	response, err := a.client.Do(request)
	switch {
	case err != nil && ctx.Err() != nil && connected.Load():
		return 0, nil, errHangs
	case err != nil && ctx.Err() != nil:
		return 0, nil, fmt.Errorf("nobody took the connection in time: %w", a.explain(err))
	case err != nil:
		return 0, nil, a.explain(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxStatusBytes))
	if err != nil && ctx.Err() != nil {
		return 0, nil, errHangs
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the mirror's answer: %w", err)
	}
	return response.StatusCode, body, nil
}
