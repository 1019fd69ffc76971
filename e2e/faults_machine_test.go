package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// requireRoot leaves a row out where the tests may not change the machine.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// controlGroup is a control group (v1) of one controller.
type controlGroup struct{ dir string }

// newControlGroup makes a group that goes with the test.
func newControlGroup(t *testing.T, controller string) controlGroup {
	t.Helper()
	requireRoot(t)
	g := controlGroup{fmt.Sprintf("/sys/fs/cgroup/%s/tributary-%d-%d", controller, os.Getpid(), time.Now().UnixNano())}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("no control groups here: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.Background() // that of the test has ended
		if err := poll(ctx, 5*time.Second, func(context.Context) error { return os.Remove(g.dir) }); err != nil {
			t.Errorf("remove the control group: %v", err)
		}
	})
	return g
}

// wrap is the start of a command line whose process is in the group.
func (g controlGroup) wrap() []string {
	return []string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, g.dir}
}

func (g controlGroup) set(t *testing.T, file, value string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0o644))
}

// line returns the line of a file that begins with a word.
func (g controlGroup) line(t *testing.T, file, word string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, word) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("%s has no line %q: %s", file, word, text)
	return ""
}

// smallDisk mounts a file system of that size, which goes with the test.
func smallDisk(t *testing.T, bytes int64) (dir string) {
	t.Helper()
	requireRoot(t)
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}

// fillDisk writes a file until no byte is left, and returns its path and size.
func fillDisk(dir string) (path string, size int64, err error) {
	path = filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		return "", 0, fmt.Errorf("fill the disk: %w", err)
	}
	defer f.Close()
	block := bytes.Repeat([]byte{1}, 64<<10)
	for len(block) > 0 {
		n, err := f.Write(block)
		size += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return "", 0, fmt.Errorf("fill the disk: %w", err)
		}
	}
	return path, size, nil
}

// buildPrevious builds the program of the newest tag, or else of twenty commits ago.
func buildPrevious(t *testing.T) (binary, revision string) {
	t.Helper()
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "git", args...).Output()
		return strings.TrimSpace(string(out)), err
	}
	revision, err := git("describe", "--tags", "--abbrev=0")
	if err != nil {
		revision = "HEAD~20"
	}
	if revision, err = git("rev-parse", "--short", revision); err != nil {
		t.Skip("there is no history to take the previous version from")
	}
	dir := t.TempDir()
	archive := exec.CommandContext(t.Context(), "sh", "-c", `git -C "$(git rev-parse --show-toplevel)" archive "$0" | tar -x -C "$1"`, revision, dir)
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("take commit %s: %v: %s", revision, err, out)
	}
	binary = filepath.Join(dir, "mirror-"+revision)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/mirror")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build commit %s: %v: %s", revision, err, out)
	}
	return binary, revision
}
