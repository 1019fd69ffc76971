package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// defaultConfig is where packages put the configuration.
const defaultConfig = "/etc/mirror/mirror.yaml"

// The output formats.
const (
	outputText = "text"
	outputJSON = "json"
)

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return exitCode(cmd, err, stderr)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mirror",
		Short: "Copy Kafka topics between clusters without losing or doubling a record",
		Example: `  mirror demo                        see it work, without any Kafka
  mirror init --help                 write a first configuration
  mirror validate -c mirror.yaml     check a configuration without touching a cluster
  mirror plan -c mirror.yaml         ask the clusters what it would do, and change nothing
  mirror run -c mirror.yaml          mirror until told to stop
  mirror status                      how far behind is what, and why
  mirror check lag                   the same for Nagios and Sensu
  mirror top                         the same, live
  mirror lag                         how fast it gets on, and when it has caught up
  mirror doctor                      why it stands still, and what to do
  mirror events                      what happened
  mirror skip edge-region clicks/3   what is lost of a halted partition, and what can be done
  mirror owners region-home          which member of a pool mirrors what
  mirror heartbeat                   which mirrors are heard here, and which are silent
  mirror pool drain --for 2h         keep new traffic away from this host
  mirror drain region-home           hand everything over to the other members
  mirror verify edge-region          prove that the destination has it all
  mirror parked list                 what could not be copied and was put aside`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// Ours has examples, and refuses a shell it does not know.
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	var path string
	root.PersistentFlags().StringVarP(&path, "config", "c", defaultConfig, "configuration `file`")
	root.AddCommand(newRun(&path), newDemo(), newInit(&path), newValidate(&path), newPlan(&path), newStatus(&path), newCheck(&path), newEligible(&path), newEvents(&path), newSkip(&path), newOwners(&path), newDrain(&path), newReload(&path), newPause(&path), newResume(&path), newPin(&path), newUnpin(&path),
		newHeartbeat(&path), newVerify(&path), newParked(&path), newVersion(), newCompletion())
	root.AddCommand(newLag(&path), newTopics(&path), newTop(&path), newWait(&path), newDoctor(&path), newDebug(&path))
	root.AddCommand(newMan())
	refuseUnknownHelp(root)
	return root
}

// output is the value of -o; it accepts text and json alone.
type output string

func (o *output) String() string { return string(*o) }

// Type names the value in the help.
func (o *output) Type() string { return "format" }

// Set checks the value.
func (o *output) Set(text string) error {
	if !slices.Contains([]string{outputText, outputJSON}, text) {
		return fmt.Errorf("want %s or %s", outputText, outputJSON)
	}
	*o = output(text)
	return nil
}

// addOutput gives a command the flag -o.
func addOutput(cmd *cobra.Command) *output {
	format := output(outputText)
	cmd.Flags().VarP(&format, "output", "o", "text or json")
	return &format
}

// printJSON writes one indented document.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
