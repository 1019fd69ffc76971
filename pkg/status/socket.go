package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// maxSocketPath is the longest path of a Unix socket that every system takes: Linux has room for 108 bytes, BSD and
	// macOS for 104, of which the last is zero.
	maxSocketPath = 103
	// socketMode lets the process's user and group, and nobody else, change things.
	socketMode = 0o660
	// probeTimeout bounds the question whether someone answers at a socket that is there already.
	probeTimeout = time.Second
)

// errInUse says that another process answers at the socket.
var errInUse = errors.New("another process answers there")

// listenSocket listens on a Unix socket. What a process that died left there is replaced. The socket gets its name
// only when its mode is set, so that nobody else can ever connect.
func listenSocket(path string) (net.Listener, error) {
	fail := func(err error) (net.Listener, error) {
		return nil, fmt.Errorf("serve commands on %s: %w", path, err)
	}
	if len(path) > maxSocketPath {
		return fail(fmt.Errorf("the path has %d bytes, the address of a socket at most %d; choose a shorter state_dir", len(path), maxSocketPath))
	}
	if err := checkStale(path); err != nil {
		return fail(err)
	}
	unnamed := filepath.Join(filepath.Dir(path), ".sock")
	if err := os.Remove(unnamed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	listener, err := net.Listen("unix", unnamed)
	if err != nil {
		return fail(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // it is renamed
	if err = os.Chmod(unnamed, socketMode); err == nil {
		err = os.Rename(unnamed, path)
	}
	if err != nil {
		return fail(errors.Join(err, listener.Close(), os.Remove(unnamed)))
	}
	return &socketListener{listener, path}, nil
}

// checkStale returns an error unless path is free, or a socket where nobody answers.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("something else has this name; move it away")
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil // the usual case after a kill
	}
	_ = conn.Close() // nothing was said
	return fmt.Errorf("%w; stop it, or give this mirror a state_dir of its own", errInUse)
}

// socketListener removes the socket's name when it is closed.
type socketListener struct {
	net.Listener
	path string
}

// Close ends the listening.
func (l *socketListener) Close() error {
	err := l.Listener.Close()
	if removed := os.Remove(l.path); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
