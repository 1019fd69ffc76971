package kafka

import (
	"crypto/sha256"
	"crypto/sha512"
	"net"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
)

// dialFunc is a function as golang.org/x/net/proxy.Dialer, the way in for a dialer of one's own.
type dialFunc func(network, addr string) (net.Conn, error)

// Dial calls f.
func (f dialFunc) Dial(network, addr string) (net.Conn, error) { return f(network, addr) }

// saramaConfig returns the settings for opening one connection through dial. TLS is dial's business:
// sarama would keep its tls.Conn to itself.
func saramaConfig(s *SASL, dial dialFunc) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.ClientID = ClientID
	config.MetricRegistry = noMetrics{}
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

// noMetrics is a metrics.Registry that hands out metrics which count nothing. sarama's own would
// describe the opening of connections only, and start a goroutine that never ends.
type noMetrics struct{}

// GetOrRegister returns a metric without effect of the kind that make returns.
func (noMetrics) GetOrRegister(_ string, make any) any {
	switch make.(type) {
	case func() metrics.Meter:
		return metrics.NilMeter{}
	case func() metrics.Counter:
		return metrics.NilCounter{}
	}
	return metrics.NilHistogram{}
}

// Each visits nothing.
func (noMetrics) Each(func(string, any)) {}

// Get returns nil.
func (noMetrics) Get(string) any { return nil }

// GetAll returns nil.
func (noMetrics) GetAll() map[string]map[string]any { return nil }

// Register does nothing.
func (noMetrics) Register(string, any) error { return nil }

// RunHealthchecks does nothing.
func (noMetrics) RunHealthchecks() {}

// Unregister does nothing.
func (noMetrics) Unregister(string) {}

// UnregisterAll does nothing.
func (noMetrics) UnregisterAll() {}
