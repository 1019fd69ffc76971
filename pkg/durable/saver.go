package durable

import "time"

// Saver replaces one file apart from who has it replaced: a disk that hangs must hold up nothing but what is written to it.
type Saver struct {
	path  string
	fail  func(error)   // set once; is told of what could not be written
	texts chan []byte   // the newest that is not written
	ended chan struct{} // closed: all is
}

// NewSaver starts a saver of the file at path. fail is told of every content that could not be written, one at a time and from
// another goroutine. Who starts a saver ends it.
func NewSaver(path string, fail func(error)) *Saver {
	s := &Saver{path: path, fail: fail, texts: make(chan []byte, 1), ended: make(chan struct{})}
	go s.run()
	return s
}

func (s *Saver) run() {
	defer close(s.ended)
	for text := range s.texts {
		if err := Replace(s.path, text); err != nil {
			s.fail(err)
		}
	}
}

// Put has a content written, in place of one that still waits. It never blocks. For one goroutine, and not after End.
func (s *Saver) Put(text []byte) {
	select {
	case <-s.texts:
	default:
	}
	s.texts <- text
}

// End waits until all is written, but no longer than patience, and says whether it is. Where it says no the disk hangs, and the
// saver with it, until the disk answers or the process is gone. Call it once.
func (s *Saver) End(patience time.Duration) bool {
	close(s.texts)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.ended:
		return true
	case <-timer.C:
		return false
	}
}
