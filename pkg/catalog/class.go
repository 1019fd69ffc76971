package catalog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// Classify says what kind of error a lane met.
func Classify(err error) mirror.ErrorClass {
	if code, ok := kafka.Code(err); ok {
		return classOfCode(code)
	}
	if isTLS(err) {
		return mirror.ErrorAuthentication
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return mirror.ErrorTimeout
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return mirror.ErrorTimeout
	}
	if kafka.Retriable(err) { // of what is left: the connection's
		return mirror.ErrorConnection
	}
	return mirror.ErrorOther
}

// isTLS says whether one side does not believe who the other is.
func isTLS(err error) bool {
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

func classOfCode(code int16) mirror.ErrorClass {
	switch code {
	case 7: // REQUEST_TIMED_OUT
		return mirror.ErrorTimeout
	case 33, 34, 58: // UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE, SASL_AUTHENTICATION_FAILED
		return mirror.ErrorAuthentication
	case 29, 30, 31, 53: // TOPIC_, GROUP_, CLUSTER_, TRANSACTIONAL_ID_AUTHORIZATION_FAILED
		return mirror.ErrorAuthorization
	case 5, 6, 8, 9, 56, 74, 75: // LEADER_NOT_AVAILABLE, NOT_LEADER, BROKER_ and REPLICA_NOT_AVAILABLE, KAFKA_STORAGE_ERROR, leader epochs
		return mirror.ErrorLeadership
	case 19, 20: // NOT_ENOUGH_REPLICAS, the same after append
		return mirror.ErrorReplicas
	case 3, 17, 100, 103: // UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID
		return mirror.ErrorTopic
	case 1, 78: // OFFSET_OUT_OF_RANGE, OFFSET_NOT_AVAILABLE
		return mirror.ErrorOffset
	case 2, 10, 18, 32, 43, 44, 87: // CORRUPT_MESSAGE, too large, INVALID_TIMESTAMP, format, POLICY_VIOLATION, INVALID_RECORD
		return mirror.ErrorRefused
	case 45, 46, 47, 59, 90: // OUT_OF_ORDER, DUPLICATE_SEQUENCE, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, PRODUCER_FENCED
		return mirror.ErrorSequence
	}
	return mirror.ErrorOther
}
