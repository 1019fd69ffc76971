package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
)

// skipTimeout is more than the mirror itself takes, so that it is the mirror that says how it ended.
const skipTimeout = 4 * time.Minute

// skipOptions are the arguments and flags of skip.
type skipOptions struct {
	link      string
	topic     string
	partition int32
	accepted  bool
	request   skipRequest
	format    output
}

// skipRequest is what the mirror is asked.
type skipRequest struct {
	AcceptLoss bool   `json:"accept_loss"`
	Where      string `json:"where"`
	Offset     *int64 `json:"offset,omitempty"`
}

// skipReport is what it answers.
type skipReport struct {
	Link      string     `json:"link"`
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Reason    string     `json:"reason"`
	Lost      *api.Lost  `json:"lost"`
	Surplus   *api.Range `json:"surplus,omitempty"`
	ResumesAt int64      `json:"resumes_at"`
}

func newSkip(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "skip LINK TOPIC/PARTITION --i-accept-loss",
		Short: "Let a halted partition go on, giving up what is lost",
		Long: `Let a halted partition go on, giving up what is lost. Without --i-accept-loss nothing is done: what would be lost is
said, and what to type. The running mirror is asked through the socket in its state directory; what it did, and who
asked, is kept in its journal (mirror events).`,
		Example: `  mirror skip edge-region clicks/3
  mirror skip edge-region clicks/3 --i-accept-loss
  mirror skip edge-region clicks/3 --i-accept-loss --from beginning
  mirror skip edge-region clicks/3 --i-accept-loss --to 60900`,
		Args: cobra.ExactArgs(2),
	}
	format := addOutput(cmd)
	var from string
	var at reach
	var to int64
	var accepted bool
	cmd.Flags().BoolVar(&accepted, "i-accept-loss", false, "do it: what is lost is lost")
	cmd.Flags().StringVar(&from, "from", "", "`beginning`: copy all that the source still has, again where it was copied")
	cmd.Flags().Int64Var(&to, "to", 0, "go on at this `offset` of the source")
	addReach(cmd, &at)
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o := skipOptions{link: args[0], accepted: accepted, format: *format}
		err := o.parse(args[1], from, to, cmd.Flags().Changed("to"))
		if err != nil {
			return &exitError{exitUsage, err}
		}
		c, err := at.control(cmd, *path)
		if err != nil {
			return err
		}
		return skip(cmd.Context(), cmd.OutOrStdout(), c, o)
	})
	return cmd
}

// addStateDir gives a command the flag that names the directory of the mirror to ask.
func addStateDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "state-dir", "", "state `directory` of the mirror (default: state_dir of the configuration)")
}

func (o *skipOptions) parse(partition, from string, to int64, toNamed bool) error {
	topic, number, ok := cutLast(partition, "/")
	id, err := strconv.ParseInt(number, 10, 32)
	if !ok || topic == "" || err != nil || id < 0 {
		return fmt.Errorf("%q is not TOPIC/PARTITION, such as clicks/3", partition)
	}
	o.topic, o.partition = topic, int32(id)
	o.request = skipRequest{AcceptLoss: o.accepted, Where: "after_loss"}
	switch {
	case from != "" && from != "beginning":
		return fmt.Errorf("--from is %q, and can be beginning alone; for an offset use --to", from)
	case from != "" && toNamed:
		return errors.New("--from and --to are two places to go on at; give one")
	case from != "":
		o.request.Where = "beginning"
	case toNamed && to < 0:
		return fmt.Errorf("--to is %d, and offsets begin at 0", to)
	case toNamed:
		o.request.Where, o.request.Offset = "offset", &to
	}
	return nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// skip asks the mirror to skip, or without acceptance says what that would mean.
func skip(ctx context.Context, out io.Writer, c *control, o skipOptions) error {
	if !o.accepted {
		return explainSkip(ctx, c, o)
	}
	var done skipReport
	path := fmt.Sprintf("/api/v1/links/%s/topics/%s/partitions/%d/skip", url.PathEscape(o.link), url.PathEscape(o.topic), o.partition)
	if err := c.ask(ctx, http.MethodPost, path, o.request, &done, skipTimeout); err != nil {
		return err
	}
	if o.format == outputJSON {
		return printJSON(out, done)
	}
	_, err := fmt.Fprintf(out, "%s/%d goes on at source offset %d; lost (%s): %s\n", clean(done.Topic), done.Partition, done.ResumesAt, clean(done.Reason), describeLoss(done.Lost, done.Surplus))
	return err
}

// explainSkip returns what is the matter with the partition and what can be done, as a usage error.
func explainSkip(ctx context.Context, c *control, o skipOptions) error {
	var report api.Status
	if err := c.get(ctx, "/api/v1/status", &report); err != nil {
		return err
	}
	if err := keepOnly(&report, o.link); err != nil {
		return err
	}
	p, ok := partitionOf(report.Links[0], o.topic, o.partition)
	if !ok {
		return fmt.Errorf("link %s does not mirror %s/%d; see: mirror status %s", o.link, o.topic, o.partition, o.link)
	}
	if p.State != api.StateHalted {
		return fmt.Errorf("%s/%d is not halted but %s; there is nothing to skip", o.topic, o.partition, clean(p.State))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "nothing was done: --i-accept-loss was not said\n%s/%d is halted: %s: %s\n", o.topic, o.partition, clean(p.Reason), clean(p.Error))
	fmt.Fprintf(&text, "lost: %s\n", describeLoss(p.Lost, p.Surplus))
	text.WriteString(strings.TrimRight(waysOn(p), "\n"))
	return &exitError{exitUsage, errors.New(text.String())}
}

// partitionOf finds a partition of the link.
func partitionOf(l api.Link, topic string, id int32) (api.Partition, bool) {
	for _, t := range l.Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic && p.Partition == id {
				return p, true
			}
		}
	}
	return api.Partition{}, false
}
