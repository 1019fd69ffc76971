package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// begin runs a journal in dir until stop, which returns when it has ended.
func begin(t *testing.T, dir string, change ...func(*Journal)) (j *Journal, stop func()) {
	t.Helper()
	j = New(dir, slog.New(slog.DiscardHandler))
	for _, c := range change {
		c(j)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return j, stop
}

// transcript keeps what is written to it. Safe for concurrent use.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// act adds an event and waits until it is on disk.
func act(t *testing.T, j *Journal, text string) {
	t.Helper()
	if err := j.AddNow(t.Context(), Event{Kind: KindSkipRequested, Text: text}); err != nil {
		t.Fatal(err)
	}
}

// texts reads events and returns their texts and ids.
func texts(t *testing.T, dir string, after uint64, limit int) string {
	t.Helper()
	events, err := Read(dir, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprintf("%d:%s", e.ID, e.Text))
	}
	return strings.Join(out, " ")
}

func TestWhatIsAddedIsRead(t *testing.T) {
	dir := t.TempDir()
	j, stop := begin(t, dir)
	partition, uid := int32(3), uint32(1000)
	from, to, records := int64(60000), int64(60900), int64(900)
	since := time.UnixMilli(1_700_000_000_000).UTC()
	want := Event{Kind: "halted", Time: since, Link: "up", Topic: "clicks", Partition: &partition, Cause: "retention", Text: "gone <by> age",
		Lost: &Lost{From: &from, To: &to, Records: &records, Since: &since}, Surplus: &Range{1, 2}, UID: &uid}
	j.Add(want)
	act(t, j, "b")
	stop()
	text, err := os.ReadFile(filepath.Join(dir, newerName))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if wanted := `{"id":1,"time":"2023-11-14T22:13:20Z","kind":"halted","link":"up","topic":"clicks","partition":3,"cause":"retention","text":"gone <by> age",` +
		`"lost":{"from":60000,"to":60900,"records":900,"since":"2023-11-14T22:13:20Z","until":null},"surplus":{"from":1,"to":2},"uid":1000}`; first != wanted {
		t.Errorf("got  %s\nwant %s", first, wanted)
	}
	for _, test := range []struct {
		after uint64
		limit int
		want  string
	}{{0, 10, "1:gone <by> age 2:b"}, {0, 1, "2:b"}, {1, 10, "2:b"}, {2, 10, ""}, {0, 0, ""}} {
		if got := texts(t, dir, test.after, test.limit); got != test.want {
			t.Errorf("after %d, limit %d: got %q, want %q", test.after, test.limit, got, test.want)
		}
	}
}

func TestReadPages(t *testing.T) {
	dir := t.TempDir()
	j, stop := begin(t, dir)
	for i := range 10 {
		j.Add(Event{Kind: "x", Text: string(rune('a' + i))})
	}
	stop()
	for _, test := range []struct {
		after uint64
		limit int
		want  string
	}{{0, 3, "8:h 9:i 10:j"}, {0, 4, "7:g 8:h 9:i 10:j"}, {1, 3, "2:b 3:c 4:d"}, {9, 3, "10:j"}, {10, 3, ""}, {99, 3, ""}} {
		if got := texts(t, dir, test.after, test.limit); got != test.want {
			t.Errorf("after %d, limit %d: got %q, want %q", test.after, test.limit, got, test.want)
		}
	}
	if events, err := j.Read(10, 3); err != nil || len(events) != 0 {
		t.Errorf("nothing new: got %v, %v", events, err)
	}
}

