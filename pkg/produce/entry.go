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
	lane atomic.Pointer[lane] // whose it is; set by Add, cleared by Remove

	queued  atomic.Bool // it is in the lane's ready list, or in the one its writer works through
	joining atomic.Bool // it is in the lane's list of those to join
}

// delayed is an entry to look at again later.
type delayed struct {
	e    *entry
	at   time.Time
	join bool // it has to join again, else it may have something to send
}
