package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// validation is the JSON form of what validate found. Fields are added, never changed.
type validation struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Problems []config.Problem `json:"problems"`
	Omitted  int              `json:"omitted"` // problems found beyond those listed
	Links    []linkSummary    `json:"links"`
}

// linkSummary is one link as the configuration has it.
type linkSummary struct {
	Name       string   `json:"name"`
	From       string   `json:"from"`
	To         string   `json:"to"`
	Include    []string `json:"include"`
	Exclude    []string `json:"exclude"`
	Rename     string   `json:"rename"`
	Partitions string   `json:"partitions"`
	Guarantee  string   `json:"guarantee"`
	Ownership  string   `json:"ownership"`
}

func newValidate(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration without touching a cluster",
		Long:  "Check the configuration without touching a cluster. All problems are printed at once, as file:line: key: text.",
		Example: `  mirror validate -c mirror.yaml
  mirror validate -c mirror.yaml -o json | jq -r '.problems[].key'`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		return validate(cmd.OutOrStdout(), *path, *format)
	})
	return cmd
}

// validate prints what it found as data: the problems are the result, so they go to out.
func validate(out io.Writer, path string, format output) error {
	cfg, err := config.Load(path, app.Supported)
	problems, unsound := errors.AsType[*config.Problems](err)
	if err != nil && !unsound {
		return &exitError{exitConfig, explain(path, err)}
	}
	result := validation{File: path, OK: err == nil, Problems: []config.Problem{}, Links: []linkSummary{}}
	if unsound {
		result.Problems, result.Omitted = problems.List, problems.More
	} else {
		result.Links = summarize(cfg.Links)
	}
	if format == outputJSON {
		err = printJSON(out, result)
	} else if unsound {
		_, err = fmt.Fprintln(out, problems)
	} else {
		err = printLinks(out, result)
	}
	if err == nil && unsound {
		return &exitError{code: exitConfig}
	}
	return err
}

func summarize(links []config.Link) []linkSummary {
	out := make([]linkSummary, 0, len(links))
	for _, l := range links {
		ownership := "static"
		if l.Ownership.ZooKeeper != nil {
			ownership = "zookeeper"
		}
		out = append(out, linkSummary{Name: l.Name, From: l.From, To: l.To,
			Include: l.Topics.Include, Exclude: append([]string{}, l.Topics.Exclude...), Rename: l.Topics.Rename,
			Partitions: string(l.Partitions), Guarantee: string(l.Guarantee), Ownership: ownership})
	}
	return out
}

func printLinks(out io.Writer, v validation) error {
	rows := table{{"LINK", "FROM", "TO", "TOPICS", "RENAME", "PARTITIONS", "GUARANTEE", "OWNERSHIP"}}
	for _, l := range v.Links {
		topics := strings.Join(l.Include, ", ")
		if len(l.Exclude) > 0 {
			topics += " except " + strings.Join(l.Exclude, ", ")
		}
		rows = append(rows, []string{l.Name, l.From, l.To, topics, l.Rename, l.Partitions, l.Guarantee, l.Ownership})
	}
	_, err := fmt.Fprintf(out, "%s: nothing wrong\n%s", v.File, rows)
	return err
}
