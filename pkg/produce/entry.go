package produce

import (
	"sync/atomic"
	"time"

	"tributary/pkg/mirror"
)

// entry is a pipeline as lanes see it.
type entry struct {
	p    *mirror.Pipeline
	dest mirror.TopicPartition
	slot *slot                // shared with all entries of the destination partition
	lane atomic.Pointer[lane] // whose it is; set by Add, cleared by Remove

	queued  atomic.Bool // it is in its lane's ready list, or in the one its writer works through
	joining atomic.Bool // it is in its lane's list of those to join

	scanned atomic.Pointer[progress] // of a scan for which an attempt to join had no time; nil: none
}

// slot is a destination partition. Several pipelines may write to it, but a request carries one batch per partition: of
// two a broker would take one and answer once.
type slot struct {
	row atomic.Uint64 // number of the last request with a batch for it
}

// delayed is an entry to look at again later.
type delayed struct {
	e    *entry
	at   time.Time
	join bool // it has to join again, else it may have something to send
}
