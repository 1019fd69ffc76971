package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/app"
	"tributary/pkg/config"
)

// parkedItem is the JSON form of one parked record or batch. Fields are added, never changed.
type parkedItem struct {
	Link          string         `json:"link"`
	SourceCluster string         `json:"source_cluster"`
	Topic         string         `json:"topic"`
	Partition     int32          `json:"partition"`
	Offset        int64          `json:"offset"`
	NextOffset    int64          `json:"next_offset"`
	LeaderEpoch   int32          `json:"leader_epoch"`
	Kind          string         `json:"kind"` // record or batch
	Reason        string         `json:"reason"`
	Error         string         `json:"error"`
	Timestamp     *time.Time     `json:"timestamp"` // of the record; null for none
	ParkedAt      time.Time      `json:"parked_at"`
	Bytes         int            `json:"bytes"` // of key and value, or of the batch
	At            string         `json:"at"`    // its place in the topic mirror.parked
	Replay        *parkedOutcome `json:"replay,omitempty"`
}

// parkedOutcome is what became of it in a replay.
type parkedOutcome struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    *int64 `json:"offset"` // null when it was not written
	Note      string `json:"note"`
}

func newParked(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "List and replay what links with on_bad_record: park could not copy",
		Long: `List and replay what links with on_bad_record: park could not copy. It is in the topic mirror.parked at the destination;
the clusters of the configuration are asked.`,
		Example: `  mirror parked list --link edge-region
  mirror parked replay --topic clicks --partition 3 --offset 4711`,
	}
	cmd.AddCommand(newParkedList(path), newParkedReplay(path))
	group(cmd)
	return cmd
}

func newParkedList(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is parked",
		Example: `  mirror parked list
  mirror parked list --link edge-region --topic clicks -o json | jq -r .error`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	o := addParkedFilter(cmd)
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		cfg, err := parkedConfig(*path, o)
		if err != nil {
			return err
		}
		return listParked(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cfg, *o, *format)
	})
	return cmd
}

func newParkedReplay(path *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Write parked records to where they belonged",
		Long: `Write parked records to where they belonged, with their key, value, headers and time. They come behind what is there by
now. Nothing keeps a record from being replayed twice: what a replay wrote stays parked, and is written again by the next.
Only what was parked twice for one source offset is written once per call. A batch that could not be read is not replayed.`,
		Example: `  mirror parked replay --link edge-region --topic clicks --dry-run
  mirror parked replay --topic clicks --partition 3 --offset 4711
  mirror parked replay --topic clicks --to-topic clicks.repaired`,
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd)
	o := addParkedFilter(cmd)
	cmd.Flags().StringVar(&o.ToTopic, "to-topic", "", "write to this `topic` of the destination instead; it must exist")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be written, and write nothing")
	cmd.RunE = action(func(cmd *cobra.Command, _ []string) error {
		cfg, err := parkedConfig(*path, o)
		if err != nil {
			return err
		}
		return replayParked(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), cfg, *o, *format)
	})
	return cmd
}

func addParkedFilter(cmd *cobra.Command) *app.ParkedOptions {
	var o app.ParkedOptions
	cmd.Flags().StringVar(&o.Link, "link", "", "only of this `link`")
	cmd.Flags().StringVar(&o.Topic, "topic", "", "only of this source `topic`")
	cmd.Flags().Int32Var(&o.Partition, "partition", -1, "only of this source `partition`; -1 for all")
	cmd.Flags().Int64Var(&o.Offset, "offset", -1, "only of this source `offset`; -1 for all")
	return &o
}

// parkedConfig checks the flags and loads the configuration.
func parkedConfig(path string, o *app.ParkedOptions) (*config.Config, error) {
	switch {
	case o.Partition < -1 || o.Offset < -1:
		return nil, &exitError{exitUsage, fmt.Errorf("--partition and --offset are numbers from 0 on, or -1 for all")}
	case o.Partition >= 0 && o.Topic == "":
		return nil, &exitError{exitUsage, fmt.Errorf("--partition %d of which topic? name it with --topic", o.Partition)}
	case o.Offset >= 0 && o.Partition < 0:
		return nil, &exitError{exitUsage, fmt.Errorf("--offset %d of which partition? name it with --topic and --partition", o.Offset)}
	}
	return loadConfig(path)
}

