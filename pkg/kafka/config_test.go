package kafka

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestConfigValidate(t *testing.T) {
	brokers := []string{"a:9092"}
	tests := []struct {
		name string
		cfg  Config
		want []string // one substring per line of the error
	}{
		{"plain", Config{Brokers: brokers}, nil},
		{"ipv6", Config{Brokers: []string{"[::1]:9092"}}, nil},
		{"scram without tls", Config{Brokers: brokers, SASL: &SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "p"}}, nil},
		{"plain over tls", Config{Brokers: brokers, TLS: &TLS{}, SASL: &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"}}, nil},
		{"plain allowed", Config{Brokers: brokers, SASL: &SASL{Mechanism: "PLAIN", Username: "u", Password: "p", AllowPlaintext: true}}, nil},
		{"nothing", Config{}, []string{"brokers: at least one"}},
		{"addresses", Config{Brokers: []string{"a", "a:0", "a:70000", ":1", "b:1", "b:1"}}, []string{
			"brokers[0]: \"a\" is not host:port", "brokers[1]: \"a:0\" has no port", "brokers[2]: \"a:70000\" has no port",
			"brokers[3]: \":1\" is not", "brokers[5]: \"b:1\" is listed twice",
		}},
		{"half a certificate", Config{Brokers: brokers, TLS: &TLS{Cert: "x"}}, []string{"tls: cert and key"}},
		{"plain in the clear", Config{Brokers: brokers, SASL: &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"}}, []string{"sasl.mechanism: PLAIN without tls"}},
		{"empty sasl", Config{Brokers: brokers, SASL: &SASL{}}, []string{"sasl.mechanism: is missing", "sasl.username: is missing", "sasl.password: is missing"}},
		{"unknown mechanism", Config{Brokers: brokers, SASL: &SASL{Mechanism: "GSSAPI", Username: "u\x00", Password: "p"}}, []string{"sasl.mechanism: \"GSSAPI\" is not", "sasl: username and password cannot"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(tt.want) {
				t.Fatalf("got %d problems %q, want %d", len(lines), lines, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("problem %d: got %q, want %q...", i, lines[i], want)
				}
			}
		})
	}
}

func TestNewNamesClusterAndFile(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, cfg := range []Config{
		{Brokers: []string{"a"}},
		{Brokers: []string{"a:1"}, TLS: &TLS{CA: "/does/not/exist"}},
		{Brokers: []string{"a:1"}, TLS: &TLS{Cert: "/does/not/exist", Key: "/does/not/exist"}},
		{Brokers: []string{"a:1"}, TLS: &TLS{CA: "config_test.go"}},
	} {
		_, err := New("region", cfg, log)
		if err == nil || !strings.Contains(err.Error(), "cluster region: ") {
			t.Errorf("New(%+v): got %v, want an error that names the cluster", cfg, err)
		}
	}
}

func TestSecretNeverShows(t *testing.T) {
	const value = "hunter2"
	config := SASL{Username: "u", Password: value}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("login", "password", config.Password, "sasl", config)
	marshalled, err := yaml.Marshal(config)
	if err != nil {
		t.Fatalf("yaml: %v", err)
	}
	asJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatalf("json: %v", err)
	}
	shown := log.String() + string(marshalled) + string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		shown += fmt.Sprintf(verb, config.Password) + fmt.Sprintf(verb, config) + fmt.Sprintf(verb, &config)
	}
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if strings.Contains(shown, leak) {
			t.Errorf("secret shows as %q in %s", leak, shown)
		}
	}
	var back SASL
	if err := yaml.Unmarshal([]byte("password: "+value), &back); err != nil || string(back.Password) != value {
		t.Errorf("read from YAML: got %q, %v, want the value", string(back.Password), err)
	}
}
