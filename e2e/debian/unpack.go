package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tributary/e2e/cache"
)

const maxDirName = 100

// Program returns the absolute path of a program: that of PATH where it is installed, else that of the Debian package,
// taken apart in the cache. Its shared libraries must be there: only the package itself is fetched.
func Program(ctx context.Context, progress io.Writer, name, from string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	root, err := Unpack(ctx, progress, from)
	if err != nil {
		return "", fmt.Errorf("provide %s: %w; or install it: sudo apt-get install %s", name, err, from)
	}
	for _, bin := range []string{"usr/bin", "usr/sbin", "bin", "sbin"} {
		path := filepath.Join(root, bin, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("provide %s: the Debian package %s has no such program", name, from)
}

// Unpack returns a directory that has the files of Debian packages as they would lie below /. It fetches these packages,
// without what they depend on, once: later calls cost nothing. Processes may call it at the same time. It needs
// apt-get and dpkg-deb, and no rights: lists and packages are kept in the cache, and no script of a package is run.
func Unpack(ctx context.Context, progress io.Writer, packages ...string) (string, error) {
	root, err := cache.Root()
	if err != nil {
		return "", err
	}
	base := filepath.Join(root, "debian")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of Debian packages: %w", err)
	}
	dir := filepath.Join(base, dirName(packages))
	if complete(dir) {
		return dir, nil
	}
	lock, err := cache.Lock(ctx, filepath.Join(base, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if complete(dir) { // by the process we waited for
		return dir, nil
	}
	say(progress, "fetching %s", strings.Join(packages, ", "))
	if err := fetch(ctx, base, dir, packages); err != nil {
		return "", fmt.Errorf("fetch the Debian packages %s: %w", strings.Join(packages, ", "), err)
	}
	return dir, nil
}

// dirName is the packages' names, or a hash of them where they are too long for a file system.
func dirName(packages []string) string {
	name := strings.Join(packages, "+")
	if len(name) <= maxDirName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return packages[0] + "+" + hex.EncodeToString(sum[:6])
}

func complete(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// fetch takes the packages apart in a temporary directory and renames that to its final place, so that an interrupted
// run leaves nothing that looks complete.
func fetch(ctx context.Context, base, dir string, packages []string) error {
	temp, err := os.MkdirTemp(base, "tmp-")
	if err != nil {
		return fmt.Errorf("create a temporary directory: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := download(ctx, base, temp, packages); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(temp, "*.deb"))
	if err != nil {
		return fmt.Errorf("list what was fetched: %w", err)
	}
	if len(archives) < len(packages) {
		return fmt.Errorf("apt-get fetched %d of %d packages", len(archives), len(packages))
	}
	files := filepath.Join(temp, "files")
	for _, archive := range archives {
		if err := run(ctx, temp, "dpkg-deb", "-x", archive, files); err != nil {
			return err
		}
	}
	if err := os.Rename(files, dir); err != nil {
		return fmt.Errorf("move the files into place: %w", err)
	}
	return nil
}

// download fetches packages into dir, by lists of our own: those of the machine may be missing, or so old that what they
// name is gone.
func download(ctx context.Context, base, dir string, packages []string) error {
	lists, archives := filepath.Join(base, "lists"), filepath.Join(base, "archives")
	for _, d := range []string{filepath.Join(lists, "partial"), filepath.Join(archives, "partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("create a directory for apt-get: %w", err)
		}
	}
	options := []string{
		"-q", "-o", "Dir::State::Lists=" + lists, "-o", "Dir::Cache=" + archives,
		"-o", "APT::Sandbox::User=root", // its usual user may not write here; without root it means nothing
	}
	if err := run(ctx, dir, "apt-get", append(options, "update")...); err != nil {
		return err
	}
	return run(ctx, dir, "apt-get", append(append(options, "download"), packages...)...)
}
