package kafka

import (
	"crypto/sha256"
	"crypto/sha512"
	"net"

	"github.com/IBM/sarama"
)

// dialFunc is a function as golang.org/x/net/proxy.Dialer, the way in for a dialer of one's own.
type dialFunc func(network, addr string) (net.Conn, error)

// Dial calls f.
func (f dialFunc) Dial(network, addr string) (net.Conn, error) { return f(network, addr) }

// saramaConfig returns the settings for opening one connection through dial. TLS is dial's business:
// sarama would keep its tls.Conn to itself.
func saramaConfig(s *SASL, dial dialFunc, counted *traffic) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.ClientID = ClientID
	config.MetricRegistry = counted
	// Cluster.Dial asks for the versions itself, once, because sarama does not show its own table.
	config.ApiVersionsRequest = false
	config.Net.Proxy.Enable = true
	config.Net.Proxy.Dialer = dial
	config.Net.ReadTimeout = exchangeTimeout
	config.Net.WriteTimeout = exchangeTimeout
	if s == nil {
		return config
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.Version = sarama.SASLHandshakeV1
	config.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
	config.Net.SASL.User = s.Username
	config.Net.SASL.Password = string(s.Password)
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
		if s.Mechanism == MechanismSCRAMSHA256 {
			return &scram{hash: sha256.New}
		}
		return &scram{hash: sha512.New}
	}
	return config
}
