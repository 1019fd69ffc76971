package consume

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tributary/pkg/mirror"
)

// receive reads one response into buf and takes its batches in as they arrive.
func (f *fetcher) receive(buf *mirror.Buffer) error {
	patience := f.encoder.wait + fetchPatience + max(0, time.Until(f.muted))
	if err := f.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var head [4]byte
	f.conn.WakeAt(1)
	if _, err := io.ReadFull(f.conn, head[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n < 4 || n > maxFrameBytes {
		return fmt.Errorf("response of %d bytes", n)
	}
	buf.Grow(n)
	if n < smallResponse {
		buf.Settle()
	}
	f.lane.byName.Store(f.encoder.version < byIDVersion)
	f.walker.begin(buf.Bytes[:n], f.encoder.version, f.encoder.correlation)
	in := taker{f, buf, -1}
	begun := time.Now()
	err := f.takeIn(&in, n, begun)
	in.finish()
	if err != nil {
		return err
	}
	f.pace.arrived(n, time.Since(begun))
	if !f.walker.done() {
		return errors.New("response ends early")
	}
	return nil
}

// takeIn takes in the n bytes of a response, and hands on what has arrived of it whenever that took a while.
func (f *fetcher) takeIn(in *taker, n int, now time.Time) error {
	told := now
	for f.walker.have < n {
		want := min(n-f.walker.have, readStep)
		k, err := f.readOrHandOn(f.walker.frame[f.walker.have:f.walker.have+want], f.walker.have > 0)
		if err != nil {
			return err
		}
		f.walker.have += k
		if err := f.walker.advance(in); err != nil {
			return err
		}
		if now = time.Now(); now.Sub(told) > slowResponse {
			f.intake.HandOn()
			told = now
		}
	}
	return nil
}

// readOrHandOn is read, for a response of which some has arrived or nothing. When no more of it comes, that is handed on.
func (f *fetcher) readOrHandOn(p []byte, some bool) (int, error) {
	if !some {
		return f.read(p)
	}
	f.conn.WakeAt(len(p))
	if err := f.conn.SetReadDeadline(time.Now().Add(slowResponse)); err != nil {
		return 0, err
	}
	n, err := f.conn.Read(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	f.intake.HandOn()
	if err := f.conn.SetReadDeadline(time.Now().Add(piecePatience)); err != nil {
		return 0, err
	}
	return f.read(p)
}

// read reads some of a response, whose next len(p) bytes are sure to come. A slow link is not a dead one: at the deadline
// it is seen whether anything arrived since the last, fewer bytes than what a blocked read is woken for included.
func (f *fetcher) read(p []byte) (int, error) {
	f.conn.WakeAt(len(p))
	n, err := f.conn.Read(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	f.conn.WakeAt(1)
	if err := f.conn.SetReadDeadline(time.Now().Add(arrivedIn)); err != nil {
		return 0, err
	}
	if n, err = f.conn.Read(p); err != nil {
		return n, err
	}
	return n, f.conn.SetReadDeadline(time.Now().Add(piecePatience))
}
