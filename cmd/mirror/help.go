package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// group makes a command that only has commands of its own refuse those it does not have: cobra answers them with the
// help and success.
func group(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noCommand(cmd, args[0])
		}
		return cmd.Help()
	}
}

// refuseUnknownHelp makes help an error where it is asked for what is no command: cobra answers that with success too.
func refuseUnknownHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		cmd.Example = "  mirror help verify"
		cmd.RunE = func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noCommand(about, rest[0])
			}
			return about.Help()
		}
	}
}

// noCommand is the error for a word that is none of cmd's commands.
func noCommand(cmd *cobra.Command, word string) error {
	return fmt.Errorf("unknown command %q for %q", word, cmd.CommandPath())
}
