package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/api"
	"tributary/pkg/journal"
)

// reloadTimeout bounds a reload: a file is read, and nothing else that takes time is done.
const reloadTimeout = 20 * time.Second

// ErrUnsound is wrapped by the error of a reload of a configuration that cannot be read or is wrong.
var ErrUnsound = errors.New("the configuration is not usable")

// Reloader applies a changed configuration. All methods are safe for concurrent use.
type Reloader interface {
	// Reload reads the configuration anew and applies what changed, all of it or nothing. Its error says what stands against
	// it, and wraps ErrUnsound where the file itself does.
	Reload(ctx context.Context) ([]Changed, error)
	// Reloaded returns how that went last. It does no I/O.
	Reloaded() Reloaded
}

// Changed is a key of the configuration that has another value now. Secrets are not in it.
type Changed struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Reloaded is the state of the configuration.
type Reloaded struct {
	At      time.Time // since when the present one is in force: the newest reload that went well, or the start
	Problem string    // why the newest reload changed nothing, "" when it went well
}

// reloadReport is the answer to a reload that went well.
type reloadReport struct {
	Changed []Changed `json:"changed"`
}

// newConfig is null for a process that cannot reload.
func newConfig(r Reloader) *api.Config {
	if r == nil {
		return nil
	}
	now := r.Reloaded()
	return &api.Config{Reloaded: now.At.UTC(), Problem: now.Problem}
}

// reload applies the configuration anew.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if err := readBody(r.Body, &struct{}{}); err != nil {
		s.writeError(w, http.StatusBadRequest, err)
		return
	}
	if s.cfg.Reloader == nil {
		s.writeError(w, http.StatusNotFound, errors.New("this process has no configuration file that it could read again"))
		return
	}
	ctx, cancel, err := s.begin(w, r, reloadTimeout)
	if err != nil {
		s.writeError(w, http.StatusServiceUnavailable, err)
		return
	}
	defer cancel()
	report := reloadReport{Changed: []Changed{}}
	asked := journal.Event{Kind: journal.KindReloadRequested}
	_, code, err := s.carry(ctx, asked, journal.KindReloadDone, journal.KindReloadFailed, reloadCode, func(outcome *journal.Event) error {
		changed, err := s.cfg.Reloader.Reload(ctx)
		report.Changed = append(report.Changed, changed...)
		outcome.Text = DescribeChanges(changed)
		return err
	})
	if err != nil {
		s.writeError(w, code, err)
		return
	}
	s.writeJSON(w, http.StatusOK, report)
}

func reloadCode(err error) int {
	if errors.Is(err, ErrUnsound) {
		return http.StatusUnprocessableEntity
	}
	return http.StatusConflict
}

// DescribeChanges says in one line what a reload changed.
func DescribeChanges(changed []Changed) string {
	if len(changed) == 0 {
		return "nothing has changed"
	}
	lines := make([]string, len(changed))
	for i, c := range changed {
		lines[i] = fmt.Sprintf("%s: %s -> %s", c.Key, c.From, c.To)
	}
	return strings.Join(lines, "; ")
}

// reloadMetrics are as of the scrape.
func reloadMetrics(r Reloader) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mirror_config_last_reload_successful", Help: "1 while the newest configuration is in force, 0 after a reload that changed nothing as it was refused."},
			func() float64 {
				if r.Reloaded().Problem != "" {
					return 0
				}
				return 1
			}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "mirror_config_last_reload_success_timestamp_seconds", Help: "When the configuration was read that is in force."},
			func() float64 { return float64(r.Reloaded().At.UnixMilli()) / 1000 }),
	}
}
