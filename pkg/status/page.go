package status

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// maxRows bounds the page; the API has everything.
const maxRows = 500

// unknown stands for what is not known.
const unknown = "?"

//go:embed page.html
var pageHTML string // constant: only embedding makes it a variable

//go:embed style.css
var styleCSS string // constant likewise

// page is the parsed template.
type page struct{ template *template.Template }

func newPage() (*page, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("parse the status page: %w", err)
	}
	return &page{t}, nil
}

func (*page) serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(styleCSS)) // a client that went away is no error of ours
}

// view is what the page shows.
type view struct {
	Starting, Stale         bool
	Instance, Zone, Version string
	Memory, Time, Age       string
	Links                   []linkRow
	Pools                   []poolRow
	Disks                   []diskRow
	Members                 []memberRow
	Origins                 []originRow
	OriginCounts            []string
	HeartbeatProblems       []string
	MoreOrigins             int
	Rows                    []topicRow
	More                    int
}

type linkRow struct {
	Class, State, Name, From, To, Guarantee, Saved, Why string
	Topics                                              int
}

type topicRow struct {
	Class, State, Link, Topic, Owner, Behind, LossIn, Lag, Why string
	Choices                                                    []api.Choice
	Lost                                                       int64
	Partitions                                                 int

	through *time.Time
}

// servePage shows the newest snapshot. It writes into memory first, so that an error is never half a page.
func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	snapshot, stale := s.current()
	v := view{Starting: true}
	if snapshot != nil {
		v = newView(snapshot, time.Now())
		v.Stale = stale != nil
	}
	var body bytes.Buffer
	if err := s.page.template.Execute(&body, v); err != nil {
		s.log.Error("page not rendered", "err", err)
		http.Error(w, fmt.Sprintf("render the page: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body.Bytes()) // a client that went away is no error of ours
}

func newView(s *lag.Snapshot, now time.Time) view {
	v := view{Instance: s.Instance, Zone: cmp.Or(s.Zone, unknown), Version: cmp.Or(s.Version, unknown),
		Memory: mebibytes(s.BudgetUsed) + " of " + mebibytes(&s.BudgetTotal), Time: s.Time.UTC().Format(time.RFC3339), Age: ago(&s.Time, now)}
	for _, link := range s.Links {
		v.Links = append(v.Links, newLinkRow(link, now))
		v.addPool(link.Name, link.Pool, now)
		v.addDisks(link, now)
		for _, topic := range link.Topics {
			v.Rows = append(v.Rows, newTopicRow(link, topic, now))
		}
	}
	v.addHeartbeats(s, now)
	slices.SortStableFunc(v.Rows, worstFirst)
	v.More = max(0, len(v.Rows)-maxRows)
	v.Rows = v.Rows[:len(v.Rows)-v.More]
	return v
}

// worstFirst orders by urgency, then by how far behind; what is unknown is the furthest behind.
func worstFirst(a, b topicRow) int {
	if c := cmp.Compare(lag.Urgency(mirror.State(a.State)), lag.Urgency(mirror.State(b.State))); c != 0 {
		return c
	}
	switch {
	case a.through == nil || b.through == nil:
		return cmp.Compare(known(a.through), known(b.through))
	default:
		return a.through.Compare(*b.through)
	}
}

func known(t *time.Time) int {
	if t == nil {
		return 0
	}
	return 1
}

func newLinkRow(link lag.Link, now time.Time) linkRow {
	return linkRow{Class: class(link.State), State: string(link.State), Name: link.Name, From: link.From, To: link.To,
		Guarantee: guarantee(link), Topics: len(link.Topics), Saved: ago(link.LastSave, now), Why: cmp.Or(link.Problem, link.SaveProblem)}
}

func newTopicRow(link lag.Link, topic lag.Topic, now time.Time) topicRow {
	row := topicRow{Class: class(topic.State), State: string(topic.State), Link: link.Name, Topic: topic.Topic, Owner: cmp.Or(topic.Owner, unknown),
		Behind: behind(topic.ReplicatedThrough, now), LossIn: lossIn(link, &topic.Outlook, now), Lag: unknown, Why: cmp.Or(topic.Problem, topic.Warning), Partitions: len(topic.Partitions), through: topic.ReplicatedThrough}
	if topic.LagRecords != nil {
		row.Lag = strconv.FormatInt(*topic.LagRecords, 10)
	}
	for _, n := range topic.Lost {
		row.Lost += n
	}
	worst, ok := worstPartition(topic.Partitions)
	if ok && worst.Why != "" && (row.Why == "" || worst.State == mirror.StateHalted) {
		row.Why = fmt.Sprintf("partition %d: %s", worst.Partition, worst.Why)
	}
	if worst.Loss != nil {
		row.Why += "; lost: " + worst.Loss.String()
	}
	row.Choices = choices(link, topic, worst)
	return row
}

// worstPartition returns the partition to explain a topic by. ok is false when there is none.
func worstPartition(partitions []lag.Partition) (worst lag.Partition, ok bool) {
	if len(partitions) == 0 {
		return lag.Partition{}, false
	}
	return slices.MinFunc(partitions, func(a, b lag.Partition) int {
		return cmp.Compare(lag.Urgency(a.State), lag.Urgency(b.State))
	}), true
}

// class colours a row: bad for what stands still until someone acts, warn for what waits. The word says the same.
func class(s mirror.State) string {
	switch s {
	case mirror.StateCopying, mirror.StateCaughtUp, lag.StateElsewhere:
		return "ok"
	case mirror.StateWaiting, mirror.StateStarting, mirror.StateThrottled, mirror.StatePaused:
		return "warn"
	}
	return "bad"
}

func mebibytes(n *int64) string {
	if n == nil {
		return unknown
	}
	return fmt.Sprintf("%.1f MiB", float64(*n)/(1<<20))
}

// behind says how long ago a time was, as far as whole seconds tell.
func behind(t *time.Time, now time.Time) string {
	if t == nil {
		return unknown
	}
	return max(0, now.Sub(*t)).Truncate(time.Second).String()
}

func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return unknown
	}
	return behind(t, now) + " ago"
}
