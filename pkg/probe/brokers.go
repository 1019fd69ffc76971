package probe

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"tributary/pkg/kafka"
)

const (
	// fetchesPerRound and bytesPerRound bound what reading the timestamps of waiting records costs a broker. What is left
	// is read in later rounds.
	fetchesPerRound = 16
	bytesPerRound   = 2 << 20

	codeClusterAuthorization = 31
	codeUnsupportedVersion   = 35
)

// broker is one broker with what it is asked, and its answers.
type broker struct {
	id         int32
	addr       string
	partitions map[string][]int32 // that it leads
	wanted     map[string][]Offset
	known      map[kafka.At]bool // offsets whose first batch needs no reading

	dirsAt   time.Time
	dirs     []kafka.LogDir
	dirsErr  error
	endsAt   time.Time
	ends     map[string]map[int32]int64
	starts   map[string]map[int32]int64
	heads    map[kafka.At]Head
	boundErr error
}

// takeBrokers takes in the answers of the brokers.
func (p *Prober) takeBrokers(brokers []*broker, wants Wants) error {
	var failed, untold []error
	for _, b := range brokers {
		failed = append(failed, b.boundErr)
		if code, ok := kafka.Code(b.dirsErr); ok && (code == codeClusterAuthorization || code == codeUnsupportedVersion) {
			untold = append(untold, rights(b.dirsErr, "DESCRIBE on the cluster: without it neither retention.bytes nor full disks are foreseen"))
		} else {
			failed = append(failed, b.dirsErr)
		}
		p.takeDirs(b)
		p.takeEnds(b, wants)
	}
	p.complain("log directories", errors.Join(untold...))
	return errors.Join(failed...)
}

