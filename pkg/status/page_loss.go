package status

import (
	"strings"
	"time"

	"tributary/pkg/lag"
)

// diskRow is a disk of the source of one link, or of several.
type diskRow struct {
	Link, Cluster, Dir, Free, Of, FullIn string
	Broker                               int32
}

// addDisks shows the disks of a link's source that it can tell of.
func (v *view) addDisks(link lag.Link, now time.Time) {
	for _, d := range link.Disks {
		if d.Total == nil || d.Usable == nil {
			continue
		}
		row := diskRow{Link: link.Name, Cluster: link.From, Dir: d.Dir, Broker: d.Broker, Free: mebibytes(d.Usable), Of: mebibytes(d.Total), FullIn: "-"}
		if d.FullAt != nil {
			row.FullIn = left(d.FullAt, now)
		}
		v.Disks = append(v.Disks, row)
	}
}

// lossIn says how long it is until something is lost, and why then; "-" where nothing ever is, "?" where it is not known.
func lossIn(link lag.Link, o *lag.Outlook, now time.Time) string {
	switch {
	case o.LossDeadline != nil:
		return left(o.LossDeadline, now) + " (" + strings.ReplaceAll(string(o.LossCause), "_", " ") + ")"
	case link.Probe.Source.Success != nil && o.SourceRetention == nil && o.SourceRetentionBytes == nil && o.TargetRetention == nil:
		return "-"
	}
	return unknown
}
