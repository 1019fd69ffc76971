package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Install installs packages with what they depend on, as root on Debian; elsewhere its error says what to do by hand. It is
// for packages without services: those would be started.
func Install(ctx context.Context, progress io.Writer, packages ...string) error {
	names := strings.Join(packages, " ")
	if _, err := os.Stat("/etc/debian_version"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("not root on Debian: install %s and run again; on Debian: sudo apt-get install %s", names, names)
	}
	say(progress, "installing %s with apt-get", names)
	if err := run(ctx, "/", "apt-get", "update", "-q"); err != nil {
		return err
	}
	return run(ctx, "/", "apt-get", append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)...)
}

// run runs a program in a directory; its error has the end of what it printed.
func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
	}
	return nil
}

// say writes one progress line. A line that cannot be written is no reason to stop.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, "e2e/debian: "+format+"\n", args...)
}
