package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func serverTLS(t *testing.T, ca *authority) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "server")}}
}

// TestSecurity logs in by every mechanism, in the clear and under TLS, for control calls and data.
func TestSecurity(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	for _, mechanism := range []string{"", MechanismPlain, MechanismSCRAMSHA256, MechanismSCRAMSHA512} {
		for _, encrypted := range []bool{false, true} {
			name := mechanism + map[bool]string{false: " in the clear", true: " over TLS"}[encrypted]
			t.Run(strings.TrimSpace(name), func(t *testing.T) {
				opts := []kfake.Opt{kfake.NumBrokers(2)}
				cfg := Config{}
				if mechanism != "" {
					opts = append(opts, kfake.EnableSASL(), kfake.Superuser(mechanism, "ad,s=1", "pass word"))
					cfg.SASL = &SASL{Mechanism: mechanism, Username: "ad,s=1", Password: "pass word", AllowPlaintext: true}
				}
				if encrypted {
					opts = append(opts, kfake.TLS(serverTLS(t, ca)))
					cfg.TLS = &TLS{CA: dir + "/ca.pem"}
				}
				fake := startFake(t, opts...)
				cfg.Brokers = fake.ListenAddrs()
				c := newCluster(t, cfg)
				if _, err := c.Metadata(t.Context()); err != nil {
					t.Errorf("Metadata: %v", err)
				}
				conn := dial(t, c, fake.ListenAddrs()[1])
				if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
					t.Errorf("Do: %v", err)
				}
				if conn.NeedsReauth() {
					t.Error("a session without end is to be renewed")
				}
			})
		}
	}
}

func TestWrongPassword(t *testing.T) {
	fake := startFake(t, kfake.EnableSASL(), kfake.Superuser(MechanismSCRAMSHA512, "user", "right"))
	c := newCluster(t, Config{Brokers: fake.ListenAddrs(), SASL: &SASL{Mechanism: MechanismSCRAMSHA512, Username: "user", Password: "wrong"}})
	_, err := c.Dial(t.Context(), fake.ListenAddrs()[0])
	if err == nil || !strings.Contains(err.Error(), `log in as "user" by SCRAM-SHA-512: `) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v, want who was refused and no password", err)
	}
	if sent, flying := c.counted.requests.Count(), c.counted.inFlight.Count(); sent == 0 || flying != 0 {
		t.Errorf("%d requests are counted, %d in flight; want some, and none", sent, flying)
	}
}

// TestRefusedLoginHasCode answers as Kafka does, where kfake hangs up.
func TestRefusedLoginHasCode(t *testing.T) {
	fake := startFake(t, kfake.NumBrokers(3), kfake.EnableSASL(), kfake.Superuser(MechanismPlain, "user", "right"))
	logins := 0
	fake.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		logins++
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.SetVersion(req.GetVersion())
		resp.ErrorCode, resp.ErrorMessage = 58, new("Authentication failed: Invalid username or password")
		return resp, nil, true
	})
	c := newCluster(t, Config{Brokers: fake.ListenAddrs(), SASL: &SASL{Mechanism: MechanismPlain, Username: "user", Password: "wrong", AllowPlaintext: true}})
	_, err := c.Metadata(t.Context())
	if !errors.Is(err, Error{58}) || Retriable(err) || !strings.Contains(err.Error(), "Invalid username or password") {
		t.Errorf("got %v, want code 58 and the broker's words", err)
	}
	if logins != 1 {
		t.Errorf("got %d logins, want 1: more could lock the account", logins)
	}
}

