package packaging_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// messageTimeout is the patience with a process on a busy machine.
const messageTimeout = time.Minute

// serviceManager receives what a process tells systemd.
type serviceManager struct {
	t      *testing.T
	socket *net.UnixConn
	path   string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	path := filepath.Join(shortDir(t), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return &serviceManager{t, socket, path}
}

// shortDir is a temporary directory whose path leaves room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// await returns the first message that has an assignment, and all that came before it.
func (m *serviceManager) await(assignment string) (message string, before []string) {
	m.t.Helper()
	if err := m.socket.SetReadDeadline(time.Now().Add(messageTimeout)); err != nil {
		m.t.Fatal(err)
	}
	for {
		buffer := make([]byte, 4096)
		size, err := m.socket.Read(buffer)
		if err != nil {
			m.t.Fatalf("wait for %s: %v, after %q", assignment, err, before)
		}
		message = string(buffer[:size])
		if strings.HasPrefix(message, assignment) || strings.Contains(message, "\n"+assignment) {
			return message, before
		}
		before = append(before, message)
	}
}

// run starts a program under this manager, with a watchdog of two seconds.
func (m *serviceManager) run(cmd *exec.Cmd) (stderr *bytes.Buffer) {
	m.t.Helper()
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=2000000")
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_, _ = cmd.Process.Kill(), cmd.Wait()
		}
	})
	return stderr
}

// closedPort is a loopback address where nobody answers.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// unreachable writes a configuration whose clusters nobody answers for.
func unreachable(t *testing.T) (config string) {
	t.Helper()
	dir := shortDir(t)
	config = filepath.Join(dir, "mirror.yaml")
	text := "listen: 127.0.0.1:0\nstate_dir: " + filepath.Join(dir, "state") + "\nclusters:\n  a: {brokers: [\"" + closedPort(t) + "\"]}\n  b: {brokers: [\"" + closedPort(t) + "\"]}\n" +
		"links:\n  - {name: a-b, from: a, to: b, topics: {include: [\"x\"]}}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// A mirror whose clusters cannot be reached is ready all the same, says what it waits for, feeds the watchdog, and says
// that it stops: an outage and a reboot at the same time are no loop of starts that time out.
func TestServiceManagerIsToldWithoutKafka(t *testing.T) {
	manager := newServiceManager(t)
	process := exec.Command(stage.binary, "run", "-c", unreachable(t))
	stderr := manager.run(process)
	ready, before := manager.await("READY=1")
	if len(before) > 0 || !strings.Contains(ready, "STATUS=") {
		t.Errorf("got %q, before it %q, want it first and with a status", ready, before)
	}
	manager.await("WATCHDOG=1")
	manager.await("STATUS=a-b waiting, 0 topics")
	manager.await("WATCHDOG=1")
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	manager.await("STOPPING=1")
	if err := process.Wait(); err != nil {
		t.Errorf("ended with %v: %s", err, stderr)
	}
}

// A configuration that is not sound ends the process with the code that systemd does not restart on, before it was ready.
func TestUnsoundConfigurationIsNeverReady(t *testing.T) {
	manager := newServiceManager(t)
	config := filepath.Join(shortDir(t), "mirror.yaml")
	if err := os.WriteFile(config, []byte("linsk: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command(stage.binary, "run", "-c", config)
	stderr := manager.run(process)
	_ = process.Wait() // its code is what counts
	if got := process.ProcessState.ExitCode(); got != 78 {
		t.Errorf("ended with %d, want 78: %s", got, stderr)
	}
	if err := manager.socket.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if size, err := manager.socket.Read(make([]byte, 100)); err == nil {
		t.Errorf("sent a message of %d bytes", size)
	}
}
