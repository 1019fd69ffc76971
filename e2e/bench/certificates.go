package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificates are PEM files for brokers on loopback.
type certificates struct {
	authority string // what clients trust
	keystore  string // key and certificate, as brokers want it
}

// writeCertificates makes an authority and a certificate of it that are good for a day.
func writeCertificates(dir string) (certificates, error) {
	c := certificates{authority: filepath.Join(dir, "ca.pem"), keystore: filepath.Join(dir, "broker.pem")}
	rootKey, root, err := newCertificate(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "benchmark authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return c, err
	}
	key, leaf, err := newCertificate(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, rootKey)
	if err != nil {
		return c, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, fmt.Errorf("encode key: %w", err)
	}
	store := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	store = append(store, encodeCertificate(leaf)...)
	store = append(store, encodeCertificate(root)...)
	if err := os.WriteFile(c.authority, encodeCertificate(root), 0o600); err != nil {
		return c, fmt.Errorf("write certificate: %w", err)
	}
	if err := os.WriteFile(c.keystore, store, 0o600); err != nil {
		return c, fmt.Errorf("write key: %w", err)
	}
	return c, nil
}

// newCertificate signs a certificate with the parent's key, or with its own where there is no parent.
func newCertificate(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parse certificate: %w", err)
	}
	return key, certificate, nil
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
