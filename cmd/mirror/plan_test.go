package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"tributary/pkg/app"
)

func TestPlanIsDrawn(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	got := renderPlan(app.PlanLink{Name: "up", From: "edge", To: "region", Guarantee: "exactly-once", Ownership: "static",
		WaitingRecords: new(int64(1200)), WaitingBytes: new(int64(7200)), SpeedBytes: new(int64(2)), Seconds: new(3600.0),
		Findings: []app.Finding{{Stops: true, Topic: "views", Text: "no right"}, {Text: "a\x1bnote"}},
		Topics: []app.PlanTopic{
			{Topic: "clicks", Destination: "eu.clicks", Action: app.PlanGrows, DestinationPartitions: new(4), WaitingRecords: new(int64(1200)), WaitingBytes: new(int64(7200)),
				OldestWaiting: new(now.Add(-2 * time.Hour)), Regime: "fresh", SourceRetentionSeconds: new(86400.0), TargetRetentionSeconds: new(172800.0), Partitions: make([]app.PlanPartition, 4)},
			{Topic: "views", Destination: "eu.views", Action: app.PlanCreates, Partitions: make([]app.PlanPartition, 1)},
		}}, now)
	for _, want := range []string{
		"up  from edge to region  exactly-once  static\n", "TOPIC", "clicks  eu.clicks  grows", "4 -> 4", "views   eu.views   creates  1 -> default  ?",
		"waiting: 1200 records, 7200 bytes, 1h", " at 2 bytes per second\n", "STOP  views: no right\n", "note  a note\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "nothing stands against it") {
		t.Error("what stops it stands against it")
	}
}

// TestPlanOfClustersThatAreAway: the finding is data, and the exit code tells of it.
func TestPlanOfClustersThatAreAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := listener.Addr().String()
	listener.Close()
	path := write(t, strings.NewReplacer("127.0.0.1:9092", away, "region-1:9093", "127.0.0.2"+away[strings.LastIndex(away, ":"):]).Replace(goodConfig))
	got := mirror(t, "plan", "-c", path, "-o", "json")
	var plan app.Plan
	if err := json.Unmarshal([]byte(got.out), &plan); err != nil || got.code != exitFailure || plan.OK || len(plan.Links) != 1 || len(plan.Links[0].Findings) != 2 {
		t.Errorf("exit %d, %v, %s%s", got.code, err, got.out, got.stderr)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"plan", "other", "-c", path}, exitUsage, `there is no link "other"`},
		{[]string{"plan", "--speed", "fast", "-c", path}, exitUsage, "--speed"},
		{[]string{"plan", "-c", write(t, badConfig)}, exitConfig, "not sound"},
	} {
		if got := mirror(t, test.args...); got.code != test.code || !strings.Contains(got.stderr, test.want) {
			t.Errorf("%v: exit %d, %s", test.args, got.code, got.stderr)
		}
	}
}
