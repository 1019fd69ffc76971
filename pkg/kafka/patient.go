package kafka

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// patientWriter writes to a connection for as long as bytes move. With no patience set the connection's own write
// deadline holds. One goroutine writes at a time.
type patientWriter struct {
	net.Conn
	patience atomic.Int64 // time.Duration without progress after which a write gives up; 0: the deadline set holds
}

// Write implements io.Writer.
func (w *patientWriter) Write(p []byte) (int, error) {
	total := 0
	for {
		if err := w.extend(); err != nil {
			return total, err
		}
		n, err := w.Conn.Write(p[total:])
		total += n
		if !w.goesOn(int64(n), err) {
			return total, err
		}
	}
}

// writeVec is Write for a vector, which it consumes.
func (w *patientWriter) writeVec(v net.Buffers) error {
	for {
		if err := w.extend(); err != nil {
			return err
		}
		n, err := v.WriteTo(w.Conn)
		if !w.goesOn(n, err) {
			return err
		}
	}
}

func (w *patientWriter) extend() error {
	patience := time.Duration(w.patience.Load())
	if patience == 0 {
		return nil
	}
	return w.SetWriteDeadline(time.Now().Add(patience))
}

func (w *patientWriter) goesOn(moved int64, err error) bool {
	return moved > 0 && w.patience.Load() > 0 && errors.Is(err, os.ErrDeadlineExceeded)
}
