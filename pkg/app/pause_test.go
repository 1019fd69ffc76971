package app

import (
	"strings"
	"testing"
	"time"

	"tributary/pkg/lag"
)

func TestEndangered(t *testing.T) {
	now := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { return new(now.Add(d)) }
	for _, test := range []struct {
		name    string
		outlook lag.Outlook
		away    bool
		want    string // "" not in danger
	}{
		{"nothing known", lag.Outlook{}, false, ""},
		{"much left", lag.Outlook{LossDeadline: at(time.Hour), LossCause: lag.CauseRetentionTime, Used: new(0.74)}, false, ""},
		{"critical", lag.Outlook{LossDeadline: at(time.Hour), LossCause: lag.CauseRetentionTime, Used: new(0.75)}, false, "75% of its retention"},
		{"of another member", lag.Outlook{LossDeadline: at(time.Hour), LossCause: lag.CauseRetentionTime, Used: new(0.9)}, true, ""},
		{"a disk nearly full", lag.Outlook{LossDeadline: at(50 * time.Minute), LossCause: lag.CauseDiskFull, Used: new(0.1)}, false, "is full at 2026-11-22T20:50:00Z"},
		{"a disk full one day", lag.Outlook{LossDeadline: at(5 * time.Hour), LossCause: lag.CauseDiskFull}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := endangered(&lag.Topic{Topic: "clicks", Away: test.away, Outlook: test.outlook}, 0.25, now)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
