package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testToken = "0123456789abcdef"

// withToken is a mirror at an address that takes commands with a token, and notes what it was asked.
func withToken(t *testing.T, asked *[]string) (address string) {
	return serveStatus(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("Authorization") != "Bearer "+testToken {
			http.Error(w, "a command has a token", http.StatusUnauthorized)
			return
		}
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		_, _ = io.WriteString(w, `{"link":"up","paused_until":null,"changed":[],"origin":"ad-2","eligible":{"in":true},"in":true,"pools":[{"link":"up","draining":true}],"pool":{"link":"up","draining":true},
			"links":[{"name":"up","topics":[{"topic":"clicks","partitions":[{"partition":3,"state":"halted"}]}]}]}`)
	})
}

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCommandsAtAnAddress has every command that changes something do so with the token.
func TestCommandsAtAnAddress(t *testing.T) {
	var asked []string
	reach := []string{"--address", withToken(t, &asked), "--token-file", tokenFile(t, testToken+"\n")}
	for _, test := range []struct{ command, want string }{
		{"pause up --for 1h", "POST /api/v1/links/up/pause"},
		{"resume up", "POST /api/v1/links/up/resume"},
		{"reload", "POST /api/v1/reload"},
		{"skip up clicks/3 --i-accept-loss", "POST /api/v1/links/up/topics/clicks/partitions/3/skip"},
		{"drain up", "POST /api/v1/links/up/pool/drain"},
		{"pool drain", "POST /api/v1/eligible"},
		{"heartbeat forget ad-2", "POST /api/v1/heartbeats/ad-2/forget"},
		{"owners up", "GET /api/v1/pool"},
		{"pool", "GET /api/v1/status"},
	} {
		asked = nil
		got := mirror(t, append(strings.Fields(test.command), reach...)...)
		if got.code != exitOK || len(asked) == 0 || asked[len(asked)-1] != test.want {
			t.Errorf("%s: exit %d, %q; asked %q, want %q", test.command, got.code, got.stderr, asked, test.want)
		}
	}
}

func TestCommandsThatDoNotGetThere(t *testing.T) {
	var asked []string
	address, token := withToken(t, &asked), tokenFile(t, testToken)
	closed := serveStatus(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusMethodNotAllowed) })
	moved := serveStatus(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+address+r.URL.Path, http.StatusTemporaryRedirect)
	})
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no token", []string{"--address", address}, exitUsage, "name a file that holds it with --token-file"},
		{"another token", []string{"--address", address, "--token-file", tokenFile(t, "fedcba9876543210")}, exitFailure, "does not take the token"},
		{"a mirror without a token", []string{"--address", closed, "--token-file", token}, exitFailure, "has no status_token"},
		{"moved elsewhere", []string{"--address", moved, "--token-file", token}, exitFailure, "307"},
		{"nobody", []string{"--address", "127.0.0.1:1", "--token-file", token}, exitFailure, "see whether it runs and listens there"},
		{"another host in clear", []string{"--address", "ad-17:9464", "--token-file", token}, exitUsage, "write https://ad-17:9464 where TLS stands before the mirror, or http://ad-17:9464 where nobody"},
		{"no port", []string{"--address", "localhost", "--token-file", token}, exitUsage, "neither host:port nor a URL"},
		{"a strange URL", []string{"--address", "ftp://ad-17", "--token-file", token}, exitUsage, "no URL such as"},
		{"a password in the URL", []string{"--address", "https://me:secret@ad-17", "--token-file", token}, exitUsage, "no URL such as"},
		{"no file", []string{"--address", address, "--token-file", token + ".not"}, exitFailure, "no such file"},
		{"an empty file", []string{"--address", address, "--token-file", tokenFile(t, " \n")}, exitFailure, "holds no single line"},
		{"two lines", []string{"--address", address, "--token-file", tokenFile(t, "a\nb\n")}, exitFailure, "holds no single line"},
		{"a token at the socket", []string{"--token-file", token}, exitUsage, "name that with --address"},
		{"two ways", []string{"--address", address, "--state-dir", t.TempDir()}, exitUsage, "address state-dir"},
	} {
		got := mirror(t, append([]string{"resume", "up"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.stderr, test.want) || strings.Contains(got.stderr, testToken) || strings.Contains(got.stderr, "secret@") {
			t.Errorf("%s: exit %d, want %d; %q, want %q", test.name, got.code, test.code, got.stderr, test.want)
		}
	}
	if len(asked) != 0 {
		t.Errorf("done all the same: %q", asked)
	}
}
