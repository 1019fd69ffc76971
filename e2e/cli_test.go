package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// answer is what a command printed, and its exit code.
type answer struct {
	stdout, stderr string
	code           int
}

// command runs a command of the program.
func command(ctx context.Context, args ...string) (answer, error) {
	cmd := exec.CommandContext(ctx, stage.binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		err = nil
	}
	if err != nil {
		return answer{}, fmt.Errorf("run mirror %s: %w", strings.Join(args, " "), err)
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}, nil
}

// command runs a command that asks this host's mirror.
func (h *host) command(ctx context.Context, args ...string) (answer, error) {
	return command(ctx, append(args, "--state-dir", h.settings.StateDir)...)
}
