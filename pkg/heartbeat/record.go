package heartbeat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// Limits of a record. What is beyond them was not written by a mirror.
const (
	version        = 1 // of the form; a reader ignores fields that it does not know, and records of another version
	maxRecordBytes = 4 << 10
	maxNameBytes   = 100 // as of an instance in the configuration
	maxWordBytes   = 64  // of a version and of a state
	maxSpans       = 16
	maxSequence    = 1 << 53
	maxMillis      = 253_402_300_800_000 // the year 10000
	maxSeconds     = 10 * 366 * 86400.0
	maxInterval    = 24 * time.Hour
)

// errForeign says that a record is no heartbeat, or none that this version understands.
var errForeign = errors.New("not a heartbeat")

// Record is one heartbeat.
type Record struct {
	Origin      string // the instance that wrote it; the record's key
	Cluster     string // what the origin calls the cluster that it wrote it into
	Incarnation int64  // when the origin started, ms since 1970: sequences begin anew with each
	Sequence    int64  // of this incarnation into this cluster, from 0
	Time        time.Time
	Interval    time.Duration
	Unsure      spans   // earlier sequences of which the origin does not know whether they were written; the newest ones
	Former      *former // nil when it is not known
	Summary     *lag.HeartbeatSummary
}

// wire is the form of a record's value. Times are ms since 1970. Fields may be added, none changes.
type wire struct {
	V           int         `json:"v"`
	Origin      string      `json:"origin"`
	Cluster     string      `json:"cluster"`
	Incarnation int64       `json:"incarnation"`
	Sequence    int64       `json:"sequence"`
	Time        int64       `json:"time"`
	Interval    int64       `json:"interval_ms"`
	Unsure      [][2]int64  `json:"unsure,omitempty"`
	Former      *wireFormer `json:"former,omitempty"`
	Summary     *wireReport `json:"summary"`
}

type wireReport struct {
	Version      string   `json:"version"`
	State        string   `json:"state"`
	LagSeconds   *float64 `json:"lag_seconds"`
	LossDeadline *int64   `json:"loss_deadline"`
	DiskFullAt   *int64   `json:"disk_full_at"`
	Eligible     *bool    `json:"eligible"`
	NotOK        int      `json:"not_ok"`
}

// encode returns the value of a record.
func (r Record) encode() ([]byte, error) {
	w := wire{V: version, Origin: r.Origin, Cluster: r.Cluster, Incarnation: r.Incarnation, Sequence: r.Sequence, Time: r.Time.UnixMilli(), Interval: r.Interval.Milliseconds()}
	w.Unsure = r.Unsure.wire()
	if f := r.Former; f != nil {
		w.Former = f.wire()
	}
	if s := r.Summary; s != nil {
		w.Summary = &wireReport{Version: clip(s.Version), State: clip(string(s.State)), LossDeadline: millis(s.LossDeadline), DiskFullAt: millis(s.DiskFullAt), Eligible: s.Eligible, NotOK: s.NotOK}
		if s.Lag != nil {
			w.Summary.LagSeconds = new(s.Lag.Seconds())
		}
	}
	value, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write heartbeat %d of %s: %w", r.Sequence, r.Origin, err)
	}
	return value, nil
}

// parse reads a record with distrust: whoever may write to the topic may write anything. The error is errForeign, with the
// reason.
func parse(key, value []byte) (Record, error) {
	w, err := read(value)
	if err != nil {
		return Record{}, err
	}
	r := Record{Origin: w.Origin, Cluster: w.Cluster, Incarnation: w.Incarnation, Sequence: w.Sequence, Time: time.UnixMilli(w.Time).UTC(), Interval: time.Duration(w.Interval) * time.Millisecond}
	switch {
	case string(key) != w.Origin:
		return Record{}, foreign("its key is not its origin")
	case !isName(w.Origin) || !isName(w.Cluster):
		return Record{}, foreign("origin %.100q or cluster %.100q is no name", w.Origin, w.Cluster)
	case w.Incarnation <= 0 || w.Incarnation >= maxMillis || w.Time <= 0 || w.Time >= maxMillis:
		return Record{}, foreign("incarnation %d or time %d is no time", w.Incarnation, w.Time)
	case w.Sequence < 0 || w.Sequence > maxSequence:
		return Record{}, foreign("sequence %d", w.Sequence)
	case w.Interval <= 0 || w.Interval > maxInterval.Milliseconds():
		return Record{}, foreign("interval %d ms", w.Interval)
	}
	if r.Unsure, err = parseSpans(w.Unsure, w.Sequence); err != nil {
		return Record{}, err
	}
	if w.Former != nil {
		if r.Former, err = w.Former.parse(w.Incarnation); err != nil {
			return Record{}, err
		}
	}
	if r.Summary, err = w.Summary.parse(); err != nil {
		return Record{}, err
	}
	return r, nil
}

