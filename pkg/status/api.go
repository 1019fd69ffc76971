package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/journal"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// statusPath is where the whole status is.
const statusPath = "/api/v1/status"

// status answers with the newest snapshot; with an error when that is no evidence of the present.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	snapshot, err := s.current()
	if err != nil {
		s.writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	report := newStatus(snapshot)
	if s.cfg.Watchers != nil {
		report.Watchers, report.WatchersExpected = s.cfg.Watchers.stamps()
	}
	report.Config = newConfig(s.cfg.Reloader)
	if s.cfg.Eligible != nil {
		report.Eligible = newEligible(s.cfg.Eligible.State())
	}
	s.writeJSON(w, http.StatusOK, report)
}

func (s *Server) writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.log.Error("status not encoded", "err", err)
		http.Error(w, fmt.Sprintf("encode status: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // a client that went away is no error of ours
}

func newStatus(s *lag.Snapshot) api.Status {
	report := api.Status{Instance: s.Instance, Zone: s.Zone, Version: s.Version, Time: s.Time.UTC(), Links: []api.Link{},
		Heartbeats: newHeartbeats(s), HeartbeatClusters: newHeartbeatClusters(s),
		Watchers: map[string]time.Time{}, WatchersExpected: map[string]float64{}}
	for _, link := range s.Links {
		l := api.Link{Name: link.Name, From: link.From, To: link.To, State: string(link.State), Guarantee: guarantee(link), Problem: cmp.Or(link.Problem, link.SaveProblem),
			Pool: newPoolSummary(link.Pool), PausedUntil: link.PausedUntil, Rate: link.Rate, Probe: newProbe(link.Probe), Disks: newDisks(link.Disks), Retention: api.Shares(link.Retention), Topics: []api.Topic{}}
		for _, topic := range link.Topics {
			l.Topics = append(l.Topics, newTopic(link, topic))
		}
		report.Links = append(report.Links, l)
	}
	return report
}

func newTopic(link lag.Link, topic lag.Topic) api.Topic {
	t := api.Topic{Topic: topic.Topic, Destination: topic.Dest, Owner: topic.Owner, Zone: topic.Zone, Standby: topic.Standby, OwnedSince: topic.OwnedSince, State: string(topic.State), PausedUntil: topic.PausedUntil,
		LagRecords: topic.LagRecords, Speed: topic.Speed, Problem: topic.Problem, Warning: topic.Warning,
		ReplicatedThrough: topic.ReplicatedThrough, TombstoneDeadline: topic.TombstoneDeadline, Outlook: newOutlook(&topic.Outlook), Partitions: []api.Partition{}}
	if topic.Term > 0 {
		t.Term = &topic.Term
	}
	for _, p := range topic.Partitions {
		lost, surplus := journal.NewLost(p.Loss)
		side, class := blamed(p.Blame)
		t.Partitions = append(t.Partitions, api.Partition{Partition: p.Partition, State: string(p.State), Reason: string(p.Cause), Regime: regime(p.Fresh),
			NextOffset: p.Next, CommittedOffset: p.Committed, SourceEndOffset: p.SourceEnd, HeldBack: p.HeldBack, LossDeadline: p.LossDeadline,
			Lost: (*api.Lost)(lost), Surplus: (*api.Range)(surplus), Error: p.Why, ErrorSide: side, ErrorClass: class,
			NextStep: nextStep(link, topic, p), Choices: choices(link, topic, p)})
	}
	return t
}

// blamed are the words for where an error was met, and of what kind it is; "" where nobody knows.
func blamed(b *mirror.Blame) (side, class string) {
	if b == nil {
		return "", ""
	}
	return b.Side.String(), b.Class.String()
}

func guarantee(link lag.Link) string {
	if link.AtLeastOnce {
		return "at-least-once"
	}
	return "exactly-once"
}

func regime(fresh bool) string {
	if fresh {
		return "fresh"
	}
	return "careful"
}
