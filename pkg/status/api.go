package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tributary/pkg/journal"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// statusReport is the answer of /api/v1/status. Its shape is a contract: fields may be added, none changes. Every field
// is always there; a number or time that is unknown is null, never 0.
type statusReport struct {
	Instance string        `json:"instance"`
	Zone     string        `json:"zone"`
	Version  string        `json:"version"`
	Time     time.Time     `json:"time"`   // of the snapshot: all else is as of then
	Config   *configReport `json:"config"` // null where there is no file to reload
	Links    []linkReport  `json:"links"`

	Heartbeats        []heartbeatReport        `json:"heartbeats"`         // by origin; empty where none are read
	HeartbeatClusters []heartbeatClusterReport `json:"heartbeat_clusters"` // where they are written and read

	Watchers         map[string]time.Time `json:"watchers"`          // when each was heard of last
	WatchersExpected map[string]float64   `json:"watchers_expected"` // the longest silence that the configuration allows, in seconds

	Eligible *eligibleReport `json:"eligible"` // whether the host may take new traffic
}

// statusPath is where the whole status is.
const statusPath = "/api/v1/status"

type linkReport struct {
	Name        string       `json:"name"`
	From        string       `json:"from"`
	To          string       `json:"to"`
	State       mirror.State `json:"state"`
	Guarantee   string       `json:"guarantee"`
	Problem     string       `json:"problem"`        // why topics are not known or not all started, or positions not saved
	Pool        *poolSummary `json:"pool,omitempty"` // absent where this process has all topics
	PausedUntil *time.Time   `json:"paused_until"`   // as a whole; null when it is not
	surroundings
	Topics []topicReport `json:"topics"`
}

type topicReport struct {
	Topic             string       `json:"topic"`
	Destination       string       `json:"destination"` // its name there, "" unknown
	Owner             string       `json:"owner"`       // instance; with commas where several share the topic, "" nobody
	Zone              string       `json:"zone"`        // of the owner, "" unknown
	Standby           string       `json:"standby"`     // instance that takes it when the owner dies
	Term              *int64       `json:"term"`        // grows with every owner; null outside of a pool and while there is none
	OwnedSince        *time.Time   `json:"owned_since"`
	State             mirror.State `json:"state"`
	PausedUntil       *time.Time   `json:"paused_until"` // by itself or with the link; null when it is not
	LagRecords        *int64       `json:"lag_records"`
	Speed             *float64     `json:"speed"`   // seconds of the source per second, over the last minute: 1 keeps pace, 0 stands still
	Problem           string       `json:"problem"` // why partitions are missing
	Warning           string       `json:"warning"` // what to know although records flow
	ReplicatedThrough *time.Time   `json:"replicated_through"`
	TombstoneDeadline *time.Time   `json:"tombstone_deadline"` // null too where the source is not compacted
	outlookReport
	Partitions []partitionReport `json:"partitions"`
}

type partitionReport struct {
	Partition       int32          `json:"partition"`
	State           mirror.State   `json:"state"`
	Reason          mirror.Cause   `json:"reason"`
	Regime          string         `json:"regime"`
	NextOffset      *int64         `json:"next_offset"`
	CommittedOffset *int64         `json:"committed_offset"`
	SourceEndOffset *int64         `json:"source_end_offset"` // the last stable offset
	HeldBack        *int64         `json:"held_back"`         // offsets behind it, which wait for the end of a transaction
	LossDeadline    *time.Time     `json:"loss_deadline"`     // the earliest of its causes
	Lost            *journal.Lost  `json:"lost"`
	Surplus         *journal.Range `json:"surplus,omitempty"`
	Error           string         `json:"error"`
	NextStep        string         `json:"next_step"` // of a halted partition: the usual one of Choices
	Choices         []choice       `json:"choices,omitempty"`
}

// status answers with the newest snapshot; with an error when that is no evidence of the present.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	snapshot, err := s.current()
	if err != nil {
		s.writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	report := newStatusReport(snapshot)
	if s.cfg.Watchers != nil {
		report.Watchers, report.WatchersExpected = s.cfg.Watchers.stamps()
	}
	report.Config = newConfigReport(s.cfg.Reloader)
	if s.cfg.Eligible != nil {
		report.Eligible = newEligibleReport(s.cfg.Eligible.State())
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

func newStatusReport(s *lag.Snapshot) statusReport {
	report := statusReport{Instance: s.Instance, Zone: s.Zone, Version: s.Version, Time: s.Time.UTC(), Links: []linkReport{},
		Heartbeats: newHeartbeatReports(s), HeartbeatClusters: newHeartbeatClusterReports(s),
		Watchers: map[string]time.Time{}, WatchersExpected: map[string]float64{}}
	for _, link := range s.Links {
		l := linkReport{Name: link.Name, From: link.From, To: link.To, State: link.State, Guarantee: guarantee(link),
			Problem: cmp.Or(link.Problem, link.SaveProblem), Pool: newPoolSummary(link.Pool), PausedUntil: link.PausedUntil, surroundings: newSurroundings(link), Topics: []topicReport{}}
		for _, topic := range link.Topics {
			l.Topics = append(l.Topics, newTopicReport(link, topic))
		}
		report.Links = append(report.Links, l)
	}
	return report
}

func newTopicReport(link lag.Link, topic lag.Topic) topicReport {
	t := topicReport{Topic: topic.Topic, Destination: topic.Dest, Owner: topic.Owner, Zone: topic.Zone, Standby: topic.Standby, OwnedSince: topic.OwnedSince, State: topic.State, PausedUntil: topic.PausedUntil, LagRecords: topic.LagRecords, Speed: topic.Speed, Problem: topic.Problem, Warning: topic.Warning,
		ReplicatedThrough: topic.ReplicatedThrough, TombstoneDeadline: topic.TombstoneDeadline, outlookReport: newOutlookReport(&topic.Outlook), Partitions: []partitionReport{}}
	if topic.Term > 0 {
		t.Term = &topic.Term
	}
	for _, p := range topic.Partitions {
		lost, surplus := journal.NewLost(p.Loss)
		t.Partitions = append(t.Partitions, partitionReport{Partition: p.Partition, State: p.State, Reason: p.Cause, Regime: regime(p.Fresh),
			NextOffset: p.Next, CommittedOffset: p.Committed, SourceEndOffset: p.SourceEnd, HeldBack: p.HeldBack, LossDeadline: p.LossDeadline, Lost: lost, Surplus: surplus, Error: p.Why,
			NextStep: nextStep(link, topic, p), Choices: choices(link, topic, p)})
	}
	return t
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
