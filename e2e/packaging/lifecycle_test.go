package packaging_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tributary/e2e/debian"
)

// lifecycleEnv, set to anything, asks for the tests that install packages: they need root, and a minute when the root is made first.
const lifecycleEnv = "E2E_PACKAGES"

// machine is a minimal Debian whose systemctl notes its calls.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Getenv(lifecycleEnv) == "" {
		t.Skip("installs packages; run by make packages-test")
	}
	root, err := debian.Root(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	m := &machine{t, root}
	m.write("/usr/bin/systemctl", "#!/bin/sh\necho \"$*\" >>/systemctl.calls\n", 0o755)
	if err := os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755); err != nil { // as where systemd runs
		t.Fatal(err)
	}
	return m
}

func (m *machine) write(path, text string, mode fs.FileMode) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(path string) string {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.root, path))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data)
}

func (m *machine) has(path string) bool {
	_, err := os.Lstat(filepath.Join(m.root, path))
	return err == nil
}

// run runs a program in the root.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "chroot", append([]string{m.root}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// install copies a package into the root and hands it to dpkg.
func (m *machine) install(deb string, options ...string) string {
	m.t.Helper()
	data, err := os.ReadFile(deb)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("/tmp/mirror.deb", string(data), 0o644)
	return m.run(append(append([]string{"dpkg"}, options...), "--install", "/tmp/mirror.deb")...)
}

