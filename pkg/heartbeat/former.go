package heartbeat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tributary/pkg/durable"
)

// lastSave is for how long the end of a process waits for a disk.
const lastSave = 3 * time.Second

// former is how far the incarnation of an origin went that was before its present one. Its records cannot say so themselves: of
// the last of them nothing came after.
type former struct {
	Incarnation int64
	Next        int64 // the sequence after the last one that was written, or may have been
	Unsure      spans
}

// wireFormer is the form of a former in a record and on disk.
type wireFormer struct {
	Incarnation int64      `json:"incarnation"`
	Next        int64      `json:"next"`
	Unsure      [][2]int64 `json:"unsure,omitempty"`
}

func (f former) wire() *wireFormer { return &wireFormer{f.Incarnation, f.Next, f.Unsure.wire()} }

// parse reads what is said of the incarnation before another one, with distrust.
func (w *wireFormer) parse(before int64) (*former, error) {
	if w.Incarnation <= 0 || w.Incarnation >= before || w.Next < 0 || w.Next > maxSequence {
		return nil, foreign("a former incarnation %d up to %d", w.Incarnation, w.Next)
	}
	unsure, err := parseSpans(w.Unsure, w.Next)
	if err != nil {
		return nil, err
	}
	return &former{w.Incarnation, w.Next, unsure}, nil
}

// written is what a writer keeps for its next incarnation.
type written struct {
	Format int        `json:"format"`
	Topic  string     `json:"topic"`
	Last   wireFormer `json:"last"`
}

func writtenFile(dir, cluster string) string {
	return filepath.Join(dir, "heartbeats-written-"+cluster+".json")
}

// recall takes up how far the writer's former incarnation went. Where that cannot be read, nobody misses the end of it.
func (w *writer) recall() {
	f, err := readWritten(w.file, w.cfg.Topic, w.incarnation)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.log.Warn("how many heartbeats were written before is not known: the last of them will not be missed when they do not arrive", "err", err)
	}
	w.former = f
}

// readWritten returns what was kept of a topic by the incarnation before another one, nil when it is of another topic.
func readWritten(path, topic string, before int64) (*former, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var kept written
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if kept.Format != stateFormat {
		return nil, fmt.Errorf("read %s: it has format %d, and this mirror reads %d", path, kept.Format, stateFormat)
	}
	if kept.Topic != topic {
		return nil, nil
	}
	f, err := kept.Last.parse(before)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// newSaver returns what keeps how far this incarnation is, apart from the writing: a disk that hangs holds up no heartbeat.
func (w *writer) newSaver() *durable.Saver {
	return durable.NewSaver(w.file, func(err error) {
		w.log.Warn("how many heartbeats were written is not saved: after a restart the last of them will not be missed when they do not arrive", "err", err)
	})
}

// keep has written how far this incarnation is.
func (w *writer) keep(disk *durable.Saver) {
	text, err := json.Marshal(written{stateFormat, w.cfg.Topic, *former{w.incarnation, w.next, w.unsure}.wire()})
	if err != nil {
		w.log.Error("how many heartbeats were written is not saved", "err", err)
		return
	}
	disk.Put(text)
}
