package peer

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const testPool = "/mirror/test"

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// TestMain lets the test binary be the process that is killed: a member that says where it is.
func TestMain(m *testing.M) {
	self := os.Getenv("PEER_TEST_MEMBER")
	if self == "" {
		os.Exit(m.Run())
	}
	cfg := Config{Listen: "127.0.0.1:0", Pool: testPool}
	if dir := os.Getenv("PEER_TEST_TLS"); dir != "" {
		cfg.TLS = filesIn(dir)
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.Set(self, nil)
	fmt.Println(s.Addr())
	fmt.Fprintln(os.Stderr, s.Run(context.Background()))
	os.Exit(1)
}

// startProcess starts a member in a process of its own.
func startProcess(t *testing.T, self string, files *TLS) (process *exec.Cmd, address string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "PEER_TEST_MEMBER="+self)
	if files != nil {
		cmd.Env = append(cmd.Env, "PEER_TEST_TLS="+filepath.Dir(files.CA))
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the member did not start: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

// start runs streams until the test ends or stop is called.
func start(t *testing.T, cfg Config, self string, peers map[string]string) (s *Streams, stop func()) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Pool == "" {
		cfg.Pool = testPool
	}
	s, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Set(self, peers)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// await polls until ok, and fails with what it waits for.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func statusOf(s *Streams, incarnation string) Status {
	for _, p := range s.Status() {
		if p.Incarnation == incarnation {
			return p
		}
	}
	return Status{}
}

func awaitState(t *testing.T, s *Streams, incarnation string, want State) {
	t.Helper()
	await(t, incarnation+" is "+want.String(), func() bool {
		p := statusOf(s, incarnation)
		return p.Incarnation != "" && p.State == want
	})
}

// awaitProblem waits for a reason why there is no stream.
func awaitProblem(t *testing.T, s *Streams, incarnation, want string) {
	t.Helper()
	await(t, fmt.Sprintf("the problem of %s is %q", incarnation, want), func() bool {
		return strings.Contains(statusOf(s, incarnation).Problem, want)
	})
}

// awaitDeath returns when the death of a peer is delivered.
func awaitDeath(t *testing.T, s *Streams, want string) {
	t.Helper()
	select {
	case got := <-s.Dead():
		if got != want {
			t.Fatalf("%s is declared dead, want %s", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%s is not declared dead: %+v", want, s.Status())
	}
}

// noDeath fails if somebody is declared dead; the test has seen before that the verdict was given.
func noDeath(t *testing.T, s *Streams) {
	t.Helper()
	select {
	case who := <-s.Dead():
		t.Errorf("%s is declared dead", who)
	default:
	}
	for _, p := range s.Status() {
		if p.State == Dead {
			t.Errorf("%+v", p)
		}
	}
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func filesIn(dir string) *TLS {
	return &TLS{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
}

// issue makes an authority and a certificate of it for a host, or for 127.0.0.1 where that is "".
func issue(t *testing.T, host string) *TLS {
	t.Helper()
	files := filesIn(t.TempDir())
	caKey, caCert := key(t), &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pool"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if host != "" {
		leaf.IPAddresses, leaf.DNSNames = nil, []string{host}
	}
	leafKey := key(t)
	write(t, files.CA, "CERTIFICATE", sign(t, caCert, caCert, caKey, caKey))
	write(t, files.Cert, "CERTIFICATE", sign(t, leaf, caCert, leafKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, files.Key, "PRIVATE KEY", der)
	return files
}

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, cert, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
