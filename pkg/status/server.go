package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rcrowley/go-metrics"
	"golang.org/x/sync/errgroup"

	"tributary/pkg/eligible"
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
	maxBodyBytes    = 1 << 10 // a command is a few words
)

// Config is where and what to serve.
type Config struct {
	// Listen is the host:port to listen on; port 0 takes a free one. On a loopback address only requests that name a
	// loopback host are answered. Without a Token nothing can be changed through it.
	Listen string
	// Socket is the path of a Unix socket on which the same is served, and on top of it what operators may change. Its
	// directory must be this process's alone. Empty: none.
	Socket string
	// Token lets who sends it change things through Listen too. Empty: nobody can.
	Token string
	// Links are those of the process, by name.
	Links map[string]Link
	// Pools are those of the links that are shared with other processes, by name of the link.
	Pools map[string]Pool
	// Journal keeps the events. Nil: there are none, and nothing can be changed.
	Journal Journal
	// Reloader reads the configuration anew. Nil: there is no file to read.
	Reloader Reloader
	// Pauser lets links and topics pause. Nil: they cannot.
	Pauser Pauser
	// Logged counts the lines of the process's log. Nil: they are not counted.
	Logged *Lines
	// HeartbeatLatency counts the heartbeats that this process reads. Nil: it reads none.
	HeartbeatLatency *HeartbeatLatency
	// AckDuration counts how long destinations take to answer. Nil: that is not counted.
	AckDuration *AckDuration
	// Heartbeats are those that this process reads. Nil: it reads none.
	Heartbeats Heartbeats
	// Clients are what Kafka clients count, by cluster. Empty: nothing of it is shown.
	Clients map[string]metrics.Registry
	// Series bounds the metrics.
	Series Series
	// Watchers remembers who watches this process. Nil: nothing does.
	Watchers *Watchers
	// Eligible is whether the host may take new traffic. Nil: there is no /poolz.
	Eligible Eligible
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
	cfg       Config // set once
	doors     []door // set once; the first is that of Config.Listen
	snapshots func() *lag.Snapshot
	created   time.Time
	page      *page
	log       *slog.Logger

	reading sync.Mutex // one reading of the journal's files at a time
}

// door is one address with what is served there.
type door struct {
	listener net.Listener
	server   *http.Server
}

// New listens and registers the metrics with reg; nothing is answered before Run, which also closes the listeners.
// snapshots returns the newest snapshot, nil before the first; it is called at any time from any goroutine.
func New(cfg Config, snapshots func() *lag.Snapshot, reg *prometheus.Registry, log *slog.Logger) (*Server, error) {
	if err := register(reg, cfg, snapshots); err != nil {
		return nil, err
	}
	page, err := newPage()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, snapshots: snapshots, created: time.Now(), page: page, log: log}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve status on %s: %w; free the address or change listen", cfg.Listen, err)
	}
	views := s.views(reg)
	if cfg.Token != "" {
		views.Handle("POST /api/v1/", s.authorized(s.changes(http.NewServeMux())))
	}
	viewing := bounded(views)
	if isLoopback(listener.Addr()) {
		viewing = onlyLocalHosts(viewing)
	}
	s.doors = []door{{listener, newHTTP(viewing, log)}}
	if cfg.Socket == "" {
		return s, nil
	}
	socket, err := listenSocket(cfg.Socket)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	changing := newHTTP(bounded(s.stamped(checker, profiles(s.changes(s.views(reg))), http.StatusOK)), log)
	changing.ConnContext = withPeer
	s.doors = append(s.doors, door{socket, changing})
	return s, nil
}

func newHTTP(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func bounded(handler http.Handler) http.Handler {
	return http.MaxBytesHandler(withHeaders(handler), maxBodyBytes)
}

// Addr is the address that is listened on, with the port that was taken.
func (s *Server) Addr() string { return s.doors[0].listener.Addr().String() }

// Run answers requests until ctx ends and then lets those under way finish for a moment. It returns nil when ctx ended.
// Call it once.
func (s *Server) Run(ctx context.Context) error {
	doors, working := errgroup.WithContext(ctx)
	for _, d := range s.doors {
		doors.Go(func() error { return d.run(working) })
	}
	return doors.Wait()
}

// run answers requests until ctx ends. What a request does ends with ctx too.
func (d door) run(ctx context.Context) error {
	d.server.BaseContext = func(net.Listener) context.Context { return ctx }
	served := make(chan error, 1) // one result, which may come after nobody waits for it
	go func() { served <- d.server.Serve(d.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve status on %s: %w", d.listener.Addr(), err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := d.server.Shutdown(bounded)
	if err != nil { // a client does not finish: it is cut off
		err = d.server.Close()
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if err != nil {
		return fmt.Errorf("stop serving status on %s: %w", d.listener.Addr(), err)
	}
	return nil
}

// views are what can be looked at, from everywhere.
func (s *Server) views(reg *prometheus.Registry) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.stamped(scraper, metricsHandler(reg, s.log), http.StatusOK))
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /healthz", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET "+statusPath, s.status)
	if s.cfg.Eligible != nil {
		mux.Handle("GET "+eligible.Path, s.stamped(balancer, http.HandlerFunc(s.poolz), http.StatusOK, http.StatusServiceUnavailable))
	}
	mux.HandleFunc("GET /api/v1/pool", s.pools)
	mux.HandleFunc("GET /api/v1/events", s.events)
	mux.HandleFunc("GET /style.css", s.page.serveStyle)
	mux.HandleFunc("GET /{$}", s.servePage)
	return mux
}

// changes adds what can be changed.
func (s *Server) changes(mux *http.ServeMux) *http.ServeMux {
	mux.Handle("POST /api/v1/links/{link}/topics/{topic}/partitions/{partition}/skip", onlyJSON(s.skip))
	mux.Handle("POST /api/v1/reload", onlyJSON(s.reload))
	mux.Handle("POST /api/v1/links/{link}/pause", onlyJSON(s.pause))
	mux.Handle("POST /api/v1/links/{link}/resume", onlyJSON(s.resume))
	mux.Handle("POST /api/v1/heartbeats/{origin}/forget", onlyJSON(s.forget))
	mux.Handle("POST /api/v1/links/{link}/pool/drain", onlyJSON(s.drain))
	mux.Handle("POST /api/v1/links/{link}/pool/pin", onlyJSON(s.pin))
	mux.Handle("POST /api/v1/links/{link}/pool/unpin", onlyJSON(s.unpin))
	if s.cfg.Eligible != nil {
		mux.Handle("POST /api/v1/eligible", onlyJSON(s.setEligible))
	}
	return mux
}