func TestIDsRiseAcrossRestartsAndRotations(t *testing.T) {
	dir := t.TempDir()
	small := func(j *Journal) { j.maxSize = 400 }
	for run := range 5 {
		j, stop := begin(t, dir, small)
		for i := range 4 {
			act(t, j, fmt.Sprintf("%d.%d", run, i))
		}
		stop()
	}
	got := texts(t, dir, 0, 100)
	if !strings.HasSuffix(got, "17:4.0 18:4.1 19:4.2 20:4.3") || strings.HasPrefix(got, "1:") {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{newerName, olderName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > 400 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestADamagedEndIsPassedOver(t *testing.T) {
	good := `{"id":7,"time":"2023-11-14T22:13:20Z","kind":"x","text":"good"}` + "\n"
	for _, test := range []struct {
		name, tail, want string
	}{
		{"none", "", "7:good 8:next"},
		{"torn", `{"id":8,"time":"2023-11-14T22:13:20Z","kind":"x","te`, "7:good 8:next"},
		{"whole without its end", `{"id":8,"time":"2023-11-14T22:13:20Z","kind":"x","text":"whole"}`, "7:good 8:whole 9:next"},
		{"zeros", strings.Repeat("\x00", 5000), "7:good 8:next"},
		{"a line too long", strings.Repeat("x", 3*maxLineBytes) + "\n", "7:good 8:next"},
		{"another format", `{"time":"x","id":99}` + "\n", "7:good 8:next"},
		{"an id beyond belief", `{"id":18446744073709551615,"kind":"x"}` + "\n", "7:good 8:next"},
		{"wrong types", `{"id":8,"kind":3}` + "\n", "7:good 9:next"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, newerName), []byte(good+test.tail), 0o600); err != nil {
				t.Fatal(err)
			}
			j, stop := begin(t, dir)
			act(t, j, "next")
			stop()
			if got := texts(t, dir, 0, 10); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAFileThatIsMovedAwayIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	j, _ := begin(t, dir)
	act(t, j, "a")
	if err := os.Rename(filepath.Join(dir, newerName), filepath.Join(dir, "mine")); err != nil {
		t.Fatal(err)
	}
	act(t, j, "b")
	if got := texts(t, dir, 0, 10); got != "2:b" {
		t.Errorf("got %q, want %q", got, "2:b")
	}
}

// TestADiskThatRefuses uses a directory in the file's place, which fails for every user, root too.
func TestADiskThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		blocker := filepath.Join(dir, newerName)
		if err := os.Mkdir(blocker, 0o700); err != nil {
			t.Fatal(err)
		}
		var log transcript
		j, stop := begin(t, dir, func(j *Journal) { j.log = slog.New(slog.NewTextHandler(&log, nil)) })
		defer stop()
		if err := j.AddNow(t.Context(), Event{Kind: KindSkipRequested, Text: "refused"}); err == nil || !strings.Contains(err.Error(), "open the journal") {
			t.Errorf("AddNow() = %v, want an error of the file", err)
		}
		const room = maxHeldBytes / (eventBytes + 5)
		for i := range room + 2 {
			j.Add(Event{Kind: "x", Text: fmt.Sprintf("%05d", i)})
		}
		time.Sleep(10 * retryEvery) // virtual: the writer tries again and again
		synctest.Wait()
		if got, want := j.Stats(), (Stats{Waiting: room, Dropped: 2}); got != want {
			t.Errorf("while the disk refuses: got %+v, want %+v", got, want)
		}
		if err := j.AddNow(t.Context(), Event{Text: "12345"}); !errors.Is(err, errFull) {
			t.Errorf("AddNow() = %v, want %v", err, errFull)
		}
		if n := strings.Count(log.String(), "journal not written"); n != 1 {
			t.Errorf("%d lines of log, want 1:\n%s", n, &log)
		}
		if err := os.Remove(blocker); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		if got, want := j.Stats(), (Stats{Dropped: 3}); got != want {
			t.Errorf("afterwards: got %+v, want %+v", got, want)
		}
		got := texts(t, dir, 0, 2)
		if want := fmt.Sprintf("%d:%05d %d:3 events were not kept", room, room-1, room+1); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if !strings.Contains(log.String(), "journal written again") {
			t.Errorf("no line says that it is well again:\n%s", &log)
		}
	})
}

