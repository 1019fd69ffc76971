package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tributary/e2e/debian"
)

// maxExposure is the most that `systemd-analyze security` may find: 0 is none, 10 all there is.
const maxExposure = 2.0

// analyze runs systemd-analyze and returns what it printed on both outputs.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if err := debian.Install(t.Context(), os.Stderr, "systemd"); err != nil {
			t.Fatalf("provide systemd-analyze: %v", err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_LOG_TARGET=console", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func readUnit(t *testing.T) []byte {
	t.Helper()
	unit, err := os.ReadFile(shipped("systemd", "mirror.service"))
	if err != nil {
		t.Fatal(err)
	}
	return unit
}

// verify has systemd-analyze read a unit, with programs that exist on this machine, and returns what it objects to.
func verify(t *testing.T, unit []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mirror.service")
	if err := os.WriteFile(path, bytes.ReplaceAll(unit, []byte("/usr/bin/mirror"), []byte(stage.binary)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := analyze(t, "verify", "--man=no", path)
	if err != nil {
		out += err.Error()
	}
	return out
}

func TestUnitIsUnderstood(t *testing.T) {
	if out := verify(t, readUnit(t)); out != "" {
		t.Errorf("systemd-analyze verify objects: %s", out)
	}
	wrong := bytes.Replace(readUnit(t), []byte("WatchdogSec="), []byte("WatchDogSec="), 1)
	if out := verify(t, wrong); !strings.Contains(out, "WatchDogSec") {
		t.Errorf("a misspelt key was not objected to: %q", out)
	}
}

// exposure is the overall level that systemd-analyze security finds for a unit.
func exposure(t *testing.T, unit []byte) float64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mirror.service")
	if err := os.WriteFile(path, unit, 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := analyze(t, "security", "--offline=true", "--no-pager", path) // the level is in what it prints
	found := regexp.MustCompile(`Overall exposure level for mirror\.service: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no exposure level in: %s", out)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return level
}

func TestUnitIsHardened(t *testing.T) {
	if got := exposure(t, readUnit(t)); got > maxExposure {
		t.Errorf("the exposure is %.1f, want at most %.1f; see: systemd-analyze security --offline=true packaging/systemd/mirror.service", got, maxExposure)
	}
	bare := regexp.MustCompile(`(?m)^(Protect|Private|Restrict|System|Capab|User).*\n`).ReplaceAll(readUnit(t), nil)
	if got := exposure(t, bare); got <= maxExposure {
		t.Errorf("without its protection the exposure is %.1f, so this test finds nothing", got)
	}
}

// What the daemon relies on and no tool checks.
func TestUnitFitsTheProgram(t *testing.T) {
	unit := string(readUnit(t))
	for _, want := range []string{
		"Type=notify", "WatchdogSec=60", // pkg/systemd
		"RestartPreventExitStatus=64 78", // usage, configuration
		"ExecStart=/usr/bin/mirror run -c /etc/mirror/mirror.yaml", "ExecReload=/usr/bin/mirror reload --state-dir /var/lib/mirror",
		"StateDirectory=mirror", "User=mirror",
	} {
		if !strings.Contains(unit, "\n"+want+"\n") {
			t.Errorf("the unit lacks %s", want)
		}
	}
	for _, not := range []string{"Requires=", "ProcSubset=", "PrivateUsers="} { // it outlives Kafka; metrics of the process need /proc/stat; the journal says who asked
		if strings.Contains(unit, "\n"+not) {
			t.Errorf("the unit has %s", not)
		}
	}
}
