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
		return mirror.ClassOf(code)
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
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "remote error" || e.Op == "local error") { // how crypto/tls names alerts
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}