// TestAFailedWriteLeavesNothing lets half a line reach the file before the write fails.
func TestAFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w := file{dir: dir}
	put := func(text string) error {
		return w.write([]entry{{event: Event{Kind: "x", Text: text}}}, maxFileBytes)
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.f.Write([]byte(`{"id":2,"kind":"half`)); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(w.path()) // in place of the file's own descriptor: writing to it fails
	if err != nil {
		t.Fatal(err)
	}
	if err := w.f.Close(); err != nil {
		t.Fatal(err)
	}
	w.f = reader
	if err := put("b"); err == nil {
		t.Fatal("a write to a file that is open for reading did not fail")
	}
	if err := put("b"); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, dir, 0, 10); got != "1:a 2:b" {
		t.Errorf("got %q, want %q", got, "1:a 2:b")
	}
	text, err := os.ReadFile(w.path())
	if err != nil || strings.Contains(string(text), "half") {
		t.Errorf("the file is %q, %v", text, err)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// TestReadingWhileFilesRotate reads as events are written and files put aside: ids never go back, and none between the
// first and the last is missed.
func TestReadingWhileFilesRotate(t *testing.T) {
	dir := t.TempDir()
	j, stop := begin(t, dir, func(j *Journal) { j.maxSize = 2000 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			j.Add(Event{Kind: "x", Text: fmt.Sprint(i)})
			if i%7 == 0 {
				time.Sleep(10 * time.Microsecond) // lets the writer write in many pieces
			}
		}
	}()
	reads := 0
	for running := true; running; reads++ {
		select {
		case <-done:
			running = false
		default:
		}
		events, err := Read(dir, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(events); i++ {
			if events[i].ID != events[i-1].ID+1 {
				t.Fatalf("read %d: id %d follows %d", reads, events[i].ID, events[i-1].ID)
			}
		}
	}
	stop()
	if got := texts(t, dir, 0, 1); got != "2000:1999" {
		t.Errorf("the last event is %q after %d reads", got, reads)
	}
}

func TestTextIsBounded(t *testing.T) {
	if got := clip(strings.Repeat("é", maxTextBytes)); len(got) > maxTextBytes+3 || !strings.HasSuffix(got, "é...") {
		t.Errorf("%d bytes, ending %q", len(got), got[len(got)-6:])
	}
	dir := t.TempDir()
	j, stop := begin(t, dir)
	act(t, j, strings.Repeat("\x00", 100*maxTextBytes)) // as JSON six times as long, and still a line that is read
	stop()
	if events, err := Read(dir, 0, 1); err != nil || len(events) != 1 || len(events[0].Text) != maxTextBytes+3 {
		t.Errorf("got %d events, %v", len(events), err)
	}
}

func TestAfterTheEndNothingIsTaken(t *testing.T) {
	j, stop := begin(t, t.TempDir())
	stop()
	if err := j.AddNow(t.Context(), Event{}); !errors.Is(err, errClosed) {
		t.Errorf("AddNow() = %v, want %v", err, errClosed)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"id":1,"kind":"x"}`+"\n"+`{"id":2,"kind":"y","text":"z"}`+"\n"), []byte(`{"id":3,"kind":"x"}`), uint16(1))
	f.Add([]byte("\x00\x00\n{\"id\":"), []byte("\n\n"), uint16(0))
	f.Fuzz(func(t *testing.T, older, newer []byte, after uint16) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{olderName: older, newerName: newer} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(newer) == 0 {
			t.Skip("a new file is synced, which takes long")
		}
		before, err := Read(dir, uint64(after), 10)
		if err != nil || len(before) > 10 {
			t.Fatalf("%d events, %v", len(before), err)
		}
		for _, e := range before {
			if e.ID <= uint64(after) {
				t.Fatalf("event %d is not after %d", e.ID, after)
			}
		}
		w := file{dir: dir}
		if err := w.write([]entry{{event: Event{Kind: "x", Text: "mine"}}}, maxFileBytes); err != nil {
			t.Fatal(err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		// Ids end somewhere; short of that, what is added to whatever was there is read, once.
		got, err := Read(dir, w.last-1, 10)
		if err != nil || w.last <= maxID && (len(got) != 1 || got[0].Text != "mine" || got[0].ID != w.last) {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
}
