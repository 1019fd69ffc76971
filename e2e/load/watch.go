package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Watcher reads topics as they grow and notes when each record came, to measure for how long nothing did. A record counts
// as arrived when a consumer at the destination has it. Its methods are safe for concurrent use.
type Watcher struct {
	client *kgo.Client
	began  time.Time

	mu    sync.Mutex
	lines map[line][]arrival // guarded by mu; in order of arrival
}

// line is one partition.
type line struct {
	topic     string
	partition int32
}

// arrival is one record: when it came, and when it was produced by its own timestamp.
type arrival struct{ at, produced time.Time }

// NewWatcher returns a watcher of the partitions, from 0 up, of topics, which must exist. It reads them from the start.
func NewWatcher(seeds []string, topics []string, partitions int32) (*Watcher, error) {
	w := &Watcher{began: time.Now(), lines: map[line][]arrival{}}
	from := map[string]map[int32]kgo.Offset{}
	for _, topic := range topics {
		from[topic] = map[int32]kgo.Offset{}
		for p := range partitions {
			from[topic][p] = kgo.NewOffset().AtStart()
			w.lines[line{topic, p}] = nil
		}
	}
	client, err := newClient(seeds, kgo.ConsumePartitions(from), kgo.FetchMaxWait(500*time.Millisecond), kgo.FetchMinBytes(1))
	w.client = client
	return w, err
}

// Run reads until ctx ends, which is no error.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.client.Close()
	for {
		fetches := w.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for _, failed := range fetches.Errors() {
			if permanent(failed.Err) {
				return fmt.Errorf("watch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
			}
		}
		w.note(time.Now(), fetches)
	}
}

func (w *Watcher) note(now time.Time, fetches kgo.Fetches) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		key := line{f.Topic, f.Partition}
		for _, r := range f.Records {
			w.lines[key] = append(w.lines[key], arrival{now, r.Timestamp})
		}
	})
}

var errNothingNew = errors.New("nothing new has come")

// FirstAfter returns how long after at the first record came that was produced then or later, of the last of the topic's
// partitions. Records have timestamps of whole milliseconds, so at is taken as the end of its millisecond.
func (w *Watcher) FirstAfter(topic string, at time.Time) (longest time.Duration, err error) {
	mark := at.Truncate(time.Millisecond).Add(time.Millisecond)
	err = w.each(topic, func(came []arrival) error {
		i := slices.IndexFunc(came, func(a arrival) bool { return !a.produced.Before(mark) })
		if i < 0 {
			return fmt.Errorf("%s since %v: %w", topic, at.Format("15:04:05.000"), errNothingNew)
		}
		longest = max(longest, came[i].at.Sub(at))
		return nil
	})
	return longest, err
}

// Silence returns for how long at most nothing came between two moments, silences that began before or go on being counted
// whole: of the partition of the topic that was silent longest.
func (w *Watcher) Silence(topic string, from, to time.Time) (longest time.Duration) {
	now := time.Now()
	_ = w.each(topic, func(came []arrival) error {
		last := w.began
		for _, a := range append(slices.Clone(came), arrival{at: now}) {
			if a.at.After(from) && last.Before(to) {
				longest = max(longest, a.at.Sub(last))
			}
			last = a.at
		}
		return nil
	})
	return longest
}

// Delay returns how long after they were produced, by their timestamps, the records of a topic came that came after a moment:
// of the latest of them.
func (w *Watcher) Delay(topic string, from time.Time) (longest time.Duration) {
	_ = w.each(topic, func(came []arrival) error {
		for _, a := range slices.Backward(came) {
			if a.at.Before(from) {
				break
			}
			longest = max(longest, a.at.Sub(a.produced))
		}
		return nil
	})
	return longest
}

// Records returns how many records of the topic came.
func (w *Watcher) Records(topic string) (n int64) {
	_ = w.each(topic, func(came []arrival) error {
		n += int64(len(came))
		return nil
	})
	return n
}

// each looks at the partitions of a topic until look returns an error.
func (w *Watcher) each(topic string, look func([]arrival) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, came := range w.lines {
		if key.topic != topic {
			continue
		}
		if err := look(came); err != nil {
			return err
		}
	}
	return nil
}
