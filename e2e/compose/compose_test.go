// Package compose_test starts what docker-compose.yml says, where there is no container engine.
package compose_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/e2e/load"
)

const (
	patience     = 2 * time.Minute // with a busy machine
	pollInterval = 200 * time.Millisecond

	topic      = "events.demo" // matched by every link
	partitions = 3
	records    = 3000 // at each edge
)

// Docker-compose.yml, its commands and its configurations work together: every record of both edges arrives at home once, as
// does the generated load; the pool has three members in three zones; home hears of every mirror; Prometheus has them all, and finds
// nothing to alert; every health check passes.
func TestCompose(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real brokers")
	}
	s := newStage(t)
	s.build()
	s.startZooKeeper()
	s.startKafka("edge-a", "edge-b", "region", "home")
	mirrors := s.mirrors()
	for _, name := range mirrors {
		s.start(name, s.mirrorCommand(name, append(slices.Clone(s.image.Entrypoint), s.image.Cmd...)))
	}
	s.startPrometheus()
	s.startLoad()
	sources := s.produce("edge-a", "edge-b")

	s.await("the pool has three members in three zones", s.pooled)
	s.await("the generated load of both edges is at home", func(ctx context.Context) error { return s.arrived(ctx, "clicks", 200) })
	s.await("all that was produced is at home", func(ctx context.Context) error { return s.arrived(ctx, topic, 2*records) })
	result, err := load.Compare(t.Context(), sources, load.Destination{Seeds: []string{s.addrs["home:9092"]}, Topic: topic}, load.Spread)
	if err == nil {
		err = result.Err()
	}
	if err != nil || result.Matched != 2*records {
		t.Errorf("%d records are at home as they were written, want %d: %v", result.Matched, 2*records, err)
	}
	s.await("home hears the mirrors of both edges and of the region", s.heard)
	s.await("Prometheus scrapes every mirror and evaluates the rules", s.watched)
	for _, name := range mirrors {
		if out, err := s.mirrorCommand(name, s.image.Health).CombinedOutput(); err != nil {
			t.Errorf("the health check of %s: %v: %s", name, err, out)
		}
	}
	if out, err := s.mirrorCommand("mirror-region-b", []string{"mirror", "verify", "region-home"}).CombinedOutput(); err != nil {
		t.Errorf("mirror verify, as docs/install.md has it: %v: %s", err, out)
	}
}

// mirrors are the services that are mirrors, of those that start without a profile.
func (s *stage) mirrors() (names []string) {
	for name, service := range s.file.Services {
		if service.isMirror() && len(service.Profiles) == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// produce writes records that can be told apart into each edge.
func (s *stage) produce(edges ...string) (sources []load.Source) {
	s.t.Helper()
	for i, edge := range edges {
		seeds := []string{s.addrs[edge+":9092"]}
		client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
		if err != nil {
			s.t.Fatal(err)
		}
		_, err = kadm.NewClient(client).CreateTopic(s.t.Context(), partitions, 1, nil, topic)
		client.Close()
		if err != nil {
			s.t.Fatalf("create %s at %s: %v", topic, edge, err)
		}
		report, err := load.Produce(s.t.Context(), seeds, load.Spec{Topic: topic, Partitions: partitions, Records: records, Seed: uint64(i) + 1, Shapes: load.Everything})
		if err != nil || report.Acked() != records {
			s.t.Fatalf("produce at %s: %d acknowledged, want %d: %v", edge, report.Acked(), records, err)
		}
		sources = append(sources, load.Source{Seeds: seeds, Topic: topic})
	}
	return sources
}

// await asks until there is no error any more.
func (s *stage) await(what string, ask func(context.Context) error) {
	s.t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			s.t.Logf("%s after %v", what, time.Since(begun).Round(time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("still not: %s: %v", what, err)
		case <-ticker.C:
		}
	}
}

// arrived wants at least some records of a topic at home.
func (s *stage) arrived(ctx context.Context, topic string, want int64) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addrs["home:9092"]))
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	var have int64
	ends.Each(func(o kadm.ListedOffset) { have += o.Offset })
	if have < want {
		return fmt.Errorf("%d records, want %d", have, want)
	}
	return nil
}

// ask reads what a service answers.
func (s *stage) ask(ctx context.Context, service, path string, value any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addrs[service]+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", service, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(value)
}

// pooled wants the members of docker-compose.yml in the pool.
func (s *stage) pooled(ctx context.Context) error {
	var answer struct {
		Pools []struct {
			Members []struct{ Instance, Zone string }
		}
	}
	if err := s.ask(ctx, "mirror-region-b:9464", "/api/v1/pool", &answer); err != nil {
		return err
	}
	var got []string
	for _, pool := range answer.Pools {
		for _, m := range pool.Members {
			got = append(got, m.Instance+" in "+m.Zone)
		}
	}
	slices.Sort(got)
	if want := "mirror-region-a in a, mirror-region-b in b, mirror-region-c in c"; strings.Join(got, ", ") != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

// heard wants a heartbeat of every mirror that writes them.
func (s *stage) heard(ctx context.Context) error {
	var answer struct {
		Heartbeats []struct{ Origin, State string }
	}
	if err := s.ask(ctx, "mirror-home:9464", "/api/v1/status", &answer); err != nil {
		return err
	}
	var got []string
	for _, h := range answer.Heartbeats {
		got = append(got, h.Origin+" "+h.State)
	}
	slices.Sort(got)
	if want := "mirror-edge-a ok, mirror-edge-b ok, mirror-region-a ok, mirror-region-b ok, mirror-region-c ok"; strings.Join(got, ", ") != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

// watched wants every target of Prometheus up, every rule evaluated, and no alert of the mirrors firing but the one that always is.
func (s *stage) watched(ctx context.Context) error {
	var targets struct {
		Data struct {
			ActiveTargets []struct{ ScrapeURL, Health, LastError string }
		}
	}
	if err := s.ask(ctx, "localhost:9090", "/api/v1/targets", &targets); err != nil {
		return err
	}
	if got, want := len(targets.Data.ActiveTargets), len(s.mirrors())+1; got != want { // and itself
		return fmt.Errorf("%d targets, want %d", got, want)
	}
	for _, target := range targets.Data.ActiveTargets {
		if target.Health != "up" {
			return fmt.Errorf("%s is %s: %s", target.ScrapeURL, target.Health, target.LastError)
		}
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Type, Health, State, LastError string }
			}
		}
	}
	if err := s.ask(ctx, "localhost:9090", "/api/v1/rules", &rules); err != nil {
		return err
	}
	evaluated := 0
	for _, group := range rules.Data.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" || rule.State == "firing" && rule.Name != "MirrorWatchdog" {
				return fmt.Errorf("rule %s is %s, %s: %s", rule.Name, rule.Health, rule.State, rule.LastError)
			}
			evaluated++
		}
	}
	if evaluated == 0 {
		return errors.New("no rules")
	}
	return nil
}