func TestTLSRefuses(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	other := t.TempDir()
	newAuthority(t, other)
	strict := serverTLS(t, ca)
	strict.ClientAuth, strict.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
	strict.MaxVersion = tls.VersionTLS12 // in 1.3 the client learns of a refusal only later
	old := serverTLS(t, ca)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	ca.issue(t, "client")
	tests := []struct {
		name   string
		server *tls.Config
		tls    *TLS
		want   string // in the error; "" means success
	}{
		{"known CA", serverTLS(t, ca), &TLS{CA: dir + "/ca.pem"}, ""},
		{"server name", serverTLS(t, ca), &TLS{CA: dir + "/ca.pem", ServerName: "kafka.test"}, ""},
		{"foreign CA", serverTLS(t, ca), &TLS{CA: other + "/ca.pem"}, "certificate"},
		{"system CAs", serverTLS(t, ca), &TLS{}, "certificate"},
		{"other name", serverTLS(t, ca), &TLS{CA: dir + "/ca.pem", ServerName: "other.test"}, "other.test"},
		{"client certificate", strict, &TLS{CA: dir + "/ca.pem", Cert: dir + "/client.pem", Key: dir + "/client.key"}, ""},
		{"no client certificate", strict, &TLS{CA: dir + "/ca.pem"}, "remote error: tls: "},
		{"TLS 1.1", old, &TLS{CA: dir + "/ca.pem"}, "protocol version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake := startFake(t, kfake.TLS(tt.server))
			c := newCluster(t, Config{Brokers: fake.ListenAddrs(), TLS: tt.tls})
			conn, err := c.Dial(t.Context(), fake.ListenAddrs()[0])
			if err == nil {
				defer func() { _ = conn.Close() }()
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestCertificatesAreReadAgain replaces the CA on disk between two connections.
func TestCertificatesAreReadAgain(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	ca := newAuthority(t, dir)
	newAuthority(t, other)
	fake := startFake(t, kfake.TLS(serverTLS(t, ca)))
	file := t.TempDir() + "/ca.pem"
	install := func(from string) {
		pem, err := os.ReadFile(from + "/ca.pem")
		if err == nil {
			err = os.WriteFile(file, pem, 0o600)
		}
		if err != nil {
			t.Fatalf("install: %v", err)
		}
	}
	install(other)
	c := newCluster(t, Config{Brokers: fake.ListenAddrs(), TLS: &TLS{CA: file}})
	if _, err := c.Metadata(t.Context()); err == nil {
		t.Fatal("the wrong CA was accepted")
	}
	install(dir)
	if _, err := c.Metadata(t.Context()); err != nil {
		t.Errorf("after the CA was replaced: %v", err)
	}
}

// TestSilentServer ends the TLS handshake and the login by ctx alone.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer func() { _ = listener.Close() }()
	for name, cfg := range map[string]Config{
		"tls":  {TLS: &TLS{}},
		"sasl": {SASL: &SASL{Mechanism: MechanismSCRAMSHA256, Username: "u", Password: "p"}},
		"none": {},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Brokers = []string{listener.Addr().String()}
			c := newCluster(t, cfg)
			begin := time.Now()
			if _, err := c.Dial(within(t, 50*time.Millisecond), cfg.Brokers[0]); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the end of ctx", err)
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("returned after %v, want 0.05 s", took)
			}
			if flying := c.counted.inFlight.Count(); flying != 0 {
				t.Errorf("%d requests are still in flight", flying)
			}
		})
	}
}

// TestSessionIsRenewed outlives several SASL sessions on one connection, by Do and on the pool's.
func TestSessionIsRenewed(t *testing.T) {
	const lifetime = time.Second
	for mechanism, answersPerLogin := range map[string]int{MechanismPlain: 1, MechanismSCRAMSHA512: 2} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			fake := startFake(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "pass"),
				kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "1000"}))
			c := newCluster(t, Config{Brokers: fake.ListenAddrs(), SASL: &SASL{Mechanism: mechanism, Username: "user", Password: "pass", AllowPlaintext: true}})
			conn := dial(t, c, fake.ListenAddrs()[0])
			_, before := conn.session.due()
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for begin := time.Now(); time.Since(begin) < 5*lifetime/2; <-ticker.C {
				if err := conn.Reauthenticate(); err != nil {
					t.Fatalf("Reauthenticate after %v: %v", time.Since(begin), err)
				}
				if _, err := conn.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
					t.Fatalf("Do after %v: %v", time.Since(begin), err)
				}
				if _, err := c.Metadata(t.Context()); err != nil {
					t.Fatalf("Metadata after %v: %v", time.Since(begin), err)
				}
			}
			_, after := conn.session.due()
			if renewals := (after - before) / answersPerLogin; renewals < 2 || renewals > 4 {
				t.Errorf("got %d renewals in 2.5 lifetimes, want 2 or 3", renewals)
			}
		})
	}
}
