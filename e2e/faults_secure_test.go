package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/e2e/kafka"
)

// secured is a cluster that speaks TLS, asks for a password and checks rights on its second listener. The first one, for
// the tests themselves, is plaintext, and may do everything.
type secured struct {
	*kafka.Cluster
	authority *authority
	keystore  string
}

const (
	securedUser     = "mirror"
	securedPassword = "first password"
)

// newSecured starts a cluster on which the mirror's user has every right. Its certificate is good for validity.
func newSecured(t *testing.T, validity time.Duration) *secured {
	t.Helper()
	dir := t.TempDir()
	s := &secured{authority: newAuthority(t, dir), keystore: filepath.Join(dir, "broker.pem")}
	s.authority.issue(t, s.keystore, validity)
	s.Cluster = kafka.New(t, kafka.Options{Proxy: true, Properties: map[string]string{
		"log.retention.ms":                                     "-1",
		"listener.security.protocol.map":                       "DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:SASL_SSL",
		"listener.name.proxied.sasl.enabled.mechanisms":        "SCRAM-SHA-256",
		"sasl.enabled.mechanisms":                              "SCRAM-SHA-256",
		"listener.name.proxied.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"ssl.keystore.type":                                    "PEM",
		"ssl.keystore.location":                                s.keystore,
		"authorizer.class.name":                                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                                          "User:ANONYMOUS",
	}})
	s.setPassword(t, securedPassword)
	s.allow(t)
	return s
}

// settings is what a mirror needs to know of the cluster.
func (s *secured) settings() clusterSettings {
	return clusterSettings{Brokers: s.Brokers(), TLS: &tlsSettings{CA: s.authority.path},
		SASL: &saslSettings{Mechanism: "SCRAM-SHA-256", Username: securedUser, Password: securedPassword}}
}

func (s *secured) setPassword(t *testing.T, password string) {
	t.Helper()
	answers, err := s.Admin().AlterUserSCRAMs(within(t, 30*time.Second), nil, []kadm.UpsertSCRAM{
		{User: securedUser, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: password}})
	must(t, err)
	must(t, answers.Error())
}

// dropPassword takes the user's credentials away.
func (s *secured) dropPassword(t *testing.T) {
	t.Helper()
	answers, err := s.Admin().AlterUserSCRAMs(within(t, 30*time.Second), []kadm.DeleteSCRAM{{User: securedUser, Mechanism: kadm.ScramSha256}}, nil)
	must(t, err)
	must(t, answers.Error())
}

// rights are those of the mirror's user: everything on topics, groups and the cluster.
func rights() *kadm.ACLBuilder {
	return kadm.NewACLs().Allow("User:" + securedUser).AllowHosts("*").Deny().DenyHosts().
		Topics("*").Groups("*").Clusters().ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll)
}

func (s *secured) allow(t *testing.T) {
	t.Helper()
	answers, err := s.Admin().CreateACLs(within(t, 30*time.Second), rights())
	must(t, err)
	for _, a := range answers {
		must(t, a.Err)
	}
}

// forbid takes all rights away.
func (s *secured) forbid(t *testing.T) {
	t.Helper()
	filter := kadm.NewACLs().Allow("User:" + securedUser).AllowHosts("*").AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations(kadm.OpAny)
	answers, err := s.Admin().DeleteACLs(within(t, 30*time.Second), filter)
	must(t, err)
	gone := 0
	for _, a := range answers {
		must(t, a.Err)
		gone += len(a.Deleted)
	}
	if gone == 0 {
		t.Fatal("there were no rights to take away")
	}
}

// reloadCertificate makes the broker read its keystore again, and returns when new connections get what is in it.
func (s *secured) reloadCertificate(t *testing.T) {
	t.Helper()
	answers, err := s.Admin().AlterBrokerConfigs(within(t, 30*time.Second), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "listener.name.proxied.ssl.keystore.location", Value: &s.keystore},
		{Op: kadm.SetConfig, Name: "listener.name.proxied.ssl.keystore.type", Value: new("PEM")}}, 1)
	must(t, err)
	for _, a := range answers {
		must(t, a.Err)
	}
	eventually(t, time.Minute, "the broker shows its new certificate", func(context.Context) error {
		conn, err := tls.Dial("tcp", s.Node(1).Proxy().Target(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != s.authority.last {
			return fmt.Errorf("certificate %d, want %d", got, s.authority.last)
		}
		return nil
	})
}

// authority signs certificates for brokers on loopback.
type authority struct {
	path string // PEM file, for clients
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	last int64 // serial number
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	a := &authority{path: filepath.Join(dir, "authority.pem"), key: key, cert: cert, last: time.Now().UnixMilli()}
	must(t, os.WriteFile(a.path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

// issue writes a new key and its certificate, as brokers want them.
func (a *authority) issue(t *testing.T, keystore string, validity time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a.last++
	template := &x509.Certificate{SerialNumber: big.NewInt(a.last), Subject: pkix.Name{CommonName: "broker"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	store := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	store = append(store, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	store = append(store, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	must(t, os.WriteFile(keystore, store, 0o600))
}

// reset ends the connections through the proxy, so that new ones have to be made.
func (s *secured) reset(context.Context) error {
	for _, node := range s.Nodes() {
		node.Proxy().Reset()
	}
	return nil
}
