package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan makes the command by which packages get their man pages. Nobody else needs it, so the help does not show it.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "Write a man page of every command into a directory",
		Example: `  mirror man /usr/share/man/man1`,
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			cmd.Root().DisableAutoGenTag = true // the same pages of the same program, whenever they are made
			header := &doc.GenManHeader{Section: "1", Source: "mirror", Manual: "Mirror of Kafka topics"}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return fmt.Errorf("write man pages: %w; name a directory that exists", err)
			}
			return nil
		}),
	}
}
