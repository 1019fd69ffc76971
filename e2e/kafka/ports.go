package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"tributary/e2e/cache"
)

// Ports are taken from below the ephemeral range of Linux (32768 up): between the kill and the restart of a broker
// nobody's outgoing connection may settle on its port.
const (
	firstPort = 15000
	lastPort  = 30000
)

// portLease is a set of loopback ports that no other lease has, in this process or another, until it is released;
// the ports stay ours while nothing listens on them.
type portLease struct {
	ports []int
	locks []*os.File
}

// leasePorts reserves count free ports.
func leasePorts(count int) (*portLease, error) {
	root, err := cache.Root()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the port directory: %w", err)
	}
	lease := &portLease{}
	start := rand.IntN(lastPort - firstPort)
	for i := range lastPort - firstPort {
		if len(lease.ports) == count {
			return lease, nil
		}
		port := firstPort + (start+i)%(lastPort-firstPort)
		if err := lease.take(dir, port); err != nil {
			return nil, errors.Join(err, lease.release())
		}
	}
	return nil, errors.Join(fmt.Errorf("no %d free ports in %d-%d", count, firstPort, lastPort), lease.release())
}

// take adds port to the lease unless somebody else has it.
func (l *portLease) take(dir string, port int) error {
	lock, err := cache.TryLock(filepath.Join(dir, strconv.Itoa(port)))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil { // in use by a stranger
		return lock.Close()
	}
	l.ports = append(l.ports, port)
	l.locks = append(l.locks, lock)
	return listener.Close()
}

// next returns a port of the lease that was not returned before.
func (l *portLease) next() int {
	port := l.ports[0]
	l.ports = l.ports[1:]
	return port
}

func (l *portLease) release() error {
	var errs []error
	for _, lock := range l.locks {
		errs = append(errs, lock.Close())
	}
	l.locks = nil
	return errors.Join(errs...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
