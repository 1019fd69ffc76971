package lag

import (
	"log/slog"
	"time"

	"tributary/pkg/durable"
)

// lastSave is for how long the end of a process waits for a disk.
const lastSave = 3 * time.Second

// saver writes a file apart from who has it written: a disk that hangs must not hold up the looks, by whose age the process is
// judged to be alive.
type saver struct {
	path  string
	log   *slog.Logger
	texts chan []byte   // the newest that is not written
	ended chan struct{} // closed: all is
}

func newSaver(path string, log *slog.Logger) *saver {
	s := &saver{path: path, log: log, texts: make(chan []byte, 1), ended: make(chan struct{})}
	go s.run()
	return s
}

func (s *saver) run() {
	defer close(s.ended)
	for text := range s.texts {
		if err := durable.Replace(s.path, text); err != nil {
			s.log.Warn("what is told of the time until loss not saved; a restart forgets it", "err", err)
		}
	}
}

// put has a text written, in place of one that still waits. For one goroutine.
func (s *saver) put(text []byte) {
	select {
	case <-s.texts:
	default:
	}
	s.texts <- text
}

// end waits until all is written, but no longer than a disk may take: a process that ends must not hang on one.
func (s *saver) end() {
	close(s.texts)
	select {
	case <-s.ended:
	case <-time.After(lastSave):
		s.log.Warn("the disk of the state directory does not answer; what was told last of the time until loss may not be saved")
	}
}
