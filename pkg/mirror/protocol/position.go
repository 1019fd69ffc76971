package protocol

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"
)

// Position is where a partition stands: always the end of one acknowledged prefix, never past it. Saved in the source's
// consumer group it is a hint; the destination's log is the truth.
type Position struct {
	Source      int64 // offset at the source of the next record to read
	SourceEpoch int32 // leader epoch of the last record read, -1 when unknown
	ProducerID  int64
	Epoch       int16 // producer epoch; 0 except for compacted sources
	Sequence    int32 // sequence of the next record
	Dest        int64 // destination offset after our last acknowledged batch, or where to begin the scan
	DestEpoch   int32 // leader epoch of the destination partition when Dest was learnt, -1 when unknown
	Generation  int32 `json:",omitempty"` // of the identity, see there
}

// Place names a topic of a cluster by the cluster's id. The zero value is none.
type Place struct {
	Cluster string `json:"c"`
	Topic   string `json:"t"`
}

// named says that the place can be written and read back.
func (p Place) named() bool {
	return p.Cluster != "" && p.Topic != "" && len(p.Cluster)+len(p.Topic) <= maxPlaceBytes && utf8.ValidString(p.Cluster) && utf8.ValidString(p.Topic)
}

// maxPlaceBytes bounds both names together: a topic's has at most 249 bytes, a cluster id commonly 22. Written as JSON,
// where a byte may take six, the whole metadata stays below 2 KiB, and below 600 bytes with the letters that Kafka allows.
const maxPlaceBytes = 300

// metadata is the form of a Position in the group's metadata string; short names, as a broker may limit it to
// offset.metadata.max.bytes (4096 by default) and it stands there once per partition.
type metadata struct {
	Version    int   `json:"v"`
	Producer   int64 `json:"pid"`
	Epoch      int16 `json:"pe,omitempty"`
	Sequence   int32 `json:"seq"`
	Dest       int64 `json:"dst"`
	DestEpoch  int32 `json:"de"`
	Generation int32 `json:"g,omitempty"`
	To         Place `json:"to,omitzero"`
}

const metadataVersion = 1

// Metadata returns what goes beside the offset and leader epoch of a group commit. to is where the partition's records
// go, by which a mirror the other way sees that it would send them round; it is left out where it is not known, or no name.
func (p Position) Metadata(to Place) string {
	if !to.named() {
		to = Place{}
	}
	b, err := json.Marshal(metadata{metadataVersion, p.ProducerID, p.Epoch, p.Sequence, p.Dest, p.DestEpoch, p.Generation, to})
	if err != nil {
		panic(err) // a struct of integers and strings
	}
	return string(b)
}

// ParsePosition reads a committed position back, and where it leads, which is none in what earlier versions wrote. The metadata is untrusted: a commit by another tool, or by a newer
// version of this one, is an error and not a guess. Only the very text that Metadata writes is taken, since a number left
// out would read as zero and make the scan count from there.
func ParsePosition(next int64, leaderEpoch int32, text string) (Position, Place, error) {
	var m metadata
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Position{}, Place{}, fmt.Errorf("read position metadata %.60q: %w", text, err)
	}
	p := Position{next, leaderEpoch, m.Producer, m.Epoch, m.Sequence, m.Dest, m.DestEpoch, m.Generation}
	switch {
	case m.Version != metadataVersion:
		return Position{}, Place{}, fmt.Errorf("read position metadata: version %d, this program knows %d", m.Version, metadataVersion)
	case next < 0, leaderEpoch < -1, m.Producer < 0, m.Epoch < 0, m.Sequence < 0, m.Dest < 0, m.DestEpoch < -1, m.Generation < 0:
		return Position{}, Place{}, fmt.Errorf("read position metadata %.120q at offset %d, leader epoch %d: negative number", text, next, leaderEpoch)
	case p.Metadata(m.To) != text:
		return Position{}, Place{}, fmt.Errorf("read position metadata %.120q: not written by this program", text)
	}
	return p, m.To, nil
}

