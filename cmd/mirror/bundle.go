package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/config"
)

const (
	bundleProfile = 10 * time.Second // of the processor, unless --profile says otherwise
	maxProfile    = 2 * time.Minute
	bundleEvents  = 1000
)

// bundleOptions are the flags of debug bundle.
type bundleOptions struct {
	viewOptions
	file    string
	profile time.Duration
	format  output
}

// bundleReport says what is in a bundle.
type bundleReport struct {
	File    string            `json:"file"`
	Has     []string          `json:"has"`
	Missing map[string]string `json:"missing"` // by name, with why
}

func newDebug(path *string) *cobra.Command {
	cmd := &cobra.Command{Use: "debug", Short: "Gather what a developer needs to see", Example: "  mirror debug bundle"}
	group(cmd)
	cmd.AddCommand(newBundle(path))
	return cmd
}

func newBundle(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Gather status, events, metrics, configuration and profiles in one file",
		Long: `Gather status, readiness, pools, events, metrics, the configuration, goroutines, the heap and a profile of the processor in one
tar.gz. Secrets are not in it: those of the configuration are left out where they stand. What cannot be had is named, and the
rest is gathered all the same.`,
		Example: `  mirror debug bundle
  mirror debug bundle --profile 30s --file /tmp/mirror.tar.gz`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	var o bundleOptions
	cmd.Flags().StringVar(&o.file, "file", "", "`path` of the bundle (default: mirror-debug-TIME.tar.gz in this directory)")
	cmd.Flags().DurationVar(&o.profile, "profile", bundleProfile, "for how long to profile the processor, at most 2m; 0 does not")
	addView(cmd, &o.viewOptions)
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		o.read(cmd, *path, nil)
		o.format = *format
		if o.profile < 0 || o.profile > maxProfile {
			return &exitError{exitUsage, fmt.Errorf("--profile is %v, want 0 to %v", o.profile, maxProfile)}
		}
		if o.file == "" {
			o.file = "mirror-debug-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
		}
		return bundle(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
	})
	return cmd
}

// bundle gathers and writes. Nobody but the user can read the file.
func bundle(ctx context.Context, out, progress io.Writer, o bundleOptions) error {
	v, err := newViewer(o.viewOptions)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the bundle: %w; name another file with --file", err)
	}
	packed := gzip.NewWriter(file)
	b := &bundler{tar: tar.NewWriter(packed), report: bundleReport{File: o.file, Has: []string{}, Missing: map[string]string{}}}
	if o.profile > 0 {
		fmt.Fprintf(progress, "profiling for %v\n", o.profile)
	}
	err = b.gather(ctx, v, o)
	if err = errors.Join(err, b.tar.Close(), packed.Close(), file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the bundle: %w", err), os.Remove(o.file))
	}
	if o.format == outputJSON {
		return printJSON(out, b.report)
	}
	for name, why := range b.report.Missing {
		fmt.Fprintf(progress, "without %s: %s\n", name, cleanLines(why))
	}
	_, err = fmt.Fprintf(out, "%s has %d files; no secrets are in it, names of topics and hosts are\n", o.file, len(b.report.Has))
	return err
}

// bundler writes into a bundle.
type bundler struct {
	tar    *tar.Writer
	report bundleReport
}

// gather adds all that can be had; an error is one of writing.
func (b *bundler) gather(ctx context.Context, v *viewer, o bundleOptions) error {
	parts := []struct {
		name, path string
		timeout    time.Duration
	}{
		{"status.json", "/api/v1/status", statusTimeout},
		{"readyz.txt", "/readyz?verbose", statusTimeout},
		{"pool.json", "/api/v1/pool", statusTimeout},
		{"events.json", fmt.Sprintf("/api/v1/events?limit=%d", bundleEvents), statusTimeout},
		{"metrics.txt", "/metrics", statusTimeout},
		{"goroutines.txt", "/debug/pprof/goroutine?debug=2", statusTimeout},
		{"heap.pprof", "/debug/pprof/heap", statusTimeout},
	}
	if o.profile > 0 {
		parts = append(parts, struct {
			name, path string
			timeout    time.Duration
		}{"cpu.pprof", fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(o.profile.Seconds()))), o.profile + statusTimeout})
	}
	for _, p := range parts {
		body, err := v.fetch(ctx, p.path, p.timeout)
		if err := b.add(p.name, body, err); err != nil {
			return err
		}
	}
	body, err := config.Redacted(o.config)
	if err := b.add("config.yaml", body, err); err != nil {
		return err
	}
	version, err := json.MarshalIndent(readVersion(), "", "  ")
	return b.add("version.json", version, err)
}

// fetch gets a path. What is not ready answers with an error code and says why, which is worth having.
func (v *viewer) fetch(ctx context.Context, path string, timeout time.Duration) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	code, body, err := v.get(bounded, path)
	if err == nil && code == http.StatusNotFound {
		err = errors.New("the mirror does not serve " + path + " here; ask at its socket, with --state-dir")
	}
	return body, err
}

// add writes one file, or why it is missing.
func (b *bundler) add(name string, body []byte, err error) error {
	if err != nil {
		b.report.Missing[name] = err.Error()
		return nil
	}
	header := &tar.Header{Name: filepath.Join("mirror-debug", name), Mode: 0o600, Size: int64(len(body)), ModTime: time.Now()}
	if err := b.tar.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.Copy(b.tar, bytes.NewReader(body)); err != nil {
		return err
	}
	b.report.Has = append(b.report.Has, name)
	return nil
}
