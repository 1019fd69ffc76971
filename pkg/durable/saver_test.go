package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

// What is put while a disk hangs keeps nobody waiting; the newest is written when it answers.
func TestASaverWaitsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	pipe := path + ".new"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil { // to open it waits for a reader
		t.Fatal(err)
	}
	failed := make(chan error, 10)
	s := NewSaver(path, func(err error) { failed <- err })
	for _, text := range []string{"first", "second", "third"} {
		s.Put([]byte(text))
	}
	if s.End(10 * time.Millisecond) {
		t.Fatal("it says that all is written")
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // whoever writes goes on
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the saver does not end")
	}
	if err := <-failed; err == nil { // a pipe cannot be synced
		t.Error("nobody is told that the first was not written")
	}
	written := make([]byte, 100)
	if n, err := reader.Read(written); err != nil || !strings.HasSuffix(string(written[:n]), "third") {
		t.Errorf("got %q, %v, want what was put last at the end", written[:n], err)
	}
}

func TestASaverWritesWhatWasPutLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	s := NewSaver(path, func(err error) { t.Error(err) })
	for _, text := range []string{"first", "second", "last"} {
		s.Put([]byte(text))
	}
	if !s.End(patience) {
		t.Fatal("it does not end")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "last" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestASaverTellsOfWhatFails(t *testing.T) {
	var told []error
	s := NewSaver(filepath.Join(t.TempDir(), "nowhere", "file"), func(err error) { told = append(told, err) })
	s.Put([]byte("text"))
	if !s.End(patience) {
		t.Fatal("it does not end")
	}
	if len(told) != 1 || !errors.Is(told[0], fs.ErrNotExist) {
		t.Errorf("got %v", told)
	}
}
