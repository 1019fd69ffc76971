package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

const (
	scrapeTopics     = 50
	scrapePartitions = 6 // of each topic

	scrapes      = 40
	scrapeWithin = 50 * time.Millisecond
	seriesLimit  = 2000
	proberLimit  = 0.02 // of a core
)

// With 50 topics of 6 partitions, a scrape takes less than 50 ms and has fewer than 2,000 series; it asks no cluster
// anything; and the prober costs less than 2 % of a core.
func TestScrape(t *testing.T) {
	t.Parallel() // its clusters are its own, and idle for the most part
	from, to := kafka.New(t, kafka.Options{}), kafka.New(t, kafka.Options{})
	for i := range scrapeTopics {
		must(t, from.CreateTopic(within(t, time.Minute), fmt.Sprintf("scrape-%02d", i), scrapePartitions, 1, map[string]string{"retention.bytes": "1073741824"}))
	}
	h := newHost(t, between("scrape", from, to, "scrape-*"))
	h.start(t)
	eventually(t, 2*time.Minute, "deadlines of all topics are known", func(ctx context.Context) error { return knowsAll(ctx, h) })
	requireCheapProber(t, h)
	requireQuickScrapes(t, h, "while all is well")
	for _, c := range []*kafka.Cluster{from, to} {
		must(t, c.Node(1).Freeze())
	}
	requireQuickScrapes(t, h, "while no broker answers")
	for _, c := range []*kafka.Cluster{from, to} {
		must(t, c.Node(1).Thaw())
	}
	h.stop(t)
}

// knowsAll returns an error unless every topic is there and it is known by when something of it is lost.
func knowsAll(ctx context.Context, h *host) error {
	if err := knowsDeadlines(ctx, h); err != nil {
		return err
	}
	report, err := h.status(ctx)
	if err == nil && len(report.Links[0].Topics) != scrapeTopics {
		err = fmt.Errorf("%d topics, want %d", len(report.Links[0].Topics), scrapeTopics)
	}
	return err
}

// requireQuickScrapes counts the series of a scrape, and takes the time of many: the best quarter counts, because tests share
// their machine.
func requireQuickScrapes(t *testing.T, h *host, when string) {
	t.Helper()
	var took []time.Duration
	series := 0
	for range scrapes {
		begun := time.Now()
		must(t, h.ask(within(t, 10*time.Second), "/metrics", func(body io.Reader) error {
			text, err := io.ReadAll(body)
			took = append(took, time.Since(begun))
			series = 0
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, "#") {
					series++
				}
			}
			return err
		}))
	}
	slices.Sort(took)
	t.Logf("%s: %d series; a scrape took %v at best, %v in the middle, %v at worst", when, series, took[0], took[scrapes/2], took[scrapes-1])
	if series >= seriesLimit || series < scrapeTopics*20 {
		t.Errorf("%s: %d series, want fewer than %d", when, series, seriesLimit)
	}
	if got := took[scrapes/4]; got >= scrapeWithin {
		t.Errorf("%s: a quarter of the scrapes took less than %v only, want %v", when, got, scrapeWithin)
	}
}

// requireCheapProber measures an idle mirror as a whole, and by a profile the part of it that is the prober.
func requireCheapProber(t *testing.T, h *host) {
	t.Helper()
	watch := size(20*time.Second, time.Minute)
	profiled := make(chan error, 1)
	path := filepath.Join(t.TempDir(), "profile")
	go func() { profiled <- profile(t.Context(), h, watch, path) }()
	watching, cancel := context.WithTimeout(t.Context(), watch)
	defer cancel()
	samples, err := load.Processes(watching, h.run.pid(), time.Second)
	must(t, err)
	must(t, <-profiled)
	whole := samples.CPU().Seconds() / samples[len(samples)-1].At.Sub(samples[0].At).Seconds()
	prober, err := shareOf(t.Context(), path, `tributary/pkg/probe`)
	must(t, err)
	t.Logf("idle: %.2f %% of a core, of which the prober %.2f %% by its profile", whole*100, prober*whole*100)
	if prober*whole >= proberLimit {
		t.Errorf("the prober: got %.2f %% of a core, want less than %.0f %%", prober*whole*100, proberLimit*100)
	}
}

// profile writes a CPU profile of the mirror into a file.
func profile(ctx context.Context, h *host, watch time.Duration, path string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.settings.StateDir, "mirror.sock"))
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/debug/pprof/profile?seconds="+strconv.Itoa(int(watch.Seconds())), nil)
	if err != nil {
		return fmt.Errorf("profile the mirror: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("profile the mirror: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	if err != nil {
		return fmt.Errorf("profile the mirror: %w", err)
	}
	return os.WriteFile(path, body, 0o600)
}

// shareOf returns which share of a profile's samples has a function with that name on its stack; 0 of none.
func shareOf(ctx context.Context, path, focus string) (float64, error) {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-text", "-focus="+focus, path).CombinedOutput()
	if bytes.Contains(out, []byte("no matches")) || bytes.Contains(out, []byte("matches no samples")) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the profile: %w: %s", err, out)
	}
	found := regexp.MustCompile(`accounting for [^,]+, +([0-9.]+)% of`).FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("read the profile: no share in %s", out)
	}
	percent, err := strconv.ParseFloat(string(found[1]), 64)
	return percent / 100, err
}
