package status

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/ownership/pool"
)

// staleAfter is the age at which a snapshot stops being evidence that the process works; one is taken every second.
const staleAfter = 30 * time.Second

// errStarting says that nothing was observed yet.
var errStarting = errors.New("starting: nothing was observed yet")

// current returns the newest snapshot, and an error when there is none or it is stale.
func (s *Server) current() (*lag.Snapshot, error) {
	snapshot := s.snapshots()
	if snapshot == nil {
		return nil, errStarting
	}
	if age := time.Since(snapshot.Time); age >= staleAfter {
		return snapshot, fmt.Errorf("the last look at the links is %v old: this process hangs", age.Round(time.Second))
	}
	return snapshot, nil
}

// Alive says whether the process works: nil, or what is wrong. It never depends on a cluster: restarting cures no outage.
// Livez answers with it, and the watchdog of the service manager is fed by it.
func (s *Server) Alive() error {
	_, err := s.current()
	if errors.Is(err, errStarting) && time.Since(s.created) < staleAfter {
		return nil
	}
	return err
}

// livez answers whether the process works.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	if err := s.Alive(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeText(w, http.StatusOK, "ok\n")
}

// result is the outcome of one check.
type result struct {
	name string
	err  error
}

// readyz says whether the process does what it was configured to, and is a member of its pools. It does not depend on lag or
// on a cluster: a mirror that lags must not keep its own repair from being rolled out.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	code, verbose := http.StatusOK, r.URL.Query().Has("verbose")
	var text strings.Builder
	for _, result := range s.ready() {
		switch {
		case result.err != nil:
			code = http.StatusServiceUnavailable
			fmt.Fprintf(&text, "[-] %s: %v\n", result.name, result.err)
		case verbose:
			fmt.Fprintf(&text, "[+] %s\n", result.name)
		}
	}
	if code == http.StatusOK {
		text.WriteString("ready\n")
	} else {
		text.WriteString("not ready\n")
	}
	writeText(w, code, text.String())
}

// ready runs all checks. The first snapshot comes after the configuration was applied and every link was made.
func (s *Server) ready() []result {
	snapshot, err := s.current()
	results := []result{{"config applied and observed", err}}
	if snapshot != nil {
		for _, link := range snapshot.Links {
			var err error
			if !link.Running {
				err = errors.New("starting")
			}
			results = append(results, result{"link " + link.Name, err})
			if link.Pool != nil {
				results = append(results, result{"pool of link " + link.Name, member(link.Pool, time.Now())})
			}
		}
	}
	for _, check := range s.cfg.Checks {
		results = append(results, result{check.Name, check.Err()})
	}
	return results
}

// member says why this process is no working member of a pool. A connection that was lost may come back for as long as its
// session can live: until then it is one. A mirror that is stopped for its repair while ZooKeeper is out of reach leaves
// topics behind that nobody can take, so this counts, though it is no fault of this process.
func member(v *pool.View, now time.Time) error {
	if why := v.Absent(); why != "" {
		return errors.New(why)
	}
	if v.Phase == pool.Suspended && now.Sub(v.Since) >= v.Timeout {
		return fmt.Errorf("ZooKeeper is out of reach since %s", v.Since.UTC().Format(time.RFC3339))
	}
	return nil
}

// writeText answers. A client that went away is no error of ours.
func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text))
}
