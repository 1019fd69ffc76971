package lag

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/pkg/mirror"
)

// partition makes the status of a partition of topic clicks; end -1 is unknown.
func partition(number int32, state mirror.State, next, end int64) mirror.PartitionStatus {
	return mirror.PartitionStatus{Source: mirror.TopicPartition{Topic: "clicks", Partition: number}, State: state,
		Started: true, Next: next, Committed: -1, SourceEnd: end}
}

func link(topics ...mirror.TopicStatus) mirror.LinkStatus {
	return mirror.LinkStatus{Name: "up", From: "edge", To: "region", Topics: topics}
}

func topic(name string, partitions ...mirror.PartitionStatus) mirror.TopicStatus {
	return mirror.TopicStatus{Topic: name, Dest: name, Partitions: partitions}
}

// holder is a link whose status a test sets.
type holder struct {
	mu     sync.Mutex
	status mirror.LinkStatus // guarded by mu
}

func (h *holder) set(s mirror.LinkStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = s
}

func (h *holder) get() mirror.LinkStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take returns the lines since it was called last, without their times.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := regexp.MustCompile(`(?m)^time=\S+ `).ReplaceAllString(l.buf.String(), "")
	l.buf.Reset()
	return strings.TrimRight(text, "\n")
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// newObserver returns an observer of one link.
func newObserver(t *testing.T, h *holder) (*Observer, *logged) {
	t.Helper()
	l := &logged{}
	o, err := New(Config{Instance: "ad-17", Links: []func() mirror.LinkStatus{h.get}}, l.logger())
	if err != nil {
		t.Fatal(err)
	}
	return o, l
}

// second is a moment n seconds into a test.
func second(n int) time.Time { return time.Unix(1_700_000_000+int64(n), 0) }

// recorder takes note of events.
type recorder struct{ events []string }

func (r *recorder) Record(e mirror.Event) { r.events = append(r.events, string(e.Kind)+" "+e.Topic) }

// take returns the events since it was called last.
func (r *recorder) take() string {
	all := strings.Join(r.events, ", ")
	r.events = nil
	return all
}
