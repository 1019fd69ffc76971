package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"tributary/e2e/cache"
)

// release is the Debian that packages are installed on.
const release = "bookworm"

// Root returns a new directory that is the root of a minimal Debian: what is essential, and apt. The caller removes it. The first
// call makes one with debootstrap, which takes a minute, and keeps it in the cache; each call copies that. It needs root.
func Root(ctx context.Context, progress io.Writer) (string, error) {
	kept, err := keptRoot(ctx, progress)
	if err != nil {
		return "", fmt.Errorf("make a minimal Debian: %w", err)
	}
	dir, err := os.MkdirTemp("", "tributary-debian-")
	if err != nil {
		return "", fmt.Errorf("create a temporary directory: %w", err)
	}
	if err := run(ctx, "/", "cp", "-a", kept+"/.", dir); err != nil {
		return "", errors.Join(fmt.Errorf("copy a minimal Debian: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// keptRoot returns the one in the cache, which nobody may change.
func keptRoot(ctx context.Context, progress io.Writer) (string, error) {
	root, err := cache.Root()
	if err != nil {
		return "", err
	}
	base := filepath.Join(root, "debian-roots")
	dir := filepath.Join(base, release)
	if complete(dir) {
		return dir, nil
	}
	if os.Geteuid() != 0 {
		return "", errors.New("not root: run as root")
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of roots: %w", err)
	}
	lock, err := cache.Lock(ctx, filepath.Join(base, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if complete(dir) { // by the process we waited for
		return dir, nil
	}
	return dir, bootstrap(ctx, progress, base, dir)
}

// bootstrap makes a minimal Debian at dir, without what apt keeps of it.
func bootstrap(ctx context.Context, progress io.Writer, base, dir string) error {
	unpacked, err := Unpack(ctx, progress, "debootstrap")
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(base, "tmp-")
	if err != nil {
		return fmt.Errorf("create a temporary directory: %w", err)
	}
	defer os.RemoveAll(temp) // a no-op once it is renamed
	say(progress, "making a minimal %s", release)
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("make the root readable: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(unpacked, "usr/sbin/debootstrap"), "--variant=minbase", release, temp)
	cmd.Env = append(os.Environ(), "DEBOOTSTRAP_DIR="+filepath.Join(unpacked, "usr/share/debootstrap"), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("debootstrap: %w: %s", err, out[max(0, len(out)-2000):])
	}
	for _, waste := range []string{"var/cache/apt", "var/lib/apt/lists"} {
		if err := os.RemoveAll(filepath.Join(temp, waste)); err != nil {
			return fmt.Errorf("remove what apt kept: %w", err)
		}
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("move the root into place: %w", err)
	}
	return nil
}
