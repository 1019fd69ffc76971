package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tributary/pkg/config"
)

// The exit codes; those above 2 are of sysexits.h, and systemd does not restart on them.
const (
	exitOK           = 0
	exitFailure      = 1
	exitInconclusive = 2 // of verify alone; those of check are its own, 0 to 3
	exitUsage        = 64
	exitConfig       = 78
)

// exitError ends the process with a code. A nil err means that everything was said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// action wraps what a command does, so that its errors carry an exit code: their own, that of the configuration when
// they are about it, else that of a failure.
func action(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if _, coded := errors.AsType[*exitError](err); err == nil || coded {
			return err
		}
		if _, unsound := errors.AsType[*config.Problems](err); unsound {
			return &exitError{exitConfig, err}
		}
		return &exitError{exitFailure, err}
	}
}

// exitCode prints err, if there is still something to say, and returns the code to end with. What did not come from
// an action was found by the command line parser, and so is a usage error: of cmd, or of the nearest that is known.
func exitCode(cmd *cobra.Command, err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	coded, ok := errors.AsType[*exitError](err)
	if !ok && isCheck(cmd) {
		return checkFailed(cmd.OutOrStdout(), err)
	}
	if !ok {
		fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), strings.TrimSpace(err.Error()))
		if !cmd.HasSubCommands() {
			fmt.Fprintf(stderr, "Usage: %s\n", cmd.UseLine())
		}
		fmt.Fprintf(stderr, "See: %s --help\n", cmd.CommandPath())
		return exitUsage
	}
	if coded.err != nil {
		fmt.Fprintf(stderr, "mirror: %v\n", coded.err)
	}
	return coded.code
}
