package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// secrets are those of the two mirrors of TestSecretsNeverShow, by what they are.
var secrets = map[string]string{
	"password of the source":               "Edge+Password/4711==", // one that looks different where it is encoded
	"password of the destination":          "region-password-4712",
	"wrong password of the source":         "wrong-edge-4713",
	"wrong password of the destination":    "wrong-region-4714",
	"ZooKeeper password":                   "zookeeper-digest-4715",
	"token of the dead-man's service":      "deadman-token-4716",
	"path of the other dead-man's address": "deadman-path-4717",
	"token of the status":                  "status-token-4718-abcdef",
	"token of the other status":            "status-token-4719-abcdef",
	"token that a reload is asked for":     "status-token-4720-abcdef",
}

// A mirror shows none of its secrets, whatever goes wrong: not in its log, metrics, status, page, events, profiles, commands,
// files or problems of its configuration; not SASL passwords, ZooKeeper's, the dead-man's address, or the status token.
func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	edge := simulate(t, kfake.ClusterID("edge"), kfake.Superuser("PLAIN", "mirror", secrets["password of the source"]), kfake.SeedTopics(2, "clicks"))
	region := simulate(t, kfake.ClusterID("region"), kfake.Superuser("SCRAM-SHA-256", "mirror", secrets["password of the destination"]))
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such check: "+r.URL.String(), http.StatusNotFound)
	}))
	t.Cleanup(refuses.Close)

	well := secretive(t, "well", edge, region, map[string]string{
		"EDGE": secrets["password of the source"], "REGION": secrets["password of the destination"], "TOKEN": secrets["token of the status"],
		"DEADMAN": refuses.URL + "/ping?token=" + secrets["token of the dead-man's service"], "ZOOKEEPER": ""})
	ill := secretive(t, "ill", edge, region, map[string]string{
		"EDGE": secrets["wrong password of the source"], "REGION": secrets["wrong password of the destination"], "TOKEN": secrets["token of the other status"],
		"DEADMAN": "http://127.0.0.1:1/" + secrets["path of the other dead-man's address"], "ZOOKEEPER": secrets["ZooKeeper password"]})
	for _, h := range []*host{well, ill} {
		text, err := os.ReadFile(h.config)
		must(t, err)
		if len(leaks(string(text))) == 0 {
			t.Fatal("no secret of the configuration is found in it")
		}
		h.start(t)
	}
	awaitLogged(t, well, "did not accept a ping")
	awaitLogged(t, ill, "log in as", "ZooKeeper")
	for _, h := range []*host{well, ill} {
		requireNoSecret(t, h.settings.Instance, h.everything(t))
	}
	for _, h := range []*host{well, ill} {
		h.stop(t)
		requireNoSecret(t, h.settings.Instance+" after its end", h.files(t))
		unsound(t, h)
	}
}

// simulate runs a cluster of one broker in this process that asks for a password.
func simulate(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.EnableSASL())...)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// secretive is a host whose configuration has a secret in every place for one. Those of the clusters come from files, as they
// should; the others stand in it.
func secretive(t *testing.T, name string, edge, region *kfake.Cluster, secret map[string]string) *host {
	t.Helper()
	h := newHost(t, settings{Instance: name})
	for _, of := range []string{"EDGE", "REGION"} {
		must(t, os.WriteFile(filepath.Join(h.dir, of), []byte(secret[of]+"\n"), 0o600))
	}
	pool := ""
	if secret["ZOOKEEPER"] != "" {
		pool = fmt.Sprintf(`
  - {name: pooled, from: edge, to: region, topics: {include: [imps]},
     ownership: {zookeeper: {servers: ["127.0.0.1:1"], peer: "127.0.0.1:0", auth: {username: m, password: %q}}}}`, secret["ZOOKEEPER"])
	}
	text := fmt.Sprintf(`
instance: %s
listen: 127.0.0.1:0
state_dir: %s
status_token: %q
log: {level: debug, format: json}
deadman: {url: %q, interval: 5s}
clusters:
  edge: {brokers: [%q], sasl: {mechanism: PLAIN, username: mirror, password: "${file:%s}", allow_plaintext: true}}
  region: {brokers: [%q], sasl: {mechanism: SCRAM-SHA-256, username: mirror, password: "${file:%s}"}}
links:
  - {name: up, from: edge, to: region, topics: {include: [clicks]}}%s
`, name, h.settings.StateDir, secret["TOKEN"], secret["DEADMAN"], edge.ListenAddrs()[0], filepath.Join(h.dir, "EDGE"), region.ListenAddrs()[0], filepath.Join(h.dir, "REGION"), pool)
	must(t, os.WriteFile(h.config, []byte(text), 0o600))
	return h
}

// awaitLogged waits until the log has all of these words: what was to go wrong has.
func awaitLogged(t *testing.T, h *host, words ...string) {
	t.Helper()
	eventually(t, time.Minute, "it goes wrong as planned", func(context.Context) error {
		text, err := os.ReadFile(h.log)
		for _, word := range words {
			if err == nil && !strings.Contains(string(text), word) {
				err = fmt.Errorf("the log of %s has no %q", h.settings.Instance, word)
			}
		}
		return err
	})
}

