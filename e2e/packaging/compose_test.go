package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tributary/e2e/debian"
)

// composePackages are docker-compose and what it imports to read a file; they are in Python, so that they run unpacked.
func composePackages() []string {
	return strings.Fields(`docker-compose python3-attr python3-certifi python3-chardet python3-charset-normalizer python3-distro python3-docker python3-dockerpty
		python3-docopt python3-dotenv python3-idna python3-jsonschema python3-paramiko python3-pkg-resources python3-pyrsistent python3-requests
		python3-six python3-texttable python3-urllib3 python3-websocket python3-yaml`)
}

// compose runs docker-compose and returns what it printed.
func compose(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		if err := debian.Install(t.Context(), os.Stderr, "python3"); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := debian.Unpack(t.Context(), os.Stderr, composePackages()...)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{filepath.Join(dir, "usr/bin/docker-compose")}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(dir, "usr/lib/python3/dist-packages"), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Docker-compose accepts the file, with the profile and without, and would not accept any.
func TestComposeFileIsAccepted(t *testing.T) {
	file := shipped("..", "docker-compose.yml")
	for _, profile := range []string{"", "full"} {
		out, err := compose(t, "--file", file, "--profile", profile, "config")
		if err != nil || !strings.Contains(out, "\n  mirror-region-c:\n") || !strings.Contains(out, "\n  region-3:\n") {
			t.Errorf("docker-compose --profile %q config: %v\n%s", profile, err, out)
		}
	}
	must(t, "", amtool(t), "check-config", shipped("..", "compose", "alertmanager.yml"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "docker-compose.yml")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), "hostname: home", "hostnam: home", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := compose(t, "--file", wrong, "config", "--quiet"); err == nil || !strings.Contains(out, "hostnam") {
		t.Errorf("a misspelt key was accepted: %v %s", err, out)
	}
}
