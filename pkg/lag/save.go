package lag

import (
	"time"

	"tributary/pkg/durable"
)

// lastSave is for how long the end of a process waits for a disk.
const lastSave = 3 * time.Second

// newSaver returns what writes down what is told, apart from the looks, by whose age the process is judged to be alive.
func (o *Observer) newSaver() *durable.Saver {
	return durable.NewSaver(o.cfg.Path, func(err error) {
		o.log.Warn("what is told of the time until loss not saved; a restart forgets it", "err", err)
	})
}

// end waits until all is written, but not for ever: a process that ends must not hang on a disk.
func (o *Observer) end(disk *durable.Saver) {
	if !disk.End(lastSave) {
		o.log.Warn("the disk of the state directory does not answer; what was told last of the time until loss may not be saved")
	}
}