// everything returns all that the running mirror shows, by where it does.
func (h *host) everything(t *testing.T) map[string]string {
	t.Helper()
	shown := h.files(t)
	address, err := h.address()
	must(t, err)
	overNetwork := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	overSocket := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", filepath.Join(h.settings.StateDir, "mirror.sock"))
	}}}
	fetch := func(client *http.Client, method, url, token string) {
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{"accept_loss":true}`))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		must(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		must(t, err)
		shown[fmt.Sprintf("%s %s as %.8s", method, url, token)] = fmt.Sprint(response.Status, response.Header, string(body))
	}
	for _, path := range []string{"/", "/metrics", "/livez", "/readyz?verbose", "/poolz", "/api/v1/status", "/api/v1/pool", "/api/v1/events"} {
		fetch(overNetwork, http.MethodGet, "http://"+address+path, "")
	}
	for _, path := range []string{"/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/api/v1/status"} {
		fetch(overSocket, http.MethodGet, "http://mirror"+path, "")
	}
	for _, token := range []string{"wrong-token-0123456", secrets["token of the status"], secrets["token of the other status"]} { // the right one of one of the mirrors
		fetch(overNetwork, http.MethodPost, "http://"+address+"/api/v1/links/up/topics/clicks/partitions/0/skip", token)
	}
	for _, args := range [][]string{{"status", "--address", address}, {"status", "--address", address, "-o", "json"}, {"events", "-o", "json", "--state-dir", h.settings.StateDir},
		{"validate", "-c", h.config}, {"owners", "--state-dir", h.settings.StateDir}, {"check", "lag", "--state-dir", h.settings.StateDir}} {
		got, err := command(within(t, time.Minute), args...)
		must(t, err)
		shown["mirror "+strings.Join(args, " ")] = got.stdout + got.stderr
	}
	shown["mirror reload"] = h.reloadToken(t)
	shown["log after a reload"] = h.files(t)["log"]
	return shown
}

// reloadToken asks the running mirror for another token, which takes a restart, and returns what the command said.
func (h *host) reloadToken(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(h.config)
	must(t, err)
	for _, token := range []string{"token of the status", "token of the other status"} {
		text = bytes.Replace(text, []byte(secrets[token]), []byte(secrets["token that a reload is asked for"]), 1)
	}
	must(t, os.WriteFile(h.config, text, 0o600))
	got, err := h.command(within(t, time.Minute), "reload")
	must(t, err)
	if got.code != 1 || !strings.Contains(got.stderr, "status_token") {
		t.Errorf("mirror reload with another token: exit code %d, want 1 and the key: %s", got.code, got.stderr)
	}
	return got.stdout + got.stderr
}

// files returns the log, and what is in the state directory.
func (h *host) files(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	log, err := os.ReadFile(h.log)
	must(t, err)
	found["log"] = string(log)
	must(t, filepath.WalkDir(h.settings.StateDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // it was replaced meanwhile
			return nil
		}
		found[path] = string(data)
		return err
	}))
	return found
}

// unsound runs commands on the host's configuration with something wrong in it: an error quotes what it is about.
func unsound(t *testing.T, h *host) {
	t.Helper()
	text, err := os.ReadFile(h.config)
	must(t, err)
	for name, broken := range map[string][]byte{
		"key":     bytes.Replace(text, []byte("status_token:"), []byte("status_tokn:"), 1),
		"yaml":    bytes.Replace(text, []byte("status_token: \""), []byte("status_token: [\""), 1),
		"token":   bytes.Replace(text, []byte("listen: 127.0.0.1:0"), []byte("listen: \"${file:"+filepath.Join(h.dir, "EDGE")+"}\""), 1),
		"address": bytes.Replace(text, []byte("http://"), []byte("ftp://"), 1),
		"number":  bytes.Replace(text, []byte("interval: 5s"), []byte("interval: \"${file:"+filepath.Join(h.dir, "REGION")+"}\""), 1),
	} {
		path := filepath.Join(h.dir, name+".yaml")
		must(t, os.WriteFile(path, broken, 0o600))
		for _, verb := range []string{"validate", "run"} {
			got, err := command(within(t, time.Minute), verb, "-c", path)
			must(t, err)
			if got.code != 78 {
				t.Errorf("mirror %s of a configuration with a wrong %s: exit code %d, want 78\n%s", verb, name, got.code, got.stderr)
			}
			requireNoSecret(t, h.settings.Instance+", mirror "+verb+", wrong "+name, map[string]string{"": got.stdout + got.stderr})
		}
	}
}

// requireNoSecret fails the test for every secret that is shown.
func requireNoSecret(t *testing.T, of string, shown map[string]string) {
	t.Helper()
	for where, text := range shown {
		for _, leak := range leaks(text) {
			t.Errorf("%s: %s shows the %s", of, where, leak)
		}
	}
}

// leaks looks for every secret, as it is and as it may be written.
func leaks(text string) []string {
	var found []string
	for what, secret := range secrets {
		for form, written := range map[string]string{"as it is": secret, "in a URL": url.QueryEscape(secret), "in a path": url.PathEscape(secret),
			"in base64": base64.StdEncoding.EncodeToString([]byte(secret)), "quoted": strings.Trim(fmt.Sprintf("%q", secret), `"`)} {
			if at := strings.Index(text, written); at >= 0 {
				found = append(found, fmt.Sprintf("%s %s: ...%s", what, form, text[max(0, at-200):at]))
			}
		}
	}
	return found
}
