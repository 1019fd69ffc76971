package zookeeper

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestConfigIsChecked(t *testing.T) {
	good := Config{Servers: []string{"zk-1:2181", "10.0.0.1:1", "[::1]:2181"}, SessionTimeout: time.Second}
	if err := good.validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, test := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"no server":     {func(c *Config) { c.Servers = nil }, "servers: "},
		"no port":       {func(c *Config) { c.Servers = []string{"zk"} }, `"zk" is not host:port`},
		"no host":       {func(c *Config) { c.Servers = []string{":2181"} }, `":2181" is not host:port`},
		"with a chroot": {func(c *Config) { c.Servers = []string{"zk:2181/mirror"} }, `"zk:2181/mirror" is not host:port`},
		"no timeout":    {func(c *Config) { c.SessionTimeout = 0 }, "session_timeout: "},
		"half a pair":   {func(c *Config) { c.TLS = &TLS{Cert: "a"} }, "tls: cert and key"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			test.edit(&c)
			_, err := Connect(c, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	c := Config{Auth: &Auth{Username: "u", Password: "hush"}}
	encoded, err := json.Marshal(c.Auth)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "auth", *c.Auth, "password", c.Auth.Password)
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %x %d", *c.Auth, *c.Auth, *c.Auth, c.Auth.Password, c.Auth.Password, c.Auth.Password), string(encoded), logged.String()} {
		if strings.Contains(shown, "hush") || strings.Contains(shown, fmt.Sprintf("%x", "hush")) {
			t.Errorf("it shows in %s", shown)
		}
	}
}
