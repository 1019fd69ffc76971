package heartbeat

import (
	"context"
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/lag"
)

// fakeSource is a topic of one partition that can be cut off, and cut short at its head. Its time is the test's.
type fakeSource struct {
	mu      sync.Mutex
	id      byte     // guarded by mu, as all: of the topic
	start   int      // offset of the first record
	records []Record // all that there ever were
	cut     bool
	follows int // calls
}

func (f *fakeSource) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeSource) Name() string { return "home" }

// ask is what every call begins with.
func (f *fakeSource) ask() error {
	if f.cut {
		return errCut
	}
	return nil
}

func (f *fakeSource) Partitions(context.Context, string) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return 1, f.ask()
}

func (f *fakeSource) TopicID(context.Context, string) (kafka.TopicID, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return kafka.TopicID{f.id}, "c1", f.ask()
}

func (f *fakeSource) Ends(context.Context, string, int32) (start, end int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(f.start), int64(len(f.records)), f.ask()
}

func (f *fakeSource) OffsetAt(_ context.Context, _ string, _ int32, at time.Time) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.records {
		if i >= f.start && !r.Time.Before(at) {
			return int64(i), f.ask()
		}
	}
	return -1, f.ask()
}

func (f *fakeSource) Follow(ctx context.Context, _ string, _ int32, from int64, wait time.Duration) ([]byte, int64, error) {
	f.mu.Lock()
	f.follows++
	err, end := f.ask(), int64(len(f.records))
	if err == nil && (from < int64(f.start) || from > end) {
		err = kafka.Error{Code: codeOutOfRange}
	}
	if err != nil || from < end {
		defer f.mu.Unlock()
		if err != nil {
			return nil, 0, err
		}
		value, err := f.records[from].encode()
		b := batch.Build([]batch.Record{{Timestamp: f.records[from].Time.UnixMilli(), Key: []byte(f.records[from].Origin), Value: value}})
		binary.BigEndian.PutUint64(b, uint64(from))
		return b, end, err
	}
	f.mu.Unlock()
	if !sleep(ctx, wait) {
		return nil, 0, context.Cause(ctx)
	}
	return nil, end, nil
}

// reading runs a reader of a source in the bubble of a test, until the returned function is called.
func reading(t *testing.T, cfg Config, f *fakeSource) (r *reader, stop func()) {
	r = newReader(cfg, f, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.run(ctx) }()
	return r, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// beatNow is a heartbeat of an origin that writes every ten seconds.
func beatNow(sequence int64) Record {
	return Record{Origin: "ad-19", Cluster: "edge", Incarnation: 1000, Sequence: sequence, Time: time.Now(), Interval: 10 * time.Second}
}

func only(t *testing.T, r *reader) (lag.HeartbeatCluster, lag.Heartbeat) {
	t.Helper()
	c, all := r.status(time.Now())
	if len(all) != 1 {
		t.Fatalf("%d origins: %+v, %+v", len(all), all, c)
	}
	return c, all[0]
}

// While the cluster that is read is out of reach nobody is called silent, nothing counts as lost, and nobody is forgotten.
func TestADeafReaderBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSource{}
		r, stop := reading(t, config(t), f)
		defer stop()
		f.set(func() { f.records = append(f.records, beatNow(0), beatNow(2)) })
		time.Sleep(20 * time.Second)
		if c, h := only(t, r); h.State != lag.HeartbeatOK || h.Missing != 1 || !c.Current || c.Problem != "" {
			t.Fatalf("at first: %+v, %+v", h, c)
		}
		f.set(func() { f.cut = true })
		time.Sleep(10 * 24 * time.Hour)
		if c, h := only(t, r); h.State != lag.HeartbeatUnknown || h.Lost != 0 || c.Current || c.Problem != errCut.Error() {
			t.Errorf("out of reach: %+v, %+v", h, c)
		}
		f.set(func() {
			f.cut = false
			f.records = append(f.records, beatNow(1), beatNow(3))
		})
		time.Sleep(20 * time.Second)
		if c, h := only(t, r); h.State != lag.HeartbeatOK || h.Lost != 0 || h.Missing != 0 || !c.Current || c.Problem != "" {
			t.Errorf("back: %+v, %+v", h, c)
		}
		time.Sleep(time.Minute)
		if _, h := only(t, r); h.State != lag.HeartbeatSilent {
			t.Errorf("then it is silent: %+v", h)
		}
	})
}

// What retention took while nobody read does not count as lost, and the reader goes on behind it.
func TestWhatRetentionTookIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cfg := &fakeSource{}, config(t)
		_, stop := reading(t, cfg, f)
		f.set(func() { f.records = append(f.records, beatNow(0)) })
		time.Sleep(20 * time.Second)
		stop()
		f.set(func() {
			for i := range int64(50) {
				f.records = append(f.records, beatNow(1+i))
			}
			f.start = 40
		})
		r, stop := reading(t, cfg, f)
		time.Sleep(5 * time.Minute)
		_, h := only(t, r)
		if stop(); h.Sequence != 50 || h.Lost != 0 || h.Missing != 0 {
			t.Errorf("got %+v", h)
		}
		f.set(func() { f.id, f.start, f.records = 1, 0, []Record{beatNow(70)} }) // made anew
		r, stop = reading(t, cfg, f)
		defer stop()
		time.Sleep(5 * time.Minute)
		if _, h := only(t, r); h.Sequence != 70 || h.Lost != 0 || h.Missing != 0 {
			t.Errorf("of a topic that was made anew: %+v", h)
		}
	})
}

// A disk that hangs does not keep a reader from ending.
func TestAReaderEndsOnAHungDisk(t *testing.T) {
	t.Parallel() // it waits for a disk to be given up
	cfg := config(t)
	r := newReader(cfg, &fakeSource{}, quiet())
	pipe := r.file + ".new"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil { // to open it waits for a reader
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		looked := r.changed // at the topic, which is to be saved
		r.mu.Unlock()
		if looked {
			break
		}
		if time.Now().After(until) {
			t.Fatal("it does not read")
		}
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(lastSave + patience):
		t.Error("it does not end")
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // whoever writes goes on, and fails: a pipe is no file
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	r.saving.Lock() // until then it writes
	defer r.saving.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.changed {
		t.Error("it was not to be saved: the test shows nothing")
	}
}

// At rest the source is asked once a second, and what is old is not read at the first look.
func TestAnIdleReaderIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSource{records: []Record{beatNow(0)}}
		time.Sleep(firstLook + time.Second)
		f.records = append(f.records, beatNow(90))
		r, stop := reading(t, config(t), f)
		defer stop()
		time.Sleep(10 * time.Minute)
		if _, h := only(t, r); h.Sequence != 90 || h.Lost != 0 {
			t.Errorf("got %+v", h)
		}
		asked := 0
		if f.set(func() { asked = f.follows }); asked < 590 || asked > 620 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}
