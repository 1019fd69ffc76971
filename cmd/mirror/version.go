package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is the JSON form of version. Fields are added, never changed.
type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`   // empty when not built from a checkout
	Modified bool   `json:"modified"` // the checkout had changes of its own
	Go       string `json:"go"`
}

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version of this binary",
		Example: `  mirror version
  mirror version -o json | jq -r .version`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		info := readVersion()
		if *format == outputJSON {
			return printJSON(cmd.OutOrStdout(), info)
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), info)
		return err
	})
	return cmd
}

// readVersion takes from the binary what the Go linker wrote into it.
func readVersion() versionInfo {
	info := versionInfo{Version: "unknown"}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	info.Go = build.GoVersion
	if build.Main.Version != "" {
		info.Version = build.Main.Version
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Commit = setting.Value
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	return info
}

// String is the form for people.
func (v versionInfo) String() string {
	text := "mirror " + v.Version
	if v.Commit != "" {
		text += " commit " + v.Commit
	}
	if v.Modified {
		text += " (modified)"
	}
	return text + " " + v.Go
}
