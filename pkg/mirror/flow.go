package mirror

import (
	"sync"
	"sync/atomic"
	"time"
)

// Side is one end of a link.
type Side uint8

// Sides.
const (
	SideSource Side = iota
	SideTarget
	sides
)

// Sides returns both.
func Sides() []Side { return []Side{SideSource, SideTarget} }

// String returns the side as metrics name it.
func (s Side) String() string { return [sides]string{"source", "target"}[s] }

// ErrorClass says what kind of error kept a lane from fetching or sending, for a first guess at who has to do something.
type ErrorClass uint8

// Classes of errors.
const (
	ErrorConnection     ErrorClass = iota // refused, reset, closed
	ErrorTimeout                          // no answer in time
	ErrorAuthentication                   // TLS or SASL
	ErrorAuthorization                    // a right is missing
	ErrorLeadership                       // the broker does not lead the partition, or nobody does
	ErrorReplicas                         // too few replicas are in sync
	ErrorTopic                            // the topic or partition is not there
	ErrorOffset                           // the source does not have the offset
	ErrorRefused                          // records that the destination does not take
	ErrorSequence                         // the destination's log and we disagree on what comes next
	ErrorOther
	errorClasses
)

// ErrorClasses returns all classes.
func ErrorClasses() []ErrorClass {
	all := make([]ErrorClass, errorClasses)
	for i := range all {
		all[i] = ErrorClass(i)
	}
	return all
}

// String returns the class as metrics name it.
func (c ErrorClass) String() string {
	return [errorClasses]string{"connection", "timeout", "authentication", "authorization", "leadership", "replicas", "topic", "offset", "refused", "sequence", "other"}[c]
}

// ClassOf returns the class of an error code of Kafka's protocol.
func ClassOf(code int16) ErrorClass {
	switch code {
	case 7: // REQUEST_TIMED_OUT
		return ErrorTimeout
	case 33, 34, 58: // UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE, SASL_AUTHENTICATION_FAILED
		return ErrorAuthentication
	case 29, 30, 31, 53: // TOPIC_, GROUP_, CLUSTER_, TRANSACTIONAL_ID_AUTHORIZATION_FAILED
		return ErrorAuthorization
	case 5, 6, 8, 9, 56, 74, 75: // LEADER_NOT_AVAILABLE, NOT_LEADER, BROKER_ and REPLICA_NOT_AVAILABLE, KAFKA_STORAGE_ERROR, leader epochs
		return ErrorLeadership
	case 19, 20: // NOT_ENOUGH_REPLICAS, the same after append
		return ErrorReplicas
	case 3, 17, 100, 103: // UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID
		return ErrorTopic
	case 1, 78: // OFFSET_OUT_OF_RANGE, OFFSET_NOT_AVAILABLE
		return ErrorOffset
	case 2, 10, 18, 32, 43, 44, 87: // CORRUPT_MESSAGE, too large, INVALID_TIMESTAMP, format, POLICY_VIOLATION, INVALID_RECORD
		return ErrorRefused
	case 45, 46, 47, 59, 90: // OUT_OF_ORDER, DUPLICATE_SEQUENCE, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, PRODUCER_FENCED
		return ErrorSequence
	}
	return ErrorOther
}

// Blame is at which side an error was met, and of what kind it is.
type Blame struct {
	Side  Side
	Class ErrorClass
}

// Flow is what went wrong and what held back on the way through a link, since it was made.
type Flow struct {
	Errors [sides][errorClasses]int64
	// Backpressure is for how long something had to wait: of the source, fetches for memory; of the target, batches for
	// the answers to those before. Of several brokers at a time, time counts once. What lasts is included.
	Backpressure [sides]time.Duration
	// Limited is for how long something to be sent had to wait for the link's rate, counted likewise.
	Limited time.Duration
}

// flowCounts is Flow while it is counted. Safe for concurrent use.
type flowCounts struct {
	errors   [sides][errorClasses]atomic.Int64
	pressure [sides]stopwatch
	limited  stopwatch
}

func (f *flowCounts) at(now time.Time) Flow {
	var seen Flow
	for side := range sides {
		for class := range errorClasses {
			seen.Errors[side][class] = f.errors[side][class].Load()
		}
		seen.Backpressure[side] = f.pressure[side].read(now)
	}
	seen.Limited = f.limited.read(now)
	return seen
}

// CountError counts an error of a lane that works for the link. Safe for concurrent use.
func (l *Link) CountError(side Side, class ErrorClass) { l.flow.errors[side][class].Add(1) }

// HoldBack begins a wait on a side; GoAhead ends it. Several may wait at a time. Safe for concurrent use.
func (l *Link) HoldBack(side Side) { l.flow.pressure[side].start(time.Now()) }

// GoAhead ends a wait that HoldBack began.
func (l *Link) GoAhead(side Side) { l.flow.pressure[side].stop(time.Now()) }

// Limit begins a wait for the link's rate; Unlimit ends it. Several may wait at a time. Safe for concurrent use.
func (l *Link) Limit() { l.flow.limited.start(time.Now()) }

// Unlimit ends a wait that Limit began.
func (l *Link) Unlimit() { l.flow.limited.stop(time.Now()) }

// Answered notes how long a produce request took from its sending to its answer. Safe for concurrent use.
func (l *Link) Answered(took time.Duration) {
	if l.cfg.Answered != nil {
		l.cfg.Answered(took)
	}
}

// stopwatch adds up the time during which at least one wait is under way.
type stopwatch struct {
	mu      sync.Mutex
	waiting int           // guarded by mu
	since   time.Time     // guarded by mu: with waiting > 0
	total   time.Duration // guarded by mu: of the waits before
	ended   time.Time     // guarded by mu: of the last of these
}

func (s *stopwatch) start(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == 0 {
		s.since = now
	}
	s.waiting++
}

func (s *stopwatch) stop(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting--; s.waiting == 0 {
		s.total += now.Sub(s.since)
		s.ended = now
	}
}

// recent says that a wait is under way, or ended less than a while ago.
func (s *stopwatch) recent(now time.Time, while time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting > 0 || !s.ended.IsZero() && now.Sub(s.ended) < while
}

func (s *stopwatch) read(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == 0 {
		return s.total
	}
	return s.total + max(0, now.Sub(s.since))
}