// expectCalls holds what was asked of systemd since the last time.
func (m *machine) expectCalls(when string, want ...string) {
	m.t.Helper()
	var got []string
	if m.has("/systemctl.calls") {
		got = strings.Split(strings.TrimSpace(m.read("/systemctl.calls")), "\n")
		if err := os.Remove(filepath.Join(m.root, "systemctl.calls")); err != nil {
			m.t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("%s systemctl was asked %q, want %q", when, got, want)
	}
}

// files lists everything in the root but what dpkg and the user database note for themselves.
func (m *machine) files() (paths []string) {
	m.t.Helper()
	err := filepath.WalkDir(m.root, func(path string, _ fs.DirEntry, err error) error {
		within := strings.TrimPrefix(path, m.root)
		for _, noted := range []string{"/var/lib/dpkg/", "/var/log/", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock", "/etc/subuid", "/etc/subgid", "/tmp/", "/var/cache/"} {
			if strings.HasPrefix(within, noted) {
				return err
			}
		}
		paths = append(paths, within)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return paths
}

const (
	configPath = "/etc/mirror/mirror.yaml"
	statePath  = "/var/lib/mirror/link/edge-region.json"
)

// In a clean Debian the package installs and its configuration is valid for the service's user. Nothing is enabled or started; an
// upgrade restarts what runs, and leaves an edited configuration alone. Removing keeps the configuration and the state, purging
// deletes both and says so, and nothing is left.
func TestPackageLifecycle(t *testing.T) {
	m := newMachine(t)
	first, _ := buildPackages(t, "1.0.0")
	second, _ := buildPackages(t, "1.1.0")
	third := withNewConfiguration(t, second, "1.2.0")
	before := m.files()

	m.install(first)
	m.expectCalls("at the installation", "daemon-reload")
	if got := m.run("stat", "-c", "%U:%G %a", configPath, "/etc/mirror/secrets"); got != "root:mirror 640\nroot:root 700\n" {
		t.Errorf("the rights are %q", got)
	}
	m.run("chroot", "--userspec=mirror", "/", "mirror", "validate")

	edited := m.read(configPath) + "\nzone: mine\n"
	m.write(configPath, edited, 0o640)
	m.write(statePath, "{}", 0o600)
	m.install(second)
	m.expectCalls("at the upgrade", "daemon-reload", "try-restart mirror.service")
	if got := m.run("dpkg-query", "--show", "--showformat=${Version}", "mirror"); got != "1.1.0" {
		t.Errorf("%s is installed", got)
	}
	m.install(second)
	m.expectCalls("at the reinstallation", "daemon-reload", "try-restart mirror.service")
	m.install(third, "--force-confdef", "--force-confold") // as unattended upgrades do
	m.expectCalls("at the upgrade with another configuration", "daemon-reload", "try-restart mirror.service")
	if got := m.read(configPath); got != edited {
		t.Errorf("the edited configuration became %q", got)
	}
	if got := m.read(configPath + ".dpkg-dist"); !strings.HasSuffix(got, newConfiguration) {
		t.Errorf("beside it is %q, want that of the package", got)
	}
	if got := m.run("stat", "-c", "%U:%G %a", configPath); got != "root:mirror 640\n" {
		t.Errorf("its rights became %q", got)
	}
	m.remove(edited)
	m.purge(before)
}

// remove removes the package, which keeps what is the operator's.
func (m *machine) remove(config string) {
	m.t.Helper()
	if out := m.run("dpkg", "--remove", "mirror"); !strings.Contains(out, "/var/lib/mirror is kept") {
		m.t.Errorf("the removal says %q", out)
	}
	m.expectCalls("at the removal", "--no-reload disable --now mirror.service", "daemon-reload")
	if m.has("/usr/bin/mirror") || !m.has(statePath) || m.read(configPath) != config {
		m.t.Errorf("after the removal: program %v, state %v", m.has("/usr/bin/mirror"), m.has(statePath))
	}
}

// purge purges the package and compares what is there with what was before it came.
func (m *machine) purge(before []string) {
	m.t.Helper()
	if out := m.run("dpkg", "--purge", "mirror"); !strings.Contains(out, "/var/lib/mirror is deleted") {
		m.t.Errorf("the purge says %q", out)
	}
	m.expectCalls("at the purge", "daemon-reload")
	for _, path := range m.files() {
		if !slices.Contains(before, path) {
			m.t.Errorf("the purge leaves %s", path)
		}
	}
}

const newConfiguration = "# the configuration of a later version\n"

// withNewConfiguration makes another version of a package, with another configuration.
func withNewConfiguration(t *testing.T, deb, version string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deb")
	output(t, "dpkg-deb", "--raw-extract", deb, dir)
	for _, change := range []struct{ path, old, new string }{
		{"DEBIAN/control", "Version: 1.1.0\n", "Version: " + version + "\n"},
		{"etc/mirror/mirror.yaml", "", newConfiguration},
	} {
		path := filepath.Join(dir, change.path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data) + change.new
		if change.old != "" {
			text = strings.Replace(string(data), change.old, change.new, 1)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "mirror.deb")
	output(t, "dpkg-deb", "--root-owner-group", "--build", dir, out)
	return out
}

// The real rpm reads the package, installs, upgrades and removes it, and keeps the edited configuration and the state.
func TestRPMLifecycle(t *testing.T) {
	m := newMachine(t)
	if _, err := exec.LookPath("rpm"); err != nil {
		if err := debian.Install(t.Context(), os.Stderr, "rpm"); err != nil {
			t.Fatal(err)
		}
	}
	_, first := buildPackages(t, "1.0.0")
	_, second := buildPackages(t, "1.1.0")
	rpm := func(args ...string) string {
		return output(t, "rpm", append([]string{"--root", m.root, "--dbpath", "/var/lib/rpm"}, args...)...)
	}
	if got := output(t, "rpm", "-qp", "--nosignature", "--configfiles", first); got != configPath+"\n" {
		t.Errorf("the configuration is %q", got)
	}
	rpm("--install", "--nodeps", "--nosignature", first) // the database of the root knows no package, not even a shell's
	m.expectCalls("at the installation", "daemon-reload")
	m.run("chroot", "--userspec=mirror", "/", "mirror", "validate")
	edited := m.read(configPath) + "\nzone: mine\n"
	m.write(configPath, edited, 0o640)
	m.write(statePath, "{}", 0o600)
	rpm("--upgrade", "--nodeps", "--nosignature", second)
	m.expectCalls("at the upgrade", "daemon-reload", "try-restart mirror.service")
	if got := m.read(configPath); got != edited {
		t.Errorf("the edited configuration became %q", got)
	}
	out := rpm("--erase", "mirror")
	m.expectCalls("at the removal", "--no-reload disable --now mirror.service", "daemon-reload")
	if !strings.Contains(out, "/var/lib/mirror is kept") || m.has("/usr/bin/mirror") || !m.has(statePath) || m.read(configPath+".rpmsave") != edited {
		t.Errorf("after the removal: program %v, state %v, and it says %q", m.has("/usr/bin/mirror"), m.has(statePath), out)
	}
}
