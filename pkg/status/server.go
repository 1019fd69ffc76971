package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/lag"
)

// Limits of the server. Answers are made from memory; what takes longer is a client that does not read.
const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	writeTimeout    = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 3 * time.Second
	maxHeaderBytes  = 16 << 10
	maxBodyBytes    = 1 << 10 // no request has a body
)

// Config is where and how to serve.
type Config struct {
	// Listen is the host:port to listen on; port 0 takes a free one. On a loopback address only requests that name a
	// loopback host are answered.
	Listen string
	// Checks are conditions of /readyz beyond those of this package, in the order to show them. They must be about this
	// process, answer from memory, and never be about lag or a cluster. May be empty.
	Checks []Check
}

// Check is one condition of readiness.
type Check struct {
	Name string
	Err  func() error // nil: fulfilled. Called at any time from any goroutine
}

// Server serves the status of one process. Create with New.
type Server struct {
	listener  net.Listener
	server    *http.Server
	snapshots func() *lag.Snapshot
	checks    []Check
	created   time.Time
	page      *page
	log       *slog.Logger
}

// New listens and registers the metrics with reg; nothing is answered before Run, which also closes the listener.
// snapshots returns the newest snapshot, nil before the first; it is called at any time from any goroutine.
func New(cfg Config, snapshots func() *lag.Snapshot, reg *prometheus.Registry, log *slog.Logger) (*Server, error) {
	if err := register(reg, snapshots); err != nil {
		return nil, err
	}
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve status on %s: %w; free the address or change listen", cfg.Listen, err)
	}
	s := &Server{listener: listener, snapshots: snapshots, checks: cfg.Checks, created: time.Now(), page: page, log: log}
	s.server = &http.Server{
		Handler:           s.handler(reg),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Addr is the address that is listened on, with the port that was taken.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run answers requests until ctx ends and then lets those under way finish for a moment. It returns nil when ctx ended.
// Call it once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1) // one result, which may come after nobody waits for it
	go func() { served <- s.server.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve status on %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := s.server.Shutdown(bounded)
	if err != nil { // a client does not finish: it is cut off
		err = s.server.Close()
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if err != nil {
		return fmt.Errorf("stop serving status on %s: %w", s.Addr(), err)
	}
	return nil
}

func (s *Server) handler(reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(reg, s.log))
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /healthz", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/v1/status", s.status)
	mux.HandleFunc("GET /style.css", s.page.serveStyle)
	mux.HandleFunc("GET /{$}", s.servePage)
	handler := http.MaxBytesHandler(withHeaders(mux), maxBodyBytes)
	if isLoopback(s.listener.Addr()) {
		return onlyLocalHosts(handler)
	}
	return handler
}
