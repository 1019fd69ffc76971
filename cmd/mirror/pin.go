package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
)

// pinOptions are the arguments and flags of pin and unpin.
type pinOptions struct {
	link, topic string
	to          string // "" of unpin
	format      output
}

// pinRequest is what the mirror is asked.
type pinRequest struct {
	Topic string `json:"topic"`
	To    string `json:"to,omitempty"`
}

// pinReport is what came of it.
type pinReport struct {
	Link   string `json:"link"`
	Topic  string `json:"topic"`
	Pinned string `json:"pinned"` // instance, "" none
	Owner  string `json:"owner"`  // at the moment; with commas where several share the topic
}

func newPin(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pin LINK TOPIC --to INSTANCE",
		Short: "Keep a topic with one member of a pool",
		Long: `Keep a topic with one member of the pool for as long as it is one: it moves there within seconds. While the member is
away another one mirrors the topic, and gives it back. Pins are kept in ZooKeeper until they are ended.`,
		Example: `  mirror pin region-home clicks --to mirror-2
  mirror owners region-home`,
		Args: cobra.ExactArgs(2),
	}
	format := addOutput(cmd)
	var to string
	var at reach
	cmd.Flags().StringVar(&to, "to", "", "`instance` of the member")
	addReach(cmd, &at)
	cmd.ValidArgsFunction = completePools(path, &at, true)
	complete := func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return ofLink(askPools(cmd, &at, *path), args[0], poolInstances), cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		if to == "" {
			return &exitError{exitUsage, fmt.Errorf("--to is missing: name the member that is to have %s; see: mirror owners %s", args[1], args[0])}
		}
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return pin(cmd.Context(), cmd.OutOrStdout(), c, pinOptions{args[0], args[1], to, *format})
	})
	if err := cmd.RegisterFlagCompletionFunc("to", complete); err != nil {
		panic(err) // only where there is no such flag
	}
	return cmd
}

func newUnpin(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "unpin LINK TOPIC",
		Short:   "Let a topic go where the plan wants it",
		Example: `  mirror unpin region-home clicks`,
		Args:    cobra.ExactArgs(2),
	}
	format := addOutput(cmd)
	var at reach
	addReach(cmd, &at)
	cmd.ValidArgsFunction = completePools(path, &at, true)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return unpin(cmd.Context(), cmd.OutOrStdout(), c, pinOptions{link: args[0], topic: args[1], format: *format})
	})
	return cmd
}

func pin(ctx context.Context, out io.Writer, c *control, o pinOptions) error {
	p, err := c.pool(ctx, o.link)
	if err != nil {
		return err
	}
	if err := checkTopic(&p, o.topic); err != nil {
		return err
	}
	if err := checkInstance(&p, o.to); err != nil {
		return err
	}
	if p, err = c.changePool(ctx, o.link, "pin", pinRequest{o.topic, o.to}); err != nil {
		return err
	}
	return o.report(out, p)
}

func unpin(ctx context.Context, out io.Writer, c *control, o pinOptions) error {
	p, err := c.pool(ctx, o.link)
	if err != nil {
		return err
	}
	if _, pinned := p.Pins[o.topic]; !pinned {
		if err := checkTopic(&p, o.topic); err != nil {
			return err
		}
		return fmt.Errorf("topic %s of link %s is not pinned; see the column PINNED of: mirror owners %s", o.topic, o.link, o.link)
	}
	if p, err = c.changePool(ctx, o.link, "unpin", pinRequest{Topic: o.topic}); err != nil {
		return err
	}
	return o.report(out, p)
}

// report prints what came of it.
func (o pinOptions) report(out io.Writer, p api.Pool) error {
	var owners []string
	for _, u := range p.Units {
		if u.Topic == o.topic && !slices.Contains(owners, u.Owner) {
			owners = append(owners, u.Owner)
		}
	}
	r := pinReport{Link: o.link, Topic: o.topic, Pinned: o.to, Owner: strings.Join(owners, ", ")}
	if o.format == outputJSON {
		return printJSON(out, r)
	}
	owner := "nobody has it now"
	if r.Owner != "" {
		owner = "its owner now is " + r.Owner
	}
	text := fmt.Sprintf("topic %s of link %s is pinned to %s; %s", o.topic, o.link, o.to, owner)
	if o.to == "" {
		text = fmt.Sprintf("topic %s of link %s is not pinned any more; %s", o.topic, o.link, owner)
	}
	if _, err := fmt.Fprintln(out, clean(text)); err != nil {
		return fmt.Errorf("print the pin: %w", err)
	}
	return nil
}
