package ownership

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// holdsLock, set in a child's environment, makes the test binary hold a state directory's lock until its input ends.
const holdsLock = "TRIBUTARY_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdsLock); dir != "" {
		os.Exit(hold(dir))
	}
	os.Exit(m.Run())
}

func hold(dir string) int {
	if _, err := OpenStatic(dir); err != nil {
		fmt.Println("refused:", err)
		return 1
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1)) // the parent closes it
	return 0
}

// child starts another process that opens dir, and returns what it said and how to end it.
func child(t *testing.T, dir string) (said string, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdsLock+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1000)
	n, err := out.Read(line)
	if err != nil {
		t.Fatalf("child said nothing: %v", err)
	}
	end = sync.OnceFunc(func() {
		_ = in.Close()
		_ = cmd.Process.Kill() // as a crash would
		_ = cmd.Wait()
	})
	t.Cleanup(end)
	return string(line[:n]), end
}

// open opens dir until the test's end.
func open(t *testing.T, dir string) *Static {
	t.Helper()
	s, err := OpenStatic(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	said, end := child(t, dir)
	if !strings.HasPrefix(said, "held") {
		t.Fatalf("child said %q", said)
	}
	_, err := OpenStatic(dir)
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v while a child holds the lock", err)
	}
	if text := err.Error(); !strings.Contains(text, dir) || !strings.Contains(text, "held by process") || strings.Contains(text, "process )") {
		t.Errorf("error does not say who holds what: %v", err)
	}
	end() // killed: the lock goes with the process
	s := open(t, dir)
	if said, _ := child(t, dir); !strings.HasPrefix(said, "refused:") {
		t.Errorf("child said %q while this process holds the lock", said)
	}
	if _, err := OpenStatic(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a second open in this process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if said, _ := child(t, dir); !strings.HasPrefix(said, "held") {
		t.Errorf("child said %q after Close", said)
	}
}

func TestOpenStaticTellsWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStatic(file); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a file as state directory: %v", err)
	}
}

func identity(pid int64) protocol.Identity {
	return protocol.Identity{SourceCluster: "s", SourceTopicID: "st", DestCluster: "d", DestTopic: "eu.clicks", DestTopicID: "dt", DestPartition: 3, ProducerID: pid,
		Base: protocol.Position{Source: 11, SourceEpoch: -1, ProducerID: pid, Dest: 40, DestEpoch: 2}, Compacted: true, Epoch: 5, Start: 9}
}

// store is what both kinds of ownership keep identities in.
type store interface {
	Read(ctx context.Context, link, topic string) (mirror.Identities, error)
	Update(ctx context.Context, link, topic string, ids mirror.Identities) error
}

func TestIdentities(t *testing.T) {
	for name, s := range map[string]store{"static": open(t, t.TempDir()), "memory": &Memory{}} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			ids, err := s.Read(ctx, "link", "clicks")
			if err != nil || ids.Version != 0 || len(ids.Partitions) != 0 || ids.Partitions == nil {
				t.Fatalf("nothing stored: got %+v, %v", ids, err)
			}
			ids.Partitions[2] = identity(7)
			if err := s.Update(ctx, "link", "clicks", ids); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(ctx, "link", "clicks", ids); !errors.Is(err, mirror.ErrConflict) {
				t.Errorf("the same update again: %v, want a conflict", err)
			}
			ids.Partitions[2] = identity(8) // what was given away is not what is kept
			got, err := s.Read(ctx, "link", "clicks")
			if err != nil || got.Version != 1 || len(got.Partitions) != 1 || got.Partitions[2] != identity(7) {
				t.Errorf("read %+v, %v", got, err)
			}
			got.Partitions[0] = identity(9)
			if err := s.Update(ctx, "link", "clicks", got); err != nil {
				t.Fatal(err)
			}
			if other, err := s.Read(ctx, "link", "views"); err != nil || len(other.Partitions) != 0 {
				t.Errorf("another topic has %+v, %v", other, err)
			}
			if other, err := s.Read(ctx, "link2", "clicks"); err != nil || len(other.Partitions) != 0 {
				t.Errorf("another link has %+v, %v", other, err)
			}
		})
	}
}

