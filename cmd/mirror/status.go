package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
	"tributary/pkg/config"
)

const (
	// statusTimeout bounds one question to the daemon, which answers from memory.
	statusTimeout = 5 * time.Second
	// watchInterval is how often --watch asks again.
	watchInterval = 2 * time.Second
	// maxStatusBytes bounds the answer: some hundred bytes for each of 100,000 partitions.
	maxStatusBytes = 64 << 20
)

// statusOptions are the flags of status.
type statusOptions struct {
	config  string
	named   bool // the configuration was named on the command line
	address string
	link    string // "" for all
	format  output
	watch   bool
	judge   bool // the exit code tells how it is
}

func newStatus(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [LINK]",
		Short: "Show how far behind every topic is, worst first",
		Long: `Show how far behind every topic is, worst first. The running mirror is asked; no cluster is.
A "?" stands for what is not known. With --exit-code it ends with 0 OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN: the worst of mirror
check lag, headroom and daemon.`,
		Example: `  mirror status
  mirror status edge-region --watch
  mirror status -o json | jq '.links[].topics[] | select(.state == "halted")'
  mirror status --address 10.0.1.7:9464
  mirror status --exit-code > /dev/null || page somebody`,
		Args: cobra.MaximumNArgs(1),
	}
	format := addOutput(cmd)
	var o statusOptions
	cmd.Flags().StringVar(&o.address, "address", "", "`host:port` of the mirror (default: listen of the configuration)")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "ask again every two seconds until interrupted")
	cmd.Flags().BoolVar(&o.judge, "exit-code", false, "end with 0 to 3, as a check does")
	cmd.RunE = action(func(cmd *cobra.Command, args []string) error {
		o.config, o.named, o.format = *path, cmd.Flags().Changed("config"), *format
		if len(args) == 1 {
			o.link = args[0]
		}
		show := func() error { return showStatus(cmd.Context(), cmd.OutOrStdout(), o) }
		switch {
		case o.judge && o.watch:
			return &exitError{exitUsage, errors.New("--exit-code is of one look: leave out --watch")}
		case o.judge:
			return judged(cmd.Context(), o, show)
		}
		return show()
	})
	return cmd
}

func showStatus(ctx context.Context, out io.Writer, o statusOptions) error {
	address, err := statusAddress(o)
	if err != nil {
		return err
	}
	text, err := renderStatus(ctx, address, o, useColor(out))
	if err != nil {
		return err
	}
	for {
		if _, err := io.WriteString(out, text); err != nil {
			return fmt.Errorf("print status: %w", err)
		}
		if !o.watch {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // interrupting is how a watch ends
		case <-time.After(watchInterval):
		}
		text = nextStatus(ctx, address, o, out)
	}
}

// nextStatus renders what a watch shows next. The mirror may be restarting: that is shown, and the watch goes on.
func nextStatus(ctx context.Context, address string, o statusOptions, out io.Writer) string {
	text, err := renderStatus(ctx, address, o, useColor(out))
	if err != nil && o.format == outputJSON {
		return ""
	}
	if err != nil {
		text = err.Error() + "\n"
	}
	if o.format == outputText && isTerminal(out) {
		text = "\x1b[H\x1b[2J" + text
	}
	return text
}

// statusAddress returns where to ask: the flag, the configuration, or without one the default.
func statusAddress(o statusOptions) (string, error) {
	address := o.address
	if address == "" {
		listen, err := config.Listen(o.config)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !o.named:
			listen = config.DefaultListen
		case err != nil:
			return "", &exitError{exitConfig, fmt.Errorf("find the mirror's address: %w; or name it with --address", err)}
		}
		address = listen
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", &exitError{exitUsage, fmt.Errorf("%q is not host:port; name the mirror's address with --address", address)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // what listens everywhere is asked here
	}
	return net.JoinHostPort(host, port), nil
}

// renderStatus asks once and returns what to print.
func renderStatus(ctx context.Context, address string, o statusOptions, color bool) (string, error) {
	body, err := fetchStatus(ctx, address, o.config)
	if err != nil {
		return "", err
	}
	var report api.Status
	if err := json.Unmarshal(body, &report); err != nil {
		return "", fmt.Errorf("read the status of %s: %w; is that a mirror of this version?", address, err)
	}
	if err := keepOnly(&report, o.link); err != nil {
		return "", err
	}
	switch {
	case o.format == outputText:
		return statusText(&report, time.Now(), color), nil
	case o.link == "":
		return strings.TrimRight(string(body), "\n") + "\n", nil
	}
	return keepLink(body, o.link)
}

func fetchStatus(ctx context.Context, address, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	url := "http://" + address + "/api/v1/status"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the mirror: %w", err)
	}
	// No proxy: the address is the host's own or one in its network.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no mirror answers at %s; start one with: mirror run -c %s, or name another with --address", address, path)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the mirror: %w; see whether it runs, or name another with --address", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the mirror: %s answered %s; see its log", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxStatusBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the status of %s: %w", address, err)
	}
	if len(body) > maxStatusBytes {
		return nil, fmt.Errorf("read the status of %s: the answer is larger than %d bytes", address, maxStatusBytes)
	}
	return body, nil
}

// keepLink reduces an answer to one link, leaving fields this version does not know as they are.
func keepLink(body []byte, name string) (string, error) {
	var report map[string]json.RawMessage
	var links []json.RawMessage
	if err := errors.Join(json.Unmarshal(body, &report), json.Unmarshal(report["links"], &links)); err != nil {
		return "", fmt.Errorf("read the mirror's status: %w", err)
	}
	links = slices.DeleteFunc(links, func(raw json.RawMessage) bool {
		var link struct{ Name string }
		return json.Unmarshal(raw, &link) != nil || link.Name != name
	})
	kept, err := json.Marshal(links)
	if err != nil {
		return "", fmt.Errorf("write the mirror's status: %w", err)
	}
	report["links"] = kept
	var out strings.Builder
	if err := printJSON(&out, report); err != nil {
		return "", err
	}
	return out.String(), nil
}

// useColor follows NO_COLOR and leaves files and pipes alone.
func useColor(out io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(out)
}
