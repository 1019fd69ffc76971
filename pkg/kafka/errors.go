package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Error is an error code of the Kafka protocol. Errors compare by value:
// errors.Is(err, kafka.Error{Code: 3}).
type Error struct{ Code int16 }

// Error gives the code's name, number and meaning.
func (e Error) Error() string {
	known := kerr.TypedErrorForCode(e.Code)
	if known == nil || known.Code != e.Code {
		return fmt.Sprintf("Kafka error code %d", e.Code)
	}
	return fmt.Sprintf("%s (%d): %s", known.Message, e.Code, known.Description)
}

// PartitionError is the error code that a broker gave for one partition of a request.
type PartitionError struct {
	Topic     string
	Partition int32
	Code      int16
}

// Error names the partition and the code.
func (e *PartitionError) Error() string {
	return fmt.Sprintf("%s/%d: %v", e.Topic, e.Partition, Error{e.Code})
}

// Unwrap returns the code as Error.
func (e *PartitionError) Unwrap() error { return Error{e.Code} }

// Refusals takes an error apart into what a broker said of single partitions. ok is false when there is anything else in it: then
// it is not known what became of the others.
func Refusals(err error) (refused []*PartitionError, ok bool) {
	switch e := err.(type) { //nolint:errorlint // errors.As would stop at the first branch, and each has to be looked at
	case nil:
		return nil, true
	case *PartitionError:
		return []*PartitionError{e}, true
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			some, ok := Refusals(one)
			if !ok {
				return nil, false
			}
			refused = append(refused, some...)
		}
		return refused, true
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return Refusals(inner)
		}
	}
	return nil, false
}

// ErrClosed says that the Cluster was closed.
var ErrClosed = errors.New("cluster is closed")

// The codes that this package itself decides on.
const (
	codeUnknownTopicOrPartition = 3
	codeLeaderNotAvailable      = 5
	codeNotLeader               = 6
	codeRequestTimedOut         = 7
	codeBrokerNotAvailable      = 8
	codeReplicaNotAvailable     = 9
	codeCoordinatorLoading      = 14
	codeCoordinatorNotAvailable = 15
	codeNotCoordinator          = 16
	codeGroupAuthorization      = 30
	codeClusterAuthorization    = 31
	codeUnsupportedVersion      = 35
	codeTopicAlreadyExists      = 36
	codeInvalidPartitions       = 37
	codeNotController           = 41
	codeConcurrentTransactions  = 51
	codeSASLAuthentication      = 58
	codeGroupIDNotFound         = 69
)

// ErrorCode returns code as an error: nil for 0, else an Error.
func ErrorCode(code int16) error {
	if code == 0 {
		return nil
	}
	return Error{code}
}

// Code returns the first Kafka error code in err's tree, and whether there is one.
func Code(err error) (int16, bool) {
	if e, ok := errors.AsType[Error](err); ok {
		return e.Code, true
	}
	return 0, false
}

// Retriable reports whether the same request may succeed later, perhaps at another broker: the code
// is one that Kafka calls retriable, or a connection was refused, lost or silent for too long.
// A context that ended is not retriable.
func Retriable(err error) bool {
	if code, ok := Code(err); ok {
		known := kerr.TypedErrorForCode(code)
		return known != nil && known.Code == code && known.Retriable
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}
