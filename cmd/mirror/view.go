package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/check"
	"tributary/pkg/config"
)

// viewOptions say which mirror a view asks, and for what.
type viewOptions struct {
	address  string // "": the socket of its state directory
	stateDir string
	config   string
	named    bool   // the configuration was, on the command line
	link     string // "" for all
}

// addView gives a command the flags that say which mirror to ask.
func addView(cmd *cobra.Command, o *viewOptions) {
	cmd.Flags().StringVar(&o.address, "address", "", "`host:port` of the mirror to ask (default: the socket in its state directory)")
	addStateDir(cmd, &o.stateDir)
}

// read takes what the flags do not say: where the configuration is, and the link, if there is an argument.
func (o *viewOptions) read(cmd *cobra.Command, path string, args []string) {
	o.config, o.named = path, cmd.Flags().Changed("config")
	if len(args) > 0 {
		o.link = args[0]
	}
}

// viewOf makes cmd a view of one look at a mirror, of a link if there is an argument: it gets the flags, asks, and prints what show
// makes of the report.
func viewOf(cmd *cobra.Command, path *string, show func(out io.Writer, r *api.Status, now time.Time, format output) error) *cobra.Command {
	cmd.Args = cobra.MaximumNArgs(1)
	format := addOutput(cmd)
	var o viewOptions
	addView(cmd, &o)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.read(cmd, *path, args)
		v, err := newViewer(o)
		if err != nil {
			return err
		}
		report, now, err := v.look(cmd.Context())
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), report, now, *format)
	})
	return cmd
}

// viewer asks one mirror for what people want to see.
type viewer struct {
	*asker
	link    string // "" for all
	listens string // where it can be asked too, "" unknown
}

// newViewer asks at the address, if one is named, else at the socket, and where that is not for this user at listen.
func newViewer(o viewOptions) (*viewer, error) {
	if o.address != "" {
		address, err := statusAddress(statusOptions{address: o.address, config: o.config, named: o.named})
		if err != nil {
			return nil, err
		}
		return &viewer{asker: askAt(address), link: o.link}, nil
	}
	c, err := newControl(o.stateDir, o.config, o.named)
	if err != nil {
		return nil, err
	}
	v := &viewer{asker: &asker{base: "http://mirror", client: c.client, explain: c.explain}, link: o.link}
	if listen, err := config.Listen(o.config); err == nil && o.stateDir == "" {
		v.listens = listen
	}
	return v, nil
}

// look asks for the report of the links that are wanted, and when to judge it by.
func (v *viewer) look(ctx context.Context) (*api.Status, time.Time, error) {
	bounded, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	report, _, now, err := v.ask(bounded, false)
	if errors.Is(err, fs.ErrPermission) && v.listens != "" {
		v.asker, v.listens = askAt(v.listens), ""
		report, _, now, err = v.ask(bounded, false)
	}
	if err != nil {
		return nil, now, err
	}
	return report, now, keepOnly(report, v.link)
}

// keepOnly reduces a report to one link, "" for all.
func keepOnly(r *api.Status, link string) error {
	if link == "" {
		return nil
	}
	var names []string
	for _, l := range r.Links {
		if l.Name == link {
			r.Links = []api.Link{l}
			return nil
		}
		names = append(names, clean(l.Name))
	}
	return fmt.Errorf("there is no link %q; the mirror has: %s", clean(link), strings.Join(names, ", "))
}

// seconds writes a number of seconds for people, "?" where it is not known.
func seconds(s *float64) string {
	if s == nil {
		return unknown
	}
	return check.Short(time.Duration(*s * float64(time.Second)))
}

// secondsUntil is the time from now until then in seconds; nil where then is not known.
func secondsUntil(now time.Time, then *time.Time) *float64 {
	if then == nil {
		return nil
	}
	return new(then.Sub(now).Seconds())
}

// mine returns the topics of a link that the mirror knows something of: those of others are not among them.
func mine(l api.Link) []api.Topic {
	return slices.DeleteFunc(slices.Clone(l.Topics), func(t api.Topic) bool { return t.State == api.StateElsewhere })
}
