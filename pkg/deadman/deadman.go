// Package deadman tells a service elsewhere that all is well, again and again. When it hears no more of it, the service raises the
// alarm: for everything that keeps a mirror from copying, and for what keeps it from saying so.
package deadman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

const (
	// timeout bounds one ping.
	timeout = 10 * time.Second
	// lookEvery is how often the links are looked at while a ping is due and they are not healthy.
	lookEvery = 5 * time.Second
	// maxAnswer is how much of an answer is read: nobody looks at it.
	maxAnswer = 4 << 10
)

// Config says what is pinged, and when.
type Config struct {
	URL      string        // a secret: it is in no log and no error
	Method   string        // GET or POST
	Interval time.Duration // from one ping that was accepted to the next

	Healthy  func() error // nil while all is well. Answers from memory
	Accepted func()       // is called after each ping that was accepted
}

// Pinger pings. Create with New.
type Pinger struct {
	cfg    Config
	client *http.Client
	log    *slog.Logger
}

// New returns a pinger that does not run.
func New(cfg Config, log *slog.Logger) *Pinger {
	return &Pinger{cfg: cfg, client: &http.Client{Timeout: timeout}, log: log}
}

// Run pings until ctx ends: at once and then every interval while all is healthy. A ping that fails is made again with growing
// pauses, the interval at most. It returns nil.
func (p *Pinger) Run(ctx context.Context) error {
	defer p.client.CloseIdleConnections()
	back := lookEvery
	var wait time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if p.cfg.Healthy() != nil { // the status says what is the matter
			wait = min(lookEvery, p.cfg.Interval)
			continue
		}
		if err := p.ping(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("dead-man's service did not accept a ping", "err", err)
			wait, back = min(back, p.cfg.Interval), min(2*back, p.cfg.Interval)
			continue
		}
		p.cfg.Accepted()
		wait, back = p.cfg.Interval, lookEvery
	}
}

func (p *Pinger) ping(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, p.cfg.Method, p.cfg.URL, nil)
	if err != nil {
		return errors.New("ping the dead-man's service: deadman.url is not usable")
	}
	response, err := p.client.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL
		}
		return fmt.Errorf("ping the dead-man's service: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // lets the connection be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("ping the dead-man's service: it answered %s", response.Status)
	}
	return nil
}