// spread sorts what is wanted by the broker to ask.
func (p *Prober) spread(md *kafka.Metadata, wants Wants) []*broker {
	brokers := map[int32]*broker{}
	for name := range wants.Sources {
		t := p.topics[name]
		if t == nil || !p.asked[name] {
			continue
		}
		for i, part := range md.Topics[name].Partitions {
			addr, alive := md.Brokers[part.Leader]
			if !alive {
				continue
			}
			b := brokers[part.Leader]
			if b == nil {
				b = &broker{id: part.Leader, addr: addr, partitions: map[string][]int32{}, wanted: map[string][]Offset{}, known: map[kafka.At]bool{}, heads: map[kafka.At]Head{}}
				brokers[part.Leader] = b
			}
			id := int32(i)
			b.partitions[name] = append(b.partitions[name], id)
			for _, o := range wants.Sources[name] {
				if o.Partition == id {
					b.wanted[name] = append(b.wanted[name], o)
				}
			}
			for _, h := range t.partitions[i].answer.Heads {
				b.known[kafka.At{Topic: name, Partition: id, Offset: h.Offset}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Values(brokers), func(x, y *broker) int { return cmp.Compare(x.id, y.id) })
}

// ask puts the questions in this order: sizes before ends, and ends before starts, as Partition promises.
func (b *broker) ask(ctx context.Context, cluster *kafka.Cluster) {
	b.dirsAt = time.Now()
	b.dirsErr = bounded(ctx, func(ctx context.Context) (err error) {
		b.dirs, err = cluster.LogDirs(ctx, b.addr, b.partitions)
		return err
	})
	b.endsAt = time.Now()
	b.boundErr = bounded(ctx, func(ctx context.Context) (err error) {
		b.ends, err = cluster.Bounds(ctx, b.addr, b.partitions, kafka.LogEnd)
		return err
	})
	if len(b.ends) == 0 {
		return
	}
	err := bounded(ctx, func(ctx context.Context) (err error) {
		b.starts, err = cluster.Bounds(ctx, b.addr, b.partitions, kafka.LogStart)
		return err
	})
	if b.boundErr = errors.Join(b.boundErr, err); len(b.starts) > 0 {
		b.boundErr = errors.Join(b.boundErr, bounded(ctx, func(ctx context.Context) error { return b.readHeads(ctx, cluster) }))
	}
}

// readHeads reads the first batch of every log, and that of every record which waits.
func (b *broker) readHeads(ctx context.Context, cluster *kafka.Cluster) error {
	var first, waiting []kafka.At
	for name, starts := range b.starts {
		for id, start := range starts {
			end, ok := b.ends[name][id]
			if at := (kafka.At{Topic: name, Partition: id, Offset: start}); ok && start < end && !b.known[at] {
				first = append(first, at)
			}
		}
		for _, o := range b.wanted[name] {
			start, ok := starts[o.Partition]
			at := kafka.At{Topic: name, Partition: o.Partition, Offset: max(start, o.Offset)}
			if end := b.ends[name][o.Partition]; ok && start < at.Offset && at.Offset < end && !b.known[at] {
				waiting = append(waiting, at)
			}
		}
	}
	fetches, bytes := 0, 0
	for _, list := range [][]kafka.At{waiting, first} {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) // one that fails is not always in front
		for len(list) > 0 && fetches < fetchesPerRound && bytes < bytesPerRound {
			asked := distinct(list)
			found, err := cluster.FetchAt(ctx, b.addr, asked)
			if err != nil {
				return err
			}
			fetches++
			for at, batches := range found {
				bytes += len(batches)
				if h, ok := newHead(at.Offset, batches); ok {
					b.heads[at] = h
				}
			}
			if len(found) == 0 {
				break // an error for the first, or a quota: later
			}
			list = slices.DeleteFunc(list, func(at kafka.At) bool { _, ok := found[at]; return ok })
		}
	}
	return nil
}

// distinct returns of each partition the first.
func distinct(list []kafka.At) []kafka.At {
	type key struct {
		topic     string
		partition int32
	}
	seen := make(map[key]bool, len(list))
	var out []kafka.At
	for _, at := range list {
		if k := (key{at.Topic, at.Partition}); !seen[k] {
			seen[k] = true
			out = append(out, at)
		}
	}
	return out
}

// prune forgets the disks of brokers that are not asked any more: of those that lead nothing of what is mirrored, and of those
// that left the cluster. One that is only down still has its replicas, and what it said last stands.
func (p *Prober) prune(md *kafka.Metadata, asked []*broker) {
	gone := func(id DiskID) bool {
		_, alive := md.Brokers[id.Broker]
		return !alive && !md.Assigned[id.Broker]
	}
	maps.DeleteFunc(p.disks, func(id DiskID, _ *growth) bool { return gone(id) })
	maps.DeleteFunc(p.volumes, func(id DiskID, _ Disk) bool {
		_, alive := md.Brokers[id.Broker]
		return gone(id) || alive && !slices.ContainsFunc(asked, func(b *broker) bool { return b.id == id.Broker })
	})
}

// takeDirs takes in the directories of a broker.
func (p *Prober) takeDirs(b *broker) {
	for _, d := range b.dirs {
		id := DiskID{b.id, d.Path}
		disk := Disk{DiskID: id, At: b.dirsAt, Total: d.Total, Usable: d.Usable}
		if d.Total >= 0 {
			g := p.disks[id]
			if g == nil {
				g = &growth{}
				p.disks[id] = g
			}
			g.add(b.dirsAt, d.Total-d.Usable)
			disk.FullAt = g.fullAt(b.dirsAt, d.Total, d.Usable)
		}
		p.volumes[id] = disk
	}
}

// takeEnds takes in the ends and sizes of a broker's partitions.
func (p *Prober) takeEnds(b *broker, wants Wants) {
	for name, ids := range b.partitions {
		for _, id := range ids {
			end, ok := b.ends[name][id]
			start, also := b.starts[name][id]
			if !ok || !also {
				continue
			}
			part := p.topics[name].partitions[id]
			part.take(b, name, id, start, end)
			part.keep(b, name, id, wants.Sources[name])
		}
	}
}

// take makes the partition's answer of the present ends and size.
func (s *partition) take(b *broker, name string, id int32, start, end int64) {
	heads := s.answer.Heads
	if end < s.answer.End || start < s.answer.Start {
		heads = nil // another log, or one that was cut
	}
	s.answer = Partition{At: b.endsAt, Start: start, End: end, Heads: slices.Clone(heads), Disk: s.answer.Disk}
	for _, d := range b.dirs {
		size, ok := d.Sizes[name][id]
		if !ok {
			continue
		}
		before := s.volume.appended
		s.volume.measure(start, end, size)
		if s.volume.appended < before {
			s.speed.ticks = nil
		}
		s.speed.add(b.dirsAt, s.volume.appended)
		s.answer.Sized, s.answer.Size, s.answer.Disk, s.answer.Pace = b.dirsAt, size, DiskID{b.id, d.Path}, s.speed.pace()
		s.answer.appended, s.answer.marks = s.volume.appended, s.volume.marks
		return
	}
}

// keep takes in the heads that were read, and keeps those of use.
func (s *partition) keep(b *broker, name string, id int32, offsets []Offset) {
	wanted := []int64{s.answer.Start}
	for _, o := range offsets {
		if o.Partition == id {
			wanted = append(wanted, max(o.Offset, s.answer.Start))
		}
	}
	for _, offset := range wanted {
		if h, ok := b.heads[kafka.At{Topic: name, Partition: id, Offset: offset}]; ok {
			s.answer.Heads = append(s.answer.Heads, h)
		}
	}
	s.answer.Heads = keepHeads(s.answer.Heads, wanted)
	for _, h := range s.answer.Heads {
		if h.Offset == s.answer.Start && h.First >= 0 && s.answer.Start < s.answer.End {
			oldest := time.UnixMilli(h.First).UTC()
			s.answer.Oldest = &oldest
		}
	}
}
