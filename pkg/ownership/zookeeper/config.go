package zookeeper

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// Config says which ensemble to use, and how.
type Config struct {
	// Servers are the host:port addresses of the ensemble, at least one. Names are resolved again after each round of
	// failures, and every address of a name is a server.
	Servers []string
	// SessionTimeout is asked of the ensemble, which clamps it, by default to 2 to 20 of its ticks. More than 0.
	SessionTimeout time.Duration
	// Auth is who we are; nil means nobody in particular. With it every node is created for that identity alone, without
	// it for everybody.
	Auth *Auth
	// TLS encrypts the connections; nil means that they are not.
	TLS *TLS
}

// Auth is an identity by ZooKeeper's digest scheme.
type Auth struct {
	Username string // no colon in it
	Password Secret
}

// TLS names the files of encrypted connections. They are read for every connection, so that they may be renewed.
type TLS struct {
	// CA is a PEM file of the authorities to trust; empty means the system's.
	CA string
	// Cert and Key are PEM files of the client's own certificate and key; both or neither.
	Cert, Key string
	// ServerName is the name that a server's certificate must carry; empty means the host part of its address in Servers.
	ServerName string
}

// Secret is a string that shows itself as *** in formatting, logging and marshalling.
type Secret string

// String returns the mask.
func (Secret) String() string { return "***" }

// Format writes the mask for every verb. An error of a fmt.State is the caller's writer failing, which fmt reports itself.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (c Config) validate() error {
	var problems []error
	if len(c.Servers) == 0 {
		problems = append(problems, errors.New("servers: none is named"))
	}
	for _, server := range c.Servers {
		host, port, err := net.SplitHostPort(server)
		if err == nil && host != "" {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || host == "" {
			problems = append(problems, fmt.Errorf("servers: %q is not host:port", server))
		}
	}
	if c.SessionTimeout < time.Millisecond {
		problems = append(problems, fmt.Errorf("session_timeout: %v is not positive", c.SessionTimeout))
	}
	if t := c.TLS; t != nil && (t.Cert == "") != (t.Key == "") {
		problems = append(problems, errors.New("tls: cert and key belong together: name both or neither"))
	}
	return errors.Join(problems...)
}

// load reads the files, for a connection to host.
func (t *TLS) load(host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.ServerName != "" {
		config.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls.ca: no PEM certificate in %s", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