// parseSpans reads spans of sequences below a number.
func parseSpans(list [][2]int64, below int64) (spans, error) {
	if len(list) > maxSpans {
		return nil, foreign("%d unsure spans", len(list))
	}
	var all spans
	for _, s := range list {
		if last := len(all) - 1; s[0] < 0 || s[1] <= s[0] || s[1] > below || last >= 0 && s[0] < all[last].To {
			return nil, foreign("unsure span %v", s)
		}
		all = append(all, span{s[0], s[1]})
	}
	return all, nil
}

// read takes the value apart: one document of this version, and nothing behind it.
func read(value []byte) (wire, error) {
	if len(value) > maxRecordBytes {
		return wire{}, foreign("%d bytes", len(value))
	}
	var w wire
	in := json.NewDecoder(bytes.NewReader(value))
	if err := in.Decode(&w); err != nil {
		return wire{}, foreign("%v", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return wire{}, foreign("there is something behind it")
	}
	if w.V != version {
		return wire{}, foreign("version %d, and this mirror reads %d", w.V, version)
	}
	return w, nil
}

func (w *wireReport) parse() (*lag.HeartbeatSummary, error) {
	if w == nil {
		return nil, nil
	}
	s := &lag.HeartbeatSummary{Version: w.Version, State: mirror.State(w.State), Eligible: w.Eligible, NotOK: w.NotOK}
	switch {
	case !isWord(w.Version) || !isWord(w.State):
		return nil, foreign("version or state is no word")
	case w.NotOK < 0 || w.NotOK > math.MaxInt32:
		return nil, foreign("not_ok %d", w.NotOK)
	case w.LagSeconds != nil && !(*w.LagSeconds >= 0 && *w.LagSeconds <= maxSeconds):
		return nil, foreign("lag of %v s", *w.LagSeconds)
	}
	if w.LagSeconds != nil {
		s.Lag = new(time.Duration(*w.LagSeconds * float64(time.Second)))
	}
	for _, t := range []struct {
		millis *int64
		to     **time.Time
	}{{w.LossDeadline, &s.LossDeadline}, {w.DiskFullAt, &s.DiskFullAt}} {
		if t.millis == nil {
			continue
		}
		if *t.millis <= 0 || *t.millis >= maxMillis {
			return nil, foreign("a deadline at %d", *t.millis)
		}
		*t.to = new(time.UnixMilli(*t.millis).UTC())
	}
	return s, nil
}

func foreign(why string, args ...any) error {
	return fmt.Errorf("%w: %s", errForeign, fmt.Sprintf(why, args...))
}

// isName accepts what the configuration accepts as the name of an instance or a cluster.
func isName(s string) bool {
	return s != "" && len(s) <= maxNameBytes && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
	})
}

// isWord accepts what is shown to people as it is.
func isWord(s string) bool {
	return len(s) <= maxWordBytes && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// clip makes a word of a text.
func clip(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
	return s[:min(len(s), maxWordBytes)]
}

// millis writes a time, nil for one that no reader takes: it is unknown.
func millis(t *time.Time) *int64 {
	if t == nil || t.UnixMilli() <= 0 || t.UnixMilli() >= maxMillis {
		return nil
	}
	return new(t.UnixMilli())
}
