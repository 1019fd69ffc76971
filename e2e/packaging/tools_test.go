package packaging_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"tributary/e2e/debian"
)

// toolTimeout is for how long a tool may run, on a machine that has other things to do.
const toolTimeout = 3 * time.Minute

// tool returns a program of a Debian package. A machine that cannot have it fails the test: what it proves is not optional.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := debian.Program(t.Context(), os.Stderr, name, from)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func promtool(t *testing.T) string { return tool(t, "promtool", "prometheus") }

func amtool(t *testing.T) string { return tool(t, "amtool", "prometheus-alertmanager") }

// invoke runs a program in a directory and returns all that it printed and its exit code.
func invoke(t *testing.T, dir, program string, args ...string) (text string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), toolTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("run %s: %v\n%s", program, err, out.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// must runs a program that has to end well, and returns what it printed.
func must(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	text, code := invoke(t, dir, program, args...)
	if code != 0 {
		t.Fatalf("%s %v: exit code %d\n%s", program, args, code, text)
	}
	return text
}
