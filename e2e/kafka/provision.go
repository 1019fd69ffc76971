package kafka

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"tributary/e2e/cache"
)

// Provision makes every pinned version ready to start, and the tools for it: Java and Maven are installed on a Debian
// machine with root where they are missing. What is there already costs nothing, so it may run before each test run;
// without it [Start] provisions what it needs. Progress lines go to progress. Processes may call it at the same time.
func Provision(ctx context.Context, progress io.Writer) error {
	// ZooKeeper first: warming Kafka 2.8 needs it.
	for _, version := range append([]Version{zooKeeper39}, Versions()...) {
		if _, err := prepare(ctx, progress, version); err != nil {
			return err
		}
	}
	return nil
}

// prepare returns the home of version, provisioning it first where needed.
func prepare(ctx context.Context, progress io.Writer, version Version) (home, error) {
	dir, err := homeDir(version)
	if err != nil {
		return home{}, err
	}
	java, err := findJava(ctx, progress)
	if err != nil {
		return home{}, err
	}
	h := home{dir: dir, java: java}
	if h.complete() {
		return h, nil
	}
	if version.usesZooKeeper() {
		if _, err := prepare(ctx, progress, zooKeeper39); err != nil {
			return home{}, err
		}
	}
	if err := h.install(ctx, progress, version); err != nil {
		return home{}, fmt.Errorf("provision %s: %w", version, err)
	}
	return h, nil
}

// install holds one lock for all versions, because Maven's local repository is not safe for concurrent writers.
func (h home) install(ctx context.Context, progress io.Writer, version Version) error {
	parent := filepath.Dir(h.dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("create the cache directory: %w", err)
	}
	lock, err := cache.Lock(ctx, filepath.Join(parent, "provision.lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if h.complete() { // by the process we waited for
		return nil
	}
	if _, err := os.Stat(h.dir); os.IsNotExist(err) {
		say(progress, "resolving %s with Maven", version)
		if err := h.resolve(ctx, progress, version); err != nil {
			return err
		}
	}
	say(progress, "warming up %s", version)
	return h.warm(ctx, version)
}

// resolve copies the jars of version into a temporary directory and renames that to its final place, so that an
// interrupted run leaves nothing that looks complete.
func (h home) resolve(ctx context.Context, progress io.Writer, version Version) error {
	maven, err := findMaven(ctx, progress)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(h.dir), string(version)+".tmp-")
	if err != nil {
		return fmt.Errorf("create a temporary directory: %w", err)
	}
	defer os.RemoveAll(temp) // a no-op once it is renamed

	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("make the directory readable: %w", err)
	}
	pomFile := filepath.Join(temp, "pom.xml")
	if err := os.WriteFile(pomFile, pom, 0o644); err != nil {
		return fmt.Errorf("write the pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, maven, "--batch-mode", "--quiet", "--file", pomFile, "--activate-profiles", string(version),
		"dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(temp, libsName))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run Maven: %w: %s", err, lastLines(string(out), 20))
	}
	if err := os.Rename(temp, h.dir); err != nil {
		return fmt.Errorf("move the jars into place: %w", err)
	}
	return nil
}
