package catalog

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

func TestClassify(t *testing.T) {
	for _, test := range []struct {
		err  error
		want mirror.ErrorClass
	}{
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, mirror.ErrorConnection},
		{io.ErrUnexpectedEOF, mirror.ErrorConnection},
		{net.ErrClosed, mirror.ErrorConnection},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, mirror.ErrorTimeout},
		{context.DeadlineExceeded, mirror.ErrorTimeout},
		{kafka.Error{Code: 7}, mirror.ErrorTimeout},
		{x509.UnknownAuthorityError{}, mirror.ErrorAuthentication},
		{kafka.Error{Code: 58}, mirror.ErrorAuthentication},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, mirror.ErrorAuthentication},
		{&kafka.PartitionError{Topic: "t", Code: 29}, mirror.ErrorAuthorization},
		{kafka.Error{Code: 6}, mirror.ErrorLeadership},
		{kafka.Error{Code: 19}, mirror.ErrorReplicas},
		{kafka.Error{Code: 100}, mirror.ErrorTopic},
		{kafka.Error{Code: 1}, mirror.ErrorOffset},
		{kafka.Error{Code: 32}, mirror.ErrorRefused},
		{kafka.Error{Code: 45}, mirror.ErrorSequence},
		{kafka.Error{Code: -1}, mirror.ErrorOther},
		{errors.New("response of 3 bytes"), mirror.ErrorOther},
	} {
		if got := Classify(fmt.Errorf("fetch: %w", test.err)); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}
