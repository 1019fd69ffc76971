// Package coord is what a pool needs of its coordination service, and nothing else: a tree of small nodes of which some
// live only as long as the session that made them, watches, and atomic writes. pkg/ownership/zookeeper is the real one,
// pkg/ownership/coord/fake one in memory with faults; pkg/ownership/coord/coordtest holds both to the same promises.
package coord

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of calls. Everything else means that the outcome is unknown: read again before anything is concluded.
var (
	ErrNoNode     = errors.New("node does not exist")
	ErrNodeExists = errors.New("node exists")
	ErrVersion    = errors.New("node has another version")
	ErrNotEmpty   = errors.New("node has children")
	ErrNoAuth     = errors.New("not permitted")
	ErrTooLarge   = errors.New("too large") // said before anything is sent
	ErrClosed     = errors.New("client is closed")
)

// MaxNodeBytes is the most that a node's data may have. Servers drop the connection at a megabyte, which looks like a loss.
const MaxNodeBytes = 512 << 10

// MaxWriteBytes is the most that a write may have, as CheckSize reckons; a larger one has to be several.
const MaxWriteBytes = 900 << 10

// opBytes is reckoned for what an op has besides its path and data.
const opBytes = 128

// MaxEphemeralBytes is the most that the paths of the ephemeral nodes of one session may have together. A session with more
// than about two megabytes takes the whole ensemble down when it ends (ZOOKEEPER-4306).
const MaxEphemeralBytes = 512 << 10

// AnyVersion matches every version.
const AnyVersion int32 = -1

// Phase is what is known of a session at this side.
type Phase uint8

// Phases.
const (
	Connecting Phase = iota // there is no session yet, or a new one is sought after the former expired
	Connected               // there is a connection
	Suspended               // the connection is lost; the session may live
	Closed                  // by Close
)

// String is the phase as metrics and the API name it.
func (p Phase) String() string {
	switch p {
	case Connecting:
		return "connecting"
	case Connected:
		return "connected"
	case Suspended:
		return "suspended"
	}
	return "closed"
}

// Session is the present one.
type Session struct {
	Phase      Phase
	ID         int64         // 0 before the first
	Generation uint64        // grows with every new session: all that was known and all ephemeral nodes are gone
	Timeout    time.Duration // as negotiated
	Since      time.Time     // of this phase
}

// Node is a node as it was read.
type Node struct {
	Data    []byte
	Version int32
	Owner   int64 // session of an ephemeral node, 0 of others
	Created int64 // transaction that made it: tells a node from another that was made later at the same path
}

// Op is one part of a write.
type Op struct {
	Kind       OpKind
	Path       string
	Data       []byte
	Version    int32 // of OpSet, OpDelete and OpCheck
	Ephemeral  bool  // of OpCreate
	Sequential bool  // of OpCreate: ten digits are put behind the path
}

// OpKind says what an Op does.
type OpKind uint8

// Kinds of ops.
const (
	OpCreate OpKind = iota
	OpSet
	OpDelete
	OpCheck // that the node exists, with this version unless it is AnyVersion
)

// OpError says which op of a write failed; nothing of the write was done. It wraps one of the errors above.
type OpError struct {
	Op  int // index
	Err error
}

func (e *OpError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the op.
func (e *OpError) Unwrap() error { return e.Err }

// Client is a connection to the service with a session that it renews by itself. All methods are safe for concurrent use.
// Calls return when ctx ends, whatever the service does; a write may take effect nevertheless, even later, and even under
// a later session of this client: every write begins with an OpCheck of a node that dies with the session.
type Client interface {
	// Session returns the present session, and a channel that is closed when that changes.
	Session() (Session, <-chan struct{})
	// Lease returns until when nobody can have ended the present session: a timeout from a moment at which the service is
	// known to have heard of it. It is the zero time where there is none. It does no I/O.
	Lease() time.Time
	// Get reads a node. watch is closed when the node changes, appears or vanishes, or when the session ends; it is armed
	// too where the error is ErrNoNode, and nil on other errors and where no watch is asked for.
	Get(ctx context.Context, path string, watched bool) (n Node, watch <-chan struct{}, err error)
	// Children lists the names of a node's children, in no order. watch is closed when that list changes.
	Children(ctx context.Context, path string, watched bool) (names []string, watch <-chan struct{}, err error)
	// Write does all ops or none, and returns the paths of those created, "" for other ops.
	Write(ctx context.Context, ops ...Op) (paths []string, err error)
	// Close ends the session, so that its ephemeral nodes go at once.
	Close() error
}

// CheckSize returns ErrTooLarge for what servers would answer by dropping the connection.
func CheckSize(ops []Op) error {
	total := 0
	for i, op := range ops {
		if len(op.Data) > MaxNodeBytes {
			return &OpError{Op: i, Err: fmt.Errorf("%w: %d bytes, %d are possible", ErrTooLarge, len(op.Data), MaxNodeBytes)}
		}
		total += opBytes + len(op.Path) + len(op.Data)
	}
	if total > MaxWriteBytes {
		return fmt.Errorf("%w: %d ops have %d bytes, %d are possible in one write", ErrTooLarge, len(ops), total, MaxWriteBytes)
	}
	return nil
}
