package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The files, in the state directory. The older one is as large as the newer may become.
const (
	newerName = "events.jsonl"
	olderName = "events.1.jsonl"
)

// file is the newer file, open to append. It is the work of one goroutine. After an error it is closed; the next write
// opens it again and takes away what the failed one may have left there.
type file struct {
	dir  string
	f    *os.File
	size int64  // up to here the file is good
	last uint64 // id of the newest event in it or before it
	seen bool   // last is known

	failed os.FileInfo // the file of a write that failed, nil after one that did not
}

func (w *file) path() string { return filepath.Join(w.dir, newerName) }

// write appends the events in one piece, and gives them their ids. It is all on disk when that matters for one of them.
func (w *file) write(batch []entry, maxSize int64) error {
	if err := w.open(); err != nil {
		return err
	}
	var lines bytes.Buffer
	out := json.NewEncoder(&lines)
	out.SetEscapeHTML(false)
	id, lasting := w.last, false
	for _, e := range batch {
		id++
		e.event.ID = id
		if err := out.Encode(e.event); err != nil {
			return fmt.Errorf("encode event %s: %w", e.event.Kind, err)
		}
		lasting = lasting || e.done != nil || e.event.Kind.lasting()
	}
	if w.size > 0 && w.size+int64(lines.Len()) > maxSize {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	_, err := w.f.Write(lines.Bytes())
	if err == nil && lasting {
		err = w.f.Sync()
	}
	if err != nil {
		w.failed, _ = w.f.Stat() // nil: then what it left stays
		return errors.Join(fmt.Errorf("append to the journal: %w", err), w.close())
	}
	w.size, w.last, w.failed = w.size+int64(lines.Len()), id, nil
	return nil
}

// open makes sure that what is appended goes into the file that has the name, and begins a line.
func (w *file) open() error {
	if w.f != nil && w.inPlace() {
		return nil
	}
	if err := w.close(); err != nil {
		return err
	}
	f, err := os.OpenFile(w.path(), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the journal: %w", err)
	}
	w.f = f
	if err := w.position(); err != nil {
		return errors.Join(fmt.Errorf("open the journal: %w", err), w.close())
	}
	return nil
}

// inPlace says whether the open file still has its name: someone may have moved or removed it.
func (w *file) inPlace() bool {
	named, err := os.Stat(w.path())
	if err != nil {
		return false
	}
	opened, err := w.f.Stat()
	return err == nil && os.SameFile(named, opened)
}

// position finds where to go on: before what a failed write of this process left, else after what was there, of which a
// power cut may have torn the end.
func (w *file) position() error {
	info, err := w.f.Stat()
	if err != nil {
		return err
	}
	if w.failed != nil && os.SameFile(w.failed, info) && info.Size() >= w.size {
		return w.f.Truncate(w.size)
	}
	if !w.seen {
		if w.last, err = lastID(w.dir); err != nil {
			return err
		}
		w.seen = true
	}
	if w.size = info.Size(); w.size == 0 {
		return syncDir(w.dir) // it is new
	}
	return w.endLine()
}

// endLine ends a torn line, which readers then pass over.
func (w *file) endLine() error {
	var end [1]byte
	if _, err := w.f.ReadAt(end[:], w.size-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if end[0] == '\n' {
		return nil
	}
	if _, err := w.f.Write([]byte("\n")); err != nil {
		return err
	}
	w.size++
	return nil
}

// rotate makes the newer file the older one, in whose place it goes, and begins another.
func (w *file) rotate() error {
	if err := w.close(); err != nil {
		return err
	}
	if err := os.Rename(w.path(), filepath.Join(w.dir, olderName)); err != nil {
		return fmt.Errorf("put the journal aside: %w", err)
	}
	w.size = 0
	return w.open()
}

func (w *file) close() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	if err != nil {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}

// lastID returns the greatest id of the events in dir, 0 when there is none.
func lastID(dir string) (uint64, error) {
	last := uint64(0)
	err := scan(dir, func(id uint64, _ []byte) { last = max(last, id) })
	return last, err
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
