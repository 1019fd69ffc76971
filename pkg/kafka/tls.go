package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// load reads the files and returns the configuration for connections to host. Nothing is kept between
// calls: each connection sees the certificates as they are on disk.
func (t *TLS) load(host string) (*tls.Config, error) {
	config := &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12,
		// TLS 1.2 without ChaCha20, which costs five times as much as AES on machines that have AES
		// instructions. In TLS 1.3 crypto/tls offers AES first on such machines by itself.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
		// Full records from the first byte on: these connections carry bulk data.
		DynamicRecordSizingDisabled: true,
	}
	if t.ServerName != "" {
		config.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %w", &os.PathError{Op: "read", Path: t.CA, Err: errNoCertificate})
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

var errNoCertificate = errors.New("no PEM certificate in it")

// encrypt runs the handshake on s, within handshakeTimeout, and moves s onto TLS. On error s is unusable.
func (t *TLS) encrypt(ctx context.Context, s *socket, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("split address: %w", err)
	}
	config, err := t.load(host)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	buffered := newBufferedConn(&s.out)
	secure := tls.Client(buffered, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("make TLS handshake: %w", err)
	}
	if err := buffered.holdBack(); err != nil {
		return fmt.Errorf("make TLS handshake: %w", err)
	}
	s.secure(secure, buffered)
	return nil
}
