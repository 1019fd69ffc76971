package probe

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tributary/pkg/durable"
	"tributary/pkg/kafka"
)

// header begins the file; its number rises when the form changes. A file of another form is not read.
const header = "mirror-traffic 1\n"

// errDamaged is of a file that is not as it was written.
var errDamaged = errors.New("the file is damaged")

// memory is what the file holds: the header, the checksum of the rest, and this.
type memory struct {
	Cluster string
	Topics  map[string]topicMemory
	Disks   map[DiskID]diskMemory
}

type topicMemory struct {
	ID         kafka.TopicID
	Partitions []partitionMemory
}

type partitionMemory struct {
	Start, End, Size, Appended int64
	Marks                      []int64 // end and appended in turn
	Hours                      []int64
	Rates                      []float32
}

type diskMemory struct {
	Hours []int64
	Rates []float32
}

// lastSave is for how long the end of a process waits for a disk.
const lastSave = 3 * time.Second

// newSaver returns what writes what is to be remembered, apart from the rounds; nil where nothing is kept. A failure is a word
// in the log: nothing that is known now is lost by it.
func (p *Prober) newSaver() *durable.Saver {
	if p.cfg.Path == "" {
		return nil
	}
	return durable.NewSaver(p.cfg.Path, p.notSaved)
}

func (p *Prober) notSaved(err error) {
	p.log.Warn("traffic of the last week not saved; a restart forgets it", "err", err)
}

// save has written what is to be remembered.
func (p *Prober) save(disk *durable.Saver) {
	p.saved = time.Now()
	if disk == nil || p.id == "" {
		return
	}
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(p.remembered()); err != nil {
		p.notSaved(fmt.Errorf("encode traffic: %w", err))
		return
	}
	text := append([]byte(header), binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body.Bytes()))...)
	disk.Put(append(text, body.Bytes()...))
}

// end saves for the last time. It waits until all is written, but not for ever: a process that ends must not hang on a disk.
func (p *Prober) end(disk *durable.Saver) {
	p.save(disk)
	if disk != nil && !disk.End(lastSave) {
		p.log.Warn("the disk of the state directory does not answer; the traffic seen last may not be saved")
	}
}

func (p *Prober) remembered() memory {
	m := memory{Cluster: p.id, Topics: map[string]topicMemory{}, Disks: map[DiskID]diskMemory{}}
	for name, t := range p.topics {
		kept := topicMemory{ID: t.id}
		for _, part := range t.partitions {
			v := &part.volume
			one := partitionMemory{Start: v.start, End: v.end, Size: v.size, Appended: v.appended}
			for _, mark := range v.marks {
				one.Marks = append(one.Marks, mark.end, mark.appended)
			}
			one.Hours, one.Rates = split(part.speed.hours)
			kept.Partitions = append(kept.Partitions, one)
		}
		if len(kept.Partitions) > 0 {
			m.Topics[name] = kept
		}
	}
	for id, g := range p.disks {
		hours, rates := split(g.hours)
		m.Disks[id] = diskMemory{hours, rates}
	}
	return m
}

func split(peaks []peak) (hours []int64, rates []float32) {
	for _, one := range peaks {
		hours, rates = append(hours, one.hour), append(rates, float32(one.rate))
	}
	return hours, rates
}

func join(hours []int64, rates []float32) []peak {
	var peaks []peak
	for i := range min(len(hours), len(rates)) {
		peaks = append(peaks, peak{hours[i], float64(rates[i])})
	}
	return peaks
}

// load takes in what was remembered. Without a file, or with one that is of no use, it starts anew and says so.
func (p *Prober) load() {
	if p.cfg.Path == "" {
		return
	}
	m, err := read(p.cfg.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.log.Info("no traffic of the last week is known yet", "file", filepath.Base(p.cfg.Path))
		return
	case err != nil:
		p.log.Warn("traffic of the last week could not be read; what it was is learned anew", "err", err)
		return
	}
	p.id = m.Cluster
	for name, kept := range m.Topics {
		t := &topic{id: kept.ID}
		for _, one := range kept.Partitions {
			t.partitions = append(t.partitions, one.partition())
		}
		p.topics[name] = t
	}
	for id, kept := range m.Disks {
		hours := join(kept.Hours, kept.Rates)
		p.disks[id] = &growth{hours: hours, p95: percentile(hours)}
	}
}

func (m partitionMemory) partition() *partition {
	v := volume{known: len(m.Marks) > 1, start: m.Start, end: m.End, size: m.Size, appended: m.Appended}
	for i := 0; i+1 < len(m.Marks); i += 2 {
		v.marks = append(v.marks, mark{m.Marks[i], m.Marks[i+1]})
	}
	hours := join(m.Hours, m.Rates)
	return &partition{volume: v, speed: speed{hours: hours, p95: percentile(hours)}}
}

func read(path string) (m memory, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("read traffic: %w", err)
	}
	body, ok := bytes.CutPrefix(text, []byte(header))
	if !ok || len(body) < crc32.Size || binary.BigEndian.Uint32(body) != crc32.ChecksumIEEE(body[crc32.Size:]) {
		return m, fmt.Errorf("read traffic from %s: %w", path, errDamaged)
	}
	if err := gob.NewDecoder(bytes.NewReader(body[crc32.Size:])).Decode(&m); err != nil {
		return memory{}, fmt.Errorf("read traffic from %s: %w: %w", path, errDamaged, err)
	}
	return m, nil
}
