package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// initOptions are the flags of init.
type initOptions struct {
	config.Starter
	tier   string
	force  bool
	stdout bool
}

func newInit(path *string) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration, with comments",
		Long: `Write a first configuration, with comments, to the file of --config. What it writes passes mirror validate. A file that is there
already is left alone without --force. No cluster is touched.`,
		Example: `  mirror init -c mirror.yaml --tier edge --from localhost:9092 --to region-1:9093 --topics 'events.*,clicks'
  mirror init -c mirror.yaml --tier region --from region-1:9093 --to home-1:9093 --topics '*' --rename '{from}.{topic}' --zookeeper zk-1:2181
  mirror init --stdout --tier edge --from localhost:9092 --to region-1:9093 --topics '*' | less`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.tier, "tier", "", "edge (a host's own Kafka to its region) or region (to the home cluster)")
	flags.StringSliceVar(&o.From, "from", nil, "`host:port` of brokers that are read, with commas")
	flags.StringSliceVar(&o.To, "to", nil, "`host:port` of brokers that are written, with commas")
	flags.StringVar(&o.FromCA, "from-ca", "", "PEM `file` of who vouches for the brokers that are read: they are reached by TLS")
	flags.StringVar(&o.ToCA, "to-ca", "", "PEM `file` of who vouches for the brokers that are written: they are reached by TLS")
	flags.StringSliceVar(&o.Include, "topics", nil, "`patterns` of topics, with commas")
	flags.StringSliceVar(&o.Exclude, "exclude", nil, "`patterns` of topics to leave out, with commas")
	flags.StringVar(&o.Rename, "rename", "", "`name` at the destination, with the placeholders {topic}, {from} and {link}")
	flags.StringSliceVar(&o.ZooKeeper, "zookeeper", nil, "`host:port` of an ensemble by which several mirrors share the topics, with commas")
	flags.BoolVar(&o.force, "force", false, "replace the file if it is there")
	flags.BoolVar(&o.stdout, "stdout", false, "print it, and write no file")
	for _, name := range []string{"tier", "from", "to", "topics"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a flag of this very function
		}
	}
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		o.Tier = config.Tier(o.tier)
		return initialise(cmd.OutOrStdout(), *path, o)
	})
	return cmd
}

// initialise writes the configuration once it was found to be sound.
func initialise(out io.Writer, path string, o initOptions) error {
	text, err := o.Text()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if _, err := config.Parse(path, []byte(text), config.OSEnv(), app.Supported); err != nil {
		return &exitError{exitUsage, fmt.Errorf("what the flags ask for is not sound, and nothing was written; correct the flags:\n%w", err)}
	}
	if o.stdout {
		_, err := io.WriteString(out, text)
		return err
	}
	if err := writeNew(path, text, o.force); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s written; next: mirror validate -c %s, then mirror run -c %s\n", path, path, path)
	return err
}

// writeNew writes a file that is not there, or with force in place of one that is. What is there stays whole if it fails.
func writeNew(path, text string, force bool) (err error) {
	to := path
	if force {
		to = path + ".new"
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist) && !force:
		return fmt.Errorf("%s is there already and was left as it is; replace it with --force, or name another with --config", path)
	case err != nil:
		return fmt.Errorf("write the configuration: %w; name another file with --config, or print it with --stdout", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if force {
		if err = os.Rename(to, path); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	return nil
}
