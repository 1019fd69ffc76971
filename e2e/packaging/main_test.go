// Package packaging_test holds what is shipped beside the program: the unit, the packages, the rules and the dashboards.
package packaging_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaryEnv names a binary to test instead of one built for the run.
const binaryEnv = "MIRROR"

// stage is what the tests share: it is set once, by TestMain.
var stage struct{ binary string }

func TestMain(m *testing.M) {
	becomeFiltered()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tributary-packaging-")
	if err == nil {
		defer os.RemoveAll(dir)
		stage.binary, err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		return 1
	}
	return m.Run()
}

func build(dir string) (string, error) {
	if path := os.Getenv(binaryEnv); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "mirror")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "tributary/cmd/mirror")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, bytes.TrimSpace(out))
	}
	return path, nil
}

// shipped is the path of a file below packaging.
func shipped(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", "packaging"}, elements...)...)
}