func TestIdentitiesSurvive(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ids := mirror.Identities{Partitions: map[int32]protocol.Identity{0: identity(7), 99: identity(1 << 62)}}
	if err := s.Update(t.Context(), "link", "clicks", ids); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).Read(t.Context(), "link", "clicks")
	if err != nil || got.Version != 1 || got.Partitions[0] != identity(7) || got.Partitions[99] != identity(1<<62) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestUpdatesTakeTurns(t *testing.T) {
	s := open(t, t.TempDir())
	const writers = 8
	var wg sync.WaitGroup
	for w := range int32(writers) {
		wg.Go(func() {
			for {
				ids, err := s.Read(t.Context(), "link", "clicks")
				if err != nil {
					t.Error(err)
					return
				}
				ids.Partitions[w] = identity(int64(w))
				if err = s.Update(t.Context(), "link", "clicks", ids); err == nil {
					return
				} else if !errors.Is(err, mirror.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Read(t.Context(), "link", "clicks")
	if err != nil || got.Version != writers || len(got.Partitions) != writers {
		t.Errorf("read version %d, %d partitions, %v; want %d of both", got.Version, len(got.Partitions), err, writers)
	}
}

// TestSpoiledFile pins that a file which is not whole is an error that names it, and never "nothing stored": that would
// begin anew. Nothing overwrites it either.
func TestSpoiledFile(t *testing.T) {
	whole := func(t *testing.T) (*Static, string, []byte) {
		s := open(t, t.TempDir())
		if err := s.Update(t.Context(), "link", "clicks", mirror.Identities{Partitions: map[int32]protocol.Identity{0: identity(7)}}); err != nil {
			t.Fatal(err)
		}
		path := s.path("link", "clicks")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return s, path, data
	}
	for _, test := range []struct {
		name  string
		spoil func([]byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"without its last byte", func(b []byte) []byte { return b[:len(b)-1] }},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"twice", func(b []byte) []byte { return append(b, b...) }},
		{"of another format", func(b []byte) []byte { return []byte(strings.Replace(string(b), `"format": 1`, `"format": 2`, 1)) }},
		{"of another topic", func(b []byte) []byte { return []byte(strings.Replace(string(b), `"clicks"`, `"views"`, 1)) }},
		{"of another link", func(b []byte) []byte { return []byte(strings.Replace(string(b), `"link": "link"`, `"link": "x"`, 1)) }},
		{"an empty object", func([]byte) []byte { return []byte("{}") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, path, data := whole(t)
			spoiled := test.spoil(data)
			if err := os.WriteFile(path, spoiled, 0o600); err != nil {
				t.Fatal(err)
			}
			if ids, err := s.Read(t.Context(), "link", "clicks"); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("read %+v, %v; want an error that names %s", ids, err, path)
			}
			if err := s.Update(t.Context(), "link", "clicks", mirror.Identities{}); err == nil {
				t.Error("overwritten")
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != string(spoiled) {
				t.Errorf("the file was changed: %q, %v", now, err)
			}
		})
	}
}

// TestCrashInTheMiddleOfAnUpdate leaves the file that a crash leaves before it takes its place.
func TestCrashInTheMiddleOfAnUpdate(t *testing.T) {
	s := open(t, t.TempDir())
	ids := mirror.Identities{Partitions: map[int32]protocol.Identity{0: identity(7)}}
	if err := s.Update(t.Context(), "link", "clicks", ids); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("link", "clicks")+".new", []byte(`{"format": 1, "li`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(t.Context(), "link", "clicks")
	if err != nil || got.Partitions[0] != identity(7) {
		t.Fatalf("read %+v, %v", got, err)
	}
	if err := s.Update(t.Context(), "link", "clicks", got); err != nil {
		t.Errorf("update after it: %v", err)
	}
}

func TestUpdateThatCannotBeWritten(t *testing.T) {
	s := open(t, t.TempDir())
	if err := os.WriteFile(filepath.Join(s.dir, "links"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), "link", "clicks", mirror.Identities{Partitions: map[int32]protocol.Identity{0: identity(7)}})
	if err == nil || errors.Is(err, mirror.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestNamesStayApartAndInside(t *testing.T) {
	s := open(t, t.TempDir())
	long := strings.Repeat("a", 248)
	names := []string{"clicks", "Clicks", "clicks.json", long + "x", long + "y", long, ".", "..", "../../escape", "a/b", "a b", "ä", "a\\b", "%2F", strings.Repeat("/", 120)}
	for i, name := range names {
		ids := mirror.Identities{Partitions: map[int32]protocol.Identity{0: identity(int64(i))}}
		if err := s.Update(t.Context(), "link", name, ids); err != nil {
			t.Errorf("%.20q: %v", name, err)
		}
		inside := filepath.Join(s.dir, "links", "link", "identities")
		if dir := filepath.Dir(s.path("link", name)); dir != inside {
			t.Errorf("%.20q lies in %s, want %s", name, dir, inside)
		}
	}
	for i, name := range names {
		got, err := s.Read(t.Context(), "link", name)
		if err != nil || got.Partitions[0] != identity(int64(i)) {
			t.Errorf("%.20q: read %+v, %v", name, got, err)
		}
	}
}
