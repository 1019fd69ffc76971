// Package ownership says which topics this process mirrors, and keeps the identities of their partitions where every
// process that may mirror them finds them. The static form is one process with a directory of its own: it owns every
// matching topic, for as long as it holds the directory's lock.
package ownership

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"tributary/pkg/durable"
	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
)

// Static is static ownership: a locked state directory. Who holds the lock owns, so that mirror.Alone
// goes with it. It implements mirror.Store. Safe for concurrent use.
type Static struct {
	dir  string
	lock *os.File

	files [64]sync.Mutex // one writer of a file at a time: a file's is that of its path

	mu   sync.Mutex
	made map[string]bool // guarded by mu: directories that are known to be on disk
}

// ErrLocked says that another process holds the state directory.
var ErrLocked = errors.New("state directory is in use by another mirror")

// chooseDir is what to do about a directory that cannot be used.
const chooseDir = "run as the user that owns the directory, or name another one with state_dir"

// OpenStatic makes dir if it is missing, and locks it until Close. The lock is the kernel's: it goes with the process,
// however that ends.
func OpenStatic(dir string) (*Static, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w; %s", err, chooseDir)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state directory's lock: %w; %s", err, chooseDir)
	}
	if err := lockFile(f); err != nil {
		holder, _ := os.ReadFile(path) // only to say who it is
		_ = f.Close()                  // nothing was written
		return nil, fmt.Errorf("lock %s (held by process %s): %w; stop the other mirror, or give this one a state_dir of its own", dir, holder, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d", os.Getpid())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write state directory's lock: %w", err)
	}
	return &Static{dir: filepath.Clean(dir), lock: f, made: map[string]bool{}}, nil
}

// Close gives the lock back.
func (s *Static) Close() error { return s.lock.Close() }

// file is the form of one topic's identities on disk.
type file struct {
	Format     int                         `json:"format"`
	Link       string                      `json:"link"`
	Topic      string                      `json:"topic"`
	Version    int                         `json:"version"`
	Partitions map[int32]protocol.Identity `json:"partitions"`
}

const fileFormat = 1

// path keeps names apart whatever characters they have, in one directory, and readable.
func (s *Static) path(link, topic string) string {
	sum := sha256.Sum256([]byte(topic))
	name := url.PathEscape(topic) // Kafka's own rule allows no character that this changes
	if len(name) > 100 {
		name = name[:100]
	}
	return filepath.Join(s.dir, "links", link, "identities", name+"-"+hex.EncodeToString(sum[:4])+".json")
}

// Read implements mirror.Store.
func (s *Static) Read(_ context.Context, link, topic string) (mirror.Identities, error) {
	path := s.path(link, topic)
	mu := s.file(path)
	mu.Lock()
	defer mu.Unlock()
	return read(path, link, topic)
}

// file is what keeps writers of a path apart. Thousands of topics that start together must not wait for each other's disk.
func (s *Static) file(path string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(path)) // it never fails
	return &s.files[h.Sum32()%uint32(len(s.files))]
}

func read(path, link, topic string) (mirror.Identities, error) {
	none := mirror.Identities{Partitions: map[int32]protocol.Identity{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("read identities of topic %s: %w", topic, err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return none, fmt.Errorf("read identities of topic %s in %s: %w; restore the file, or remove it to rebuild it from the saved positions", topic, path, err)
	}
	if f.Format != fileFormat || f.Link != link || f.Topic != topic {
		return none, fmt.Errorf("read identities of topic %s: %s is of format %d for link %s, topic %s", topic, path, f.Format, f.Link, f.Topic)
	}
	if f.Partitions == nil {
		f.Partitions = none.Partitions
	}
	return mirror.Identities{Version: f.Version, Partitions: f.Partitions}, nil
}

// Update implements mirror.Store. The file is replaced whole and on disk, directory entry included, when it returns.
func (s *Static) Update(_ context.Context, link, topic string, ids mirror.Identities) error {
	path := s.path(link, topic)
	mu := s.file(path)
	mu.Lock()
	defer mu.Unlock()
	now, err := read(path, link, topic)
	if err != nil {
		return err
	}
	if now.Version != ids.Version {
		return fmt.Errorf("write identities of topic %s: %w", topic, mirror.ErrConflict)
	}
	data, err := json.MarshalIndent(file{fileFormat, link, topic, ids.Version + 1, ids.Partitions}, "", " ")
	if err != nil {
		return fmt.Errorf("write identities of topic %s: %w", topic, err)
	}
	if err := s.makeDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write identities of topic %s: %w", topic, err)
	}
	if err := durable.Replace(path, data); err != nil {
		return fmt.Errorf("write identities of topic %s: %w", topic, err)
	}
	return nil
}

// makeDir makes a directory below s.dir, on disk when it returns: what is synced in a directory that a power cut takes
// away is lost. What this process made, or found and synced, is not synced again while it is there.
func (s *Static) makeDir(of string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(of); err == nil && s.made[of] {
		return nil
	}
	dir := of
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for dir != s.dir && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	s.made[of] = true
	return nil
}
