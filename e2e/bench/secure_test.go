package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
)

func TestAdvertiseListeners(t *testing.T) {
	before := "advertised.listeners=DIRECT://127.0.0.1:1,PROXIED://127.0.0.1:4\nlisteners=DIRECT://127.0.0.1:1,PROXIED://127.0.0.1:3,CONTROLLER://127.0.0.1:2\nnode.id=1\n"
	got, secure, err := advertiseListeners(before)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(before, "127.0.0.1:4", "127.0.0.1:3", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if want := "127.0.0.1:3"; secure != want {
		t.Errorf("got %s, want %s", secure, want)
	}
	if _, _, err := advertiseListeners("listeners=DIRECT://127.0.0.1:1\n"); err == nil {
		t.Error("a broker without that listener: got no error")
	}
}

func TestCertificatesServeLoopback(t *testing.T) {
	files, err := writeCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.keystore, files.keystore)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(files.authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("no certificate in the authority's file")
	}
	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair}})
	served := make(chan error, 1)
	go func() { served <- server.HandshakeContext(t.Context()) }()
	client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
