package packaging_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// buildPackages builds the packages of this machine's architecture as a version, and returns their paths.
func buildPackages(t *testing.T, version string) (deb, rpm string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), shipped("build.sh"), dir)
	cmd.Env = append(os.Environ(), "VERSION="+version, "ARCHES="+runtime.GOARCH, "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build packages: %v\n%s", err, out)
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	rpms, _ := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if len(debs) != 1 || len(rpms) != 1 {
		t.Fatalf("built %v and %v, want one of each", debs, rpms)
	}
	return debs[0], rpms[0]
}

// output runs a program and returns what it printed on both outputs.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// packed is a file in a package.
type packed struct {
	mode    fs.FileMode // permissions, and whether it is a directory
	content []byte
}

// readDeb returns the files of a package by their path.
func readDeb(t *testing.T, path string) map[string]packed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", path)
	archive, err := cmd.Output()
	if err != nil {
		t.Fatalf("dpkg-deb: %v", err)
	}
	files := map[string]packed{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(strings.TrimPrefix(header.Name, "."), "/")] = packed{header.FileInfo().Mode(), content}
	}
}

// wanted are the files that both packages must have, with their modes; what else they have is documentation and examples.
func wanted() map[string]fs.FileMode {
	return map[string]fs.FileMode{
		"/usr/bin/mirror":                                  0o755,
		"/etc/mirror":                                      fs.ModeDir | 0o755,
		"/etc/mirror/mirror.yaml":                          0o640,
		"/etc/mirror/secrets":                              fs.ModeDir | 0o700,
		"/usr/lib/systemd/system/mirror.service":           0o644,
		"/usr/lib/sysusers.d/mirror.conf":                  0o644,
		"/usr/share/man/man1/mirror.1.gz":                  0o644,
		"/usr/share/man/man1/mirror-run.1.gz":              0o644,
		"/usr/share/man/man1/mirror-status.1.gz":           0o644,
		"/usr/share/mirror/configs/edge.yaml":              0o644,
		"/usr/share/doc/mirror/configuration.md":           0o644,
		"/usr/share/doc/mirror/install.md":                 0o644,
		"/usr/share/doc/mirror/operations.md":              0o644,
		"/usr/share/doc/mirror/third-party-licenses.txt":   0o644,
		"/usr/share/bash-completion/completions/mirror":    0o644,
		"/usr/share/fish/vendor_completions.d/mirror.fish": 0o644,
	}
}

// The packages have everything, with the right rights; only the configuration is the operator's.
func TestPackages(t *testing.T) {
	deb, rpm := buildPackages(t, "1.0.0")
	t.Run("deb", func(t *testing.T) { checkDeb(t, deb) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, rpm) })
}

func checkDeb(t *testing.T, deb string) {
	files := readDeb(t, deb)
	for path, mode := range wanted() {
		if got, ok := files[path]; !ok || got.mode != mode {
			t.Errorf("%s: has it %v, mode %v, want %v", path, ok, got.mode, mode)
		}
	}
	for _, example := range examples(t) {
		if _, ok := files[example]; !ok {
			t.Errorf("lacks %s", example)
		}
	}
	if got := output(t, "dpkg-deb", "--info", deb, "conffiles"); got != "/etc/mirror/mirror.yaml\n" {
		t.Errorf("conffiles are %q, want the configuration alone", got)
	}
	if got, want := output(t, "dpkg-deb", "--field", deb, "Package", "Version", "Architecture"), "Package: mirror\nVersion: 1.0.0\nArchitecture: "+runtime.GOARCH+"\n"; got != want {
		t.Errorf("fields are %q, want %q", got, want)
	}
	licenses := string(files["/usr/share/doc/mirror/third-party-licenses.txt"].content)
	for _, module := range []string{"github.com/IBM/sarama", "github.com/twmb/franz-go", "=== Go"} {
		if !strings.Contains(licenses, module) {
			t.Errorf("the licences lack %s", module)
		}
	}
	checkProgram(t, files)
}

// checkProgram runs the packed program on the packed configuration.
func checkProgram(t *testing.T, files map[string]packed) {
	dir := t.TempDir()
	for path, name := range map[string]string{"/usr/bin/mirror": "mirror", "/etc/mirror/mirror.yaml": "mirror.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), files[path].content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	output(t, filepath.Join(dir, "mirror"), "validate", "-c", filepath.Join(dir, "mirror.yaml"))
	for path, file := range files {
		if strings.HasPrefix(path, "/usr/share/man/man1/mirror") && !bytes.HasPrefix(file.content, []byte{0x1f, 0x8b}) {
			t.Errorf("%s is not compressed", path)
		}
	}
}

// examples are the paths at which a package has what is shipped to be adapted.
func examples(t *testing.T) (paths []string) {
	t.Helper()
	for _, part := range []string{"alertmanager", "grafana", "nagios", "prometheus", "sensu"} {
		err := filepath.WalkDir(shipped(part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			within, err := filepath.Rel(shipped(), path)
			paths = append(paths, "/usr/share/mirror/"+within)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func checkRPM(t *testing.T, path string) {
	header := readRPM(t, path)
	files := header.files()
	for path, mode := range wanted() {
		got, ok := files[path]
		if !ok || got.mode.Perm() != mode.Perm() {
			t.Errorf("%s: has it %v, mode %v, want %v", path, ok, got.mode, mode)
		}
		if is := got.flags&(rpmConfig|rpmNoReplace) == rpmConfig|rpmNoReplace; is != (path == "/etc/mirror/mirror.yaml") {
			t.Errorf("%s is a configuration that is kept: %v", path, is)
		}
	}
	for _, example := range examples(t) {
		if _, ok := files[example]; !ok {
			t.Errorf("lacks %s", example)
		}
	}
	if got := []string{header.text(tagName), header.text(tagVersion)}; !slices.Equal(got, []string{"mirror", "1.0.0"}) {
		t.Errorf("is %q", got)
	}
	for tag, name := range map[int]string{tagPostIn: "postinstall.sh", tagPreUn: "preremove.sh", tagPostUn: "postremove.sh"} {
		script, err := os.ReadFile(shipped("scripts", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := header.text(tag); strings.TrimSpace(got) != strings.TrimSpace(string(script)) {
			t.Errorf("scriptlet %d is %q, want %s", tag, got, name)
		}
	}
}

func TestScriptsAreShell(t *testing.T) {
	scripts, err := filepath.Glob(shipped("scripts", "*.sh"))
	if err != nil || len(scripts) < 3 {
		t.Fatalf("found %v, %v", scripts, err)
	}
	for _, script := range append(scripts, shipped("build.sh")) {
		output(t, "sh", "-n", script)
	}
}
