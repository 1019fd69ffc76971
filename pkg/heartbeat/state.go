package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tributary/pkg/durable"
)

// stateFormat is the version of the form on disk.
const stateFormat = 1

// state is what a reader keeps across restarts: whom it heard, and up to where. Both belong together, so that nothing is
// missed or counted twice.
type state struct {
	Format  int                `json:"format"`
	Topic   string             `json:"topic"`
	Place   place              `json:"place"`
	Origins map[string]*origin `json:"origins"`
}

func stateFile(dir, cluster string) string {
	return filepath.Join(dir, "heartbeats-"+cluster+".json")
}

// load takes up what was saved. What cannot be read is put aside, and the reader begins anew: who is silent since before is
// then not known, which is better than a process that does not start.
func (r *reader) load() {
	s, err := readState(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		aside := r.file + ".unreadable"
		r.log.Error("saved heartbeats not read: origins that are silent now will not be known; put aside", "file", aside, "err", errors.Join(err, os.Rename(r.file, aside)))
		return
	}
	if s.Topic != r.cfg.Topic {
		r.log.Warn("saved heartbeats are of another topic, and are dropped", "saved", s.Topic)
		return
	}
	r.place, r.heard.origins = s.Place, s.Origins
}

func readState(path string) (*state, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if s.Format != stateFormat {
		return nil, fmt.Errorf("read %s: it has format %d, and this mirror reads %d", path, s.Format, stateFormat)
	}
	if s.Place.Next == nil {
		s.Place.Next = map[int32]int64{}
	}
	if s.Origins == nil {
		s.Origins = map[string]*origin{}
	}
	for name, o := range s.Origins {
		if o == nil || !isName(name) || !o.sound() {
			return nil, fmt.Errorf("read %s: what it has of origin %.100q makes no sense", path, name)
		}
	}
	return s, nil
}

func (o *origin) sound() bool {
	for _, s := range o.Streams {
		if s == nil {
			return false
		}
	}
	return len(o.Streams) <= maxStreams && o.Lost >= 0 && o.Interval >= 0
}

// keepSaved saves what is new every saveEvery, and at the end.
func (r *reader) keepSaved(ctx context.Context) {
	failed := false
	for more := true; more; {
		more = sleep(ctx, saveEvery)
		err := r.save()
		if err != nil && !failed {
			r.log.Error("heartbeats not saved: a restart would read them again from where they were saved last; see to the disk of the state_dir", "err", err)
		}
		failed = err != nil
	}
}

// save writes what is known, if it is new.
func (r *reader) save() error {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	if !r.changed {
		r.mu.Unlock()
		return nil
	}
	data, err := json.Marshal(state{Format: stateFormat, Topic: r.cfg.Topic, Place: r.place, Origins: r.heard.origins})
	r.changed = err != nil
	r.mu.Unlock()
	if err == nil {
		err = durable.Replace(r.file, data)
	}
	if err != nil {
		r.mu.Lock()
		r.changed = true
		r.mu.Unlock()
		return fmt.Errorf("save heartbeats: %w", err)
	}
	return nil
}
