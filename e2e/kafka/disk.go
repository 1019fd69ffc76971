package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Names in a data directory of Kafka.
const (
	segmentExt        = ".log"
	cleanShutdownName = ".kafka_cleanshutdown" // without it a broker checks its logs when it starts, and cuts them at what it cannot read
	epochsName        = "leader-epoch-checkpoint"
	recoveryName      = "recovery-point-offset-checkpoint"
	watermarksName    = "replication-offset-checkpoint"
)

// Header of a v2 record batch.
const (
	batchLengthAt      = 8 // of what follows the length
	batchLengthEnd     = 12
	batchLastDeltaAt   = 23
	batchHeaderBytes   = 61
	offsetDigits       = 20 // in the name of a segment
	checkpointPreamble = 2  // lines before the entries: version, count
)

// CutLog does to one partition what a power cut does: the batch that holds offset and everything behind it never reached
// the disk, nor did what the broker would have written when it stops in order. It returns where the log ends now, which
// is the first offset that will be given away again. The node must be down.
func (n *Node) CutLog(topic string, partition int32, offset int64) (end int64, err error) {
	at, err := n.findBatch(topic, partition, offset)
	if err != nil {
		return 0, fmt.Errorf("cut the log of %s/%d at %d: %w", topic, partition, offset, err)
	}
	if err := errors.Join(at.cut(), n.forgetShutdown(topic, partition)); err != nil {
		return 0, fmt.Errorf("cut the log of %s/%d at %d: %w", topic, partition, offset, err)
	}
	return at.first, nil
}

// FlipByte flips one bit in the last byte of the batch that holds offset, as a worn disk does, and returns the offsets
// of the batch: first and the one behind its last. The node must have been stopped in order: one that was killed would
// check its log and cut it there.
func (n *Node) FlipByte(topic string, partition int32, offset int64) (first, next int64, err error) {
	at, err := n.findBatch(topic, partition, offset)
	if err == nil {
		_, err = os.Stat(filepath.Join(n.dataDir(), cleanShutdownName))
	}
	if err == nil {
		err = at.flip()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("damage the batch at %d of %s/%d: %w", offset, topic, partition, err)
	}
	return at.first, at.next, nil
}

// WipeLog removes all that the node holds of one partition, as the replacement of a disk does. The node must be down.
func (n *Node) WipeLog(topic string, partition int32) error {
	dir, err := n.logDir(topic, partition)
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = n.forgetShutdown(topic, partition)
	}
	if err != nil {
		return fmt.Errorf("wipe the log of %s/%d: %w", topic, partition, err)
	}
	return nil
}

func (n *Node) dataDir() string { return filepath.Join(n.spec.dir, dataName) }

// logDir returns where the log of a partition is, of a node that is down.
func (n *Node) logDir(topic string, partition int32) (string, error) {
	if n.Alive() {
		return "", fmt.Errorf("%s is running", n.spec.name)
	}
	dir := filepath.Join(n.dataDir(), topic+"-"+strconv.Itoa(int(partition)))
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("find the log: %w", err)
	}
	return dir, nil
}

// forgetShutdown removes what lets a broker trust the log as it is.
func (n *Node) forgetShutdown(topic string, partition int32) error {
	err := os.Remove(filepath.Join(n.dataDir(), cleanShutdownName))
	if errors.Is(err, os.ErrNotExist) {
		err = nil // it was killed
	}
	entry := topic + " " + strconv.Itoa(int(partition)) + " "
	keep := func(line string) bool { return !strings.HasPrefix(line, entry) }
	return errors.Join(err,
		filterCheckpoint(filepath.Join(n.dataDir(), recoveryName), keep),
		filterCheckpoint(filepath.Join(n.dataDir(), watermarksName), keep))
}

// batchPlace is one batch on the disk.
type batchPlace struct {
	dir     string
	segment string // path of the file
	start   int64  // position in the file
	end     int64
	first   int64 // offset of the first record
	next    int64 // offset behind the last record
}

func (n *Node) findBatch(topic string, partition int32, offset int64) (batchPlace, error) {
	dir, err := n.logDir(topic, partition)
	if err != nil {
		return batchPlace{}, err
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*"+segmentExt))
	if err != nil {
		return batchPlace{}, fmt.Errorf("list segments: %w", err)
	}
	slices.Sort(segments) // names have leading zeros
	for _, segment := range segments {
		at, found, err := findInSegment(segment, offset)
		if err != nil {
			return batchPlace{}, fmt.Errorf("read %s: %w", segment, err)
		}
		if found {
			at.dir = dir
			return at, nil
		}
	}
	return batchPlace{}, errors.New("no batch on the disk holds the offset")
}

func findInSegment(path string, offset int64) (at batchPlace, found bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return at, false, err
	}
	defer file.Close()
	at.segment = path
	var header [batchHeaderBytes]byte
	for {
		if _, err := file.ReadAt(header[:], at.end); err != nil {
			if errors.Is(err, io.EOF) { // preallocated or torn rest
				err = nil
			}
			return at, false, err
		}
		at.start = at.end
		at.end += batchLengthEnd + int64(binary.BigEndian.Uint32(header[batchLengthAt:]))
		at.first = int64(binary.BigEndian.Uint64(header[:]))
		at.next = at.first + int64(binary.BigEndian.Uint32(header[batchLastDeltaAt:])) + 1
		if at.next > offset {
			return at, at.first <= offset, nil
		}
	}
}

// cut removes the batch and what comes behind it.
func (at batchPlace) cut() error {
	if err := os.Truncate(at.segment, at.start); err != nil {
		return err
	}
	entries, err := os.ReadDir(at.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		ext := filepath.Ext(name)
		if len(name) != offsetDigits+len(ext) {
			continue
		}
		base, err := strconv.ParseInt(strings.TrimSuffix(name, ext), 10, 64)
		if err != nil {
			continue // not a file of a segment
		}
		// Indexes point at what is gone: the broker builds them anew. Snapshots of producers are named by the end they know.
		if base > at.first || ext != segmentExt && ext != ".snapshot" {
			if err := os.Remove(filepath.Join(at.dir, name)); err != nil {
				return err
			}
		}
	}
	return filterCheckpoint(filepath.Join(at.dir, epochsName), func(line string) bool {
		_, start, _ := strings.Cut(line, " ")
		from, err := strconv.ParseInt(start, 10, 64)
		return err == nil && from < at.first
	})
}

func (at batchPlace) flip() error {
	file, err := os.OpenFile(at.segment, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	var last [1]byte
	if _, err := file.ReadAt(last[:], at.end-1); err != nil {
		return err
	}
	last[0] ^= 1
	if _, err := file.WriteAt(last[:], at.end-1); err != nil {
		return err
	}
	return file.Close()
}

// filterCheckpoint rewrites a checkpoint file of Kafka with the entries that keep accepts; one that is not there stays
// away.
func filterCheckpoint(path string, keep func(line string) bool) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(text) == 0 { // a broker writes them now and then
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) < checkpointPreamble {
		return fmt.Errorf("%s is no checkpoint", path)
	}
	entries := slices.DeleteFunc(lines[checkpointPreamble:], func(line string) bool { return !keep(line) })
	out := append([]string{lines[0], strconv.Itoa(len(entries))}, entries...)
	return os.WriteFile(path, []byte(strings.Join(out, "\n")+"\n"), 0o644)
}
