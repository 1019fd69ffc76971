package peer

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLS is mutual TLS: both ends prove by a certificate of the same authority that they are members. All three are PEM files
// and needed; they are read for each connection, so that renewed ones are used without a restart.
type TLS struct {
	CA   string // the authorities of members
	Cert string // of this member, for server and client, with the host of its address as a name
	Key  string
}

// load reads the files and returns what both ends have in common.
func (t *TLS) load() (*tls.Config, error) {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, fmt.Errorf("load peer_tls.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load peer_tls.ca: %s has no PEM certificate in it", t.CA)
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("load peer_tls.cert and peer_tls.key: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		RootCAs:      pool,
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		// A resumed session would outlive the certificate it began with.
		SessionTicketsDisabled: true,
	}, nil
}
