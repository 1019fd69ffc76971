package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

const (
	// maxLineBytes bounds a line; a longer one is none of ours.
	maxLineBytes = 64 << 10
	// maxID is the greatest id that is believed: beyond it, readers of JSON lose digits.
	maxID = 1 << 53
	// openTries bounds how often the files are opened anew because they were put aside meanwhile.
	openTries = 100
)

// Read returns events in the order they happened: the newest limit ones, or with after > 0 the first limit of those
// with a greater id. Ids that are missing were dropped or are older than the files. It holds up no writer.
func (j *Journal) Read(after uint64, limit int) ([]Event, error) {
	j.mu.Lock()
	last := j.last
	j.mu.Unlock()
	if after > 0 && last > 0 && after >= last {
		return nil, nil // the usual case of who follows: no need to look
	}
	return Read(j.dir, after, limit)
}

// Read reads the journal of a process that need not run, as the method does.
func Read(dir string, after uint64, limit int) ([]Event, error) {
	if limit <= 0 {
		return nil, nil
	}
	var kept [][]byte // with after == 0 a ring of the newest
	seen := 0
	err := scan(dir, func(id uint64, line []byte) {
		switch {
		case id <= after:
			return
		case len(kept) < limit:
			kept = append(kept, bytes.Clone(line))
		case after == 0:
			kept[seen%limit] = append(kept[seen%limit][:0], line...)
		}
		seen++
	})
	if err != nil {
		return nil, fmt.Errorf("read the journal in %s: %w", dir, err)
	}
	begin := 0
	if after == 0 && seen > limit {
		begin = seen % limit
	}
	events := make([]Event, 0, len(kept))
	for i := range kept {
		var e Event
		if json.Unmarshal(kept[(begin+i)%len(kept)], &e) == nil { // scan has looked at no more than the id
			events = append(events, e)
		}
	}
	return events, nil
}

// errRestless says that the files were put aside again and again while they were opened.
var errRestless = errors.New("the files change too quickly; try again")

// scan calls take for the lines of both files, in the order they were written.
func scan(dir string, take func(id uint64, line []byte)) error {
	for range openTries {
		files, still, err := openBoth(dir)
		if err == nil && still {
			for _, f := range files {
				err = errors.Join(err, scanLines(f, take))
			}
		}
		for _, f := range files {
			_ = f.Close() // it was only read
		}
		if err != nil || still {
			return err
		}
	}
	return errRestless
}

// openBoth opens the files that are there, the older one first. still says that none was put aside meanwhile, so that
// nothing lies between the two.
func openBoth(dir string) (files []*os.File, still bool, err error) {
	newer, err := openIfThere(filepath.Join(dir, newerName))
	if err != nil {
		return nil, false, err
	}
	older, err := openIfThere(filepath.Join(dir, olderName))
	for _, f := range []*os.File{older, newer} {
		if f != nil {
			files = append(files, f)
		}
	}
	if err != nil {
		return files, false, err
	}
	now, err := os.Stat(filepath.Join(dir, newerName))
	if newer == nil || errors.Is(err, fs.ErrNotExist) {
		return files, newer == nil && errors.Is(err, fs.ErrNotExist), nil
	}
	if err != nil {
		return files, false, err
	}
	opened, err := newer.Stat()
	return files, err == nil && os.SameFile(now, opened), err
}

func openIfThere(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// scanLines calls take for every line that is an event, as far as its beginning tells. A torn end, zeros of a file
// system that lost its writes and lines that are too long are passed over. line is valid during the call.
func scanLines(in io.Reader, take func(id uint64, line []byte)) error {
	r := bufio.NewReaderSize(in, maxLineBytes)
	whole := true // the next piece begins a line
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			whole = false
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		if whole {
			if id, ok := eventID(line); ok {
				take(id, line)
			}
		}
		if err != nil {
			return nil
		}
		whole = true
	}
}

// eventID returns the id that a line begins with, if it is a whole event.
func eventID(line []byte) (id uint64, ok bool) {
	line = bytes.TrimRight(line, "\n")
	rest, found := bytes.CutPrefix(line, []byte(`{"id":`))
	digits, _, cut := bytes.Cut(rest, []byte(`,`))
	if !found || !cut || !json.Valid(line) {
		return 0, false
	}
	id, err := strconv.ParseUint(string(digits), 10, 64)
	return id, err == nil && id > 0 && id <= maxID
}
