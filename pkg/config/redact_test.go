package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRedacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.yaml")
	text := `# the password is hunter2
instance: ad-17 # hunter2
status_token: hunter2
clusters:
  region:
    brokers: ["r:9092"]
    sasl: {username: u, password: "hunter2"}
    tls: {key: /etc/key.pem}
  edge:
    sasl:
      pasword: "${FOO:-hunter2}"
      secrets: {a: hunter2, b: [hunter2]}
deadman: {url: "https://x/hunter2"}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Redacted(path)
	if err != nil || strings.Contains(string(got), "hunter2") {
		t.Errorf("%v: a secret is in\n%s", err, got)
	}
	for _, want := range []string{"instance: ad-17", "username: u", "r:9092", "/etc/key.pem", "***"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if err := os.WriteFile(path, []byte("a: [hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Redacted(path); err == nil || len(got) > 0 || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("what is no YAML: %q, %v", got, err)
	}
}

// TestEverySecretIsRedacted holds the words against the schema.
func TestEverySecretIsRedacted(t *testing.T) {
	found := 0
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem(), path)
		case reflect.Struct:
			for f := range typ.Fields() {
				walk(f.Type, path+"."+f.Tag.Get("yaml"))
			}
		case reflect.String:
			if typ == reflect.TypeFor[Secret]() {
				found++
				if key := path[strings.LastIndex(path, ".")+1:]; !maySecret(key) {
					t.Errorf("%s is not taken for a secret", path)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	if found < 3 {
		t.Errorf("found only %d secrets", found)
	}
}