func listParked(ctx context.Context, out, notes io.Writer, cfg *config.Config, o app.ParkedOptions, format output) error {
	lines := parkedLines{out: out, format: format}
	foreign, err := app.ListParked(ctx, cfg, o, func(e app.ParkedEntry) error { return lines.print(itemOf(e)) }, slog.New(slog.DiscardHandler))
	if err != nil {
		return parkedError("list what is parked", err)
	}
	if foreign > 0 {
		fmt.Fprintf(notes, "mirror: %d records in %s were not written by a mirror and are not listed\n", foreign, app.ParkedTopic)
	}
	if lines.printed == 0 {
		fmt.Fprintln(notes, "mirror: nothing is parked")
	}
	return nil
}

func replayParked(ctx context.Context, out, notes io.Writer, cfg *config.Config, o app.ParkedOptions, format output) error {
	lines := parkedLines{out: out, format: format, replay: true}
	written, failed := 0, 0
	err := app.ReplayParked(ctx, cfg, o, func(r app.ReplayedEntry) error {
		item := itemOf(r.Entry)
		item.Replay = &parkedOutcome{Topic: r.To.Topic, Partition: r.To.Partition}
		switch {
		case r.Err != nil:
			failed++
			item.Replay.Note = "not written: " + r.Err.Error()
		case r.Again:
			item.Replay.Note = "not written: it was parked twice, and replayed above"
		case o.DryRun:
			item.Replay.Note = "would be written"
		default:
			written++
			item.Replay.Offset, item.Replay.Note = &r.Offset, fmt.Sprintf("written at offset %d", r.Offset)
		}
		return lines.print(item)
	}, slog.New(slog.DiscardHandler))
	if written > 0 {
		fmt.Fprintf(notes, "mirror: %d records written; they stay parked, and the same command writes them again\n", written)
	}
	if err != nil {
		return parkedError("replay what is parked", err)
	}
	if lines.printed == 0 {
		fmt.Fprintln(notes, "mirror: nothing is parked that matches")
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d parked entries could not be written; each line says why", failed, lines.printed)
	}
	return nil
}

func parkedError(what string, err error) error {
	if app.IsUsage(err) {
		return &exitError{exitUsage, err}
	}
	return fmt.Errorf("%s: %w; put right what it names, and run it again: it takes READ and DESCRIBE on %s, and for a replay WRITE where the records belong", what, err, app.ParkedTopic)
}

func itemOf(e app.ParkedEntry) parkedItem {
	p := e.Parked
	item := parkedItem{Link: p.Link, SourceCluster: p.Cluster, Topic: p.Source.Topic, Partition: p.Source.Partition, Offset: p.From, NextOffset: p.To,
		LeaderEpoch: p.LeaderEpoch, Kind: "batch", Reason: string(p.Reason), Error: p.Why, ParkedAt: time.UnixMilli(e.ParkedAt).UTC(), Bytes: len(p.Batch), At: app.ParkedPlace(e)}
	if p.Record != nil {
		item.Kind, item.Bytes = "record", len(p.Record.Key)+len(p.Record.Value)
	}
	if p.Timestamp >= 0 {
		at := time.UnixMilli(p.Timestamp).UTC()
		item.Timestamp = &at
	}
	return item
}

// parkedLines prints items one by one: there may be millions.
type parkedLines struct {
	out     io.Writer
	format  output
	replay  bool
	printed int
}

func (l *parkedLines) print(item parkedItem) error {
	l.printed++
	if l.format == outputJSON {
		if err := json.NewEncoder(l.out).Encode(item); err != nil {
			return fmt.Errorf("print what is parked: %w", err)
		}
		return nil
	}
	const columns = "%-16s  %-28s  %-14s  %-18s  %-20s  %10s"
	if l.printed == 1 {
		heading := fmt.Sprintf(columns, "LINK", "TOPIC/PARTITION", "OFFSET", "REASON", "TIME", "BYTES")
		if l.replay {
			heading += "  REPLAY"
		}
		if _, err := fmt.Fprintln(l.out, heading); err != nil {
			return fmt.Errorf("print what is parked: %w", err)
		}
	}
	offset, at := fmt.Sprint(item.Offset), "-"
	if item.NextOffset > item.Offset+1 {
		offset += fmt.Sprintf("-%d", item.NextOffset-1)
	}
	if item.Timestamp != nil {
		at = item.Timestamp.Format(time.RFC3339)
	}
	line := fmt.Sprintf(columns, item.Link, fmt.Sprintf("%s/%d", item.Topic, item.Partition), offset, item.Reason, at, fmt.Sprint(item.Bytes))
	if r := item.Replay; r != nil {
		line += fmt.Sprintf("  %s/%d: %s", r.Topic, r.Partition, r.Note)
	}
	if _, err := fmt.Fprintln(l.out, clean(line)); err != nil {
		return fmt.Errorf("print what is parked: %w", err)
	}
	return nil
}