// Identity is what makes a mirrored partition the same producer for ever. It is created once, atomically, before the
// first produce (rule I), and survives the loss of every position.
type Identity struct {
	SourceCluster string `json:"source_cluster"`
	SourceTopicID string `json:"source_topic_id"`
	DestCluster   string `json:"dest_cluster"`
	DestTopic     string `json:"dest_topic"`
	DestTopicID   string `json:"dest_topic_id"`
	DestPartition int32  `json:"dest_partition"`
	ProducerID    int64  `json:"producer_id"`
	// Generation counts the identities that the partition had before and gave up, each with its producer. A position tells of
	// which it is: so one that was saved later than a store's content shows that this is an old one that was put back.
	Generation int32    `json:"generation,omitempty"`
	Base       Position `json:"base"` // where the partition began
	// One more than the newest leader epoch of the source under which anything was sent, 0 when that is not known. It is
	// stored before the first record of a newer epoch is sent (S1): what the destination holds beyond a position was read
	// under an epoch below it, so a walk that meets a newer one has met a log that was cut.
	SourceEpochs int32 `json:"source_epochs,omitempty"`
	// Floor is the end of the last source records that were passed over: they took no sequence, so that nothing may be
	// counted from a position before it. Of this producer, or void; the zero value is none.
	Floor Position `json:"floor,omitzero"`
	// Rebuilt is when the store got the identity back from a position, after it had lost it; ms since 1970, 0: never. With the
	// identity went what was known of former owners.
	Rebuilt int64 `json:"rebuilt,omitempty"`
	// Compacted sources only: the newest epoch handed out, and where the run that took it began (E1, E2).
	Compacted bool  `json:"compacted,omitempty"`
	Epoch     int16 `json:"epoch,omitempty"`
	Start     int64 `json:"start,omitempty"`
}

// Begin returns where a run starts: at the saved position if it is this identity's, else at the identity's base; never
// anew (rule I). found is false when no position was saved. On a compacted source a position counts only if it is of the
// newest epoch handed out; else the run starts where the run with that epoch began (E2). On others a position below the
// floor is void: a commit from before the floor may land late, and what is counted from it would be short of the records
// that were passed over.
func (id Identity) Begin(saved Position, found bool) Position {
	if !id.Compacted && id.Floor.ProducerID == id.ProducerID && id.Floor.Source > id.Base.Source {
		id.Base = id.Floor
		found = found && saved.Source >= id.Floor.Source
	}
	if found && saved.ProducerID == id.ProducerID && (!id.Compacted || saved.Epoch == id.Epoch) {
		return saved
	}
	p := id.Base
	if id.Compacted && id.Epoch != p.Epoch { // else no run has taken an epoch since the base
		p.Source, p.SourceEpoch, p.Epoch = id.Start, -1, id.Epoch
	}
	return p
}

// OutdatedBy says that a position was saved under a later identity of the partition, or by a later run of a compacted one, than
// the store knows: its content was put back to an earlier state, as from a backup. A position that is void for being of an
// earlier one does not say so. A later identity is what the position says (Rebuild); of a compacted source nobody knows which
// epochs were handed out meanwhile, and to take one of them again would lose records without a trace (H6).
func (id Identity) OutdatedBy(saved Position) bool {
	return saved.Generation > id.Generation || id.Compacted && saved.Generation == id.Generation && saved.ProducerID == id.ProducerID && saved.Epoch > id.Epoch
}

// Next returns the generation of an identity that takes the place of id, which may be an old one, where the partition stands at p.
func (id Identity) Next(p Position) int32 { return max(id.Generation, p.Generation) + 1 }

// Foretold says whether records of a source leader epoch may be sent: the stored identity says that this may have happened.
func (id Identity) Foretold(epoch int32) bool {
	return epoch < id.SourceEpochs || id.SourceEpochs == math.MaxInt32
}

// Foretell returns the identity to be stored before records of a source leader epoch are sent. The epoch is as the source
// shows it, and no checksum covers it there: the greatest number leaves all epochs foretold.
func (id Identity) Foretell(epoch int32) Identity {
	id.SourceEpochs = max(id.SourceEpochs, min(epoch, math.MaxInt32-1)+1)
	return id
}

// Cut says, of a walk over records that the destination holds already, that a record of this source leader epoch cannot be
// one of them: the source lost what was sent, and others stand at those offsets.
func (id Identity) Cut(epoch int32) bool { return id.SourceEpochs > 0 && !id.Foretold(epoch) }

// Exhausted says that no epoch is left for this producer, so that NextEpoch must not be called.
func (id Identity) Exhausted() bool { return id.Epoch == math.MaxInt16 }

// NextEpoch returns the identity to be stored and the position to run from when a compacted source starts at p: a new
// epoch from sequence 0, kept together with the offset it starts at (E1, E2). The run may produce only once the identity
// is stored by compare-and-set. It panics when id is Exhausted: an epoch used twice loses records without a trace.
func (id Identity) NextEpoch(p Position) (Identity, Position) {
	if id.Exhausted() {
		panic("protocol: next epoch of an exhausted producer")
	}
	id.Epoch, id.Start = id.Epoch+1, p.Source
	p.Epoch, p.Sequence = id.Epoch, 0
	return id, p
}

// Rebuild returns the identity that a saved position proves, for a store that lost it; who calls it must be the only one.
// For a plain source any saved position will do. For a compacted one p must be of the newest epoch ever handed out, which
// p itself cannot show: a later run that saved nothing has used the epoch that NextEpoch would give again.
func (p Position) Rebuild(id Identity) Identity {
	id.ProducerID, id.Generation, id.Base = p.ProducerID, p.Generation, p
	if id.Compacted {
		id.Epoch, id.Start = p.Epoch, p.Source
	}
	return id
}
