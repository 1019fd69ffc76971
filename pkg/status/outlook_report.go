package status

import (
	"time"

	"tributary/pkg/api"
	"tributary/pkg/lag"
)

func newProbe(p lag.Probe) api.Probe {
	return api.Probe{Source: api.Probed(p.Source), Target: api.Probed(p.Target)}
}

func newDisks(disks []lag.Disk) []api.Disk {
	list := []api.Disk{}
	for _, d := range disks {
		list = append(list, api.Disk{Broker: d.Broker, Dir: d.Dir, TotalBytes: d.Total, UsableBytes: d.Usable, FullAt: d.FullAt})
	}
	return list
}

func newOutlook(o *lag.Outlook) api.Outlook {
	r := api.Outlook{LossDeadline: o.LossDeadline, LossCause: string(o.LossCause), Deadlines: map[string]time.Time{}, UnknownCauses: []string{},
		SourceRetentionSeconds: inSeconds(o.SourceRetention), SourceRetentionBytes: o.SourceRetentionBytes, TargetRetentionSeconds: inSeconds(o.TargetRetention),
		OldestRecord: o.OldestRecord, OutageBudgetSeconds: inSeconds(o.OutageBudget), OutageBudgetAtMost: o.BudgetAtMost, RetentionUsed: o.Used}
	for _, cause := range o.Unknown {
		r.UnknownCauses = append(r.UnknownCauses, string(cause))
	}
	for cause, at := range o.Deadlines {
		r.Deadlines[string(cause)] = at.UTC()
	}
	if o.Traffic != nil {
		traffic := api.Traffic(*o.Traffic)
		r.Traffic = &traffic
	}
	return r
}

// inSeconds is a duration as JSON has it; null when unknown.
func inSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	return new(d.Seconds())
}
