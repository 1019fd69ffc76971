package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// SASL mechanisms that SASL.Mechanism may name.
const (
	MechanismPlain       = "PLAIN"
	MechanismSCRAMSHA256 = "SCRAM-SHA-256"
	MechanismSCRAMSHA512 = "SCRAM-SHA-512"
)

// Config says how a cluster is reached.
type Config struct {
	// Brokers are the addresses (host:port) to learn the cluster from; at least one. All other
	// brokers are found through them. Names are resolved again at each connection.
	Brokers []string `yaml:"brokers"`
	// TLS encrypts every connection; nil means none.
	TLS *TLS `yaml:"tls"`
	// SASL authenticates every connection; nil means none.
	SASL *SASL `yaml:"sasl"`
	// Dial opens the transport to an address, under a context that ends after 5 s; nil means TCP. TLS and SASL, where
	// there are any, go over it. A connection that is not a *net.TCPConn gets no socket options: its Close has to throw
	// away what was not sent yet, as SO_LINGER 0 does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) `yaml:"-"`
}

// TLS names the files of a TLS setup. They are read again at each connection, so a renewed
// certificate needs no restart. The version is 1.2 or newer, and the server is always verified.
type TLS struct {
	// CA is a PEM file of the authorities to trust; empty means the system's.
	CA string `yaml:"ca"`
	// Cert and Key are PEM files of the client's own certificate and key; both or neither.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is the name that the server's certificate must carry; empty means the host part of
	// the address that is dialed.
	ServerName string `yaml:"server_name"`
}

// SASL is a user and how it proves itself.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
	// AllowPlaintext lets PLAIN send the password over a connection without TLS; default false.
	AllowPlaintext bool `yaml:"allow_plaintext"`
}

// Validate returns every problem, joined; each starts with its YAML path below the cluster.
// It opens neither files nor connections. Nil means that there is none.
func (c Config) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(c.Brokers) == 0 {
		add("brokers: at least one host:port is needed")
	}
	for i, broker := range c.Brokers {
		if why := checkAddress(broker); why != "" {
			add("brokers[%d]: %q %s", i, broker, why)
		} else if slices.Contains(c.Brokers[:i], broker) {
			add("brokers[%d]: %q is listed twice", i, broker)
		}
	}
	if c.TLS != nil && (c.TLS.Cert == "") != (c.TLS.Key == "") {
		add("tls: cert and key are needed together")
	}
	if c.SASL != nil {
		c.SASL.validate(c.TLS != nil, add)
	}
	return errors.Join(problems...)
}

func (s *SASL) validate(encrypted bool, add func(format string, args ...any)) {
	switch s.Mechanism {
	case MechanismSCRAMSHA256, MechanismSCRAMSHA512:
	case MechanismPlain:
		if !encrypted && !s.AllowPlaintext {
			add("sasl.mechanism: PLAIN without tls sends the password in the clear; add tls, use SCRAM-SHA-512, or set sasl.allow_plaintext: true")
		}
	case "":
		add("sasl.mechanism: is missing; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	default:
		add("sasl.mechanism: %q is not PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
	}
	if s.Username == "" {
		add("sasl.username: is missing")
	}
	if s.Password == "" {
		add("sasl.password: is missing")
	}
	if strings.ContainsRune(s.Username, 0) || strings.ContainsRune(string(s.Password), 0) {
		add("sasl: username and password cannot contain a zero byte")
	}
}

// checkAddress returns what is wrong with a broker's address, or "".
func checkAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "is not host:port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "has no port from 1 to 65535"
	}
	return ""
}
