package status

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"testing"

	"tributary/pkg/api"
	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

func TestStatusGolden(t *testing.T) {
	s := newServer(t, freshly(full()))
	code, body := get(s, "/api/v1/status")
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(body), "", " "); err != nil || code != 200 {
		t.Fatalf("%d, %v: %s", code, err, body)
	}
	golden(t, "status.json", regexp.MustCompile(`"time": "[^"]+"`).ReplaceAllString(indented.String(), `"time": "NOW"`))
}

// contract is the shape the design promises, every key of every level, with what was added since: the problems, the pool.
const contract = `{"instance":"","zone":"","version":"","time":"","config":null,"links":[{"name":"","from":"","to":"","state":"","guarantee":"","problem":"","paused_until":"","rate":0,
 "pool":{"state":"","since":"","incarnation":"","leader":"","members":0,"owned":0,"unowned":0,"draining":false,"problems":[]},
 "probe":{"source":{"success":"","problem":""},"target":{"success":"","problem":""}},
 "disks":[{"broker":0,"dir":"","total_bytes":0,"usable_bytes":0,"full_at":""}],"retention":{"warn":0,"critical":0},
 "topics":[{"topic":"","destination":"","owner":"","zone":"","standby":"","term":0,"owned_since":"","state":"","paused_until":"","lag_records":0,"speed":0,"problem":"","warning":"","replicated_through":"","tombstone_deadline":"",
  "loss_deadline":"","loss_cause":"","deadlines":{"retention_time":"","retention_bytes":"","disk_full":"","target_retention":"","compaction":""},"unknown_causes":[],
  "source_retention_seconds":0,"source_retention_bytes":0,"target_retention_seconds":0,"oldest_record":"",
  "traffic":{"now_bytes_per_second":0,"hour_max_bytes_per_second":0,"p95_bytes_per_second":0},"outage_budget_seconds":0,"outage_budget_at_most":false,"retention_used":0,
  "partitions":[{"partition":0,"state":"","reason":"","regime":"","next_offset":0,"committed_offset":0,"source_end_offset":0,"held_back":0,"loss_deadline":"",
   "lost":{"from":0,"to":0,"records":0,"since":"","until":""},"surplus":{"from":0,"to":0},"error":"","error_side":"","error_class":"","next_step":"",
   "choices":[{"command":"","effect":""}]}]}]}],
 "heartbeats":[{"origin":"","state":"","why":"","time":"","heard":"","sequence":0,"lost":0,"missing":0,"latency_seconds":0,"interval_seconds":0,
  "summary":{"version":"","state":"","lag_seconds":0,"loss_deadline":"","disk_full_at":"","eligible":true,"not_ok":0}}],
 "heartbeat_clusters":[{"cluster":"","topic":"","side":"","success":"","current":true,"ignored":0,"problem":""}],"watchers":{},"watchers_expected":{},"eligible":null}`

func TestStatusHasTheShapeOfTheContract(t *testing.T) {
	s := full()
	s.Links = s.Links[:1]
	s.Links[0].Topics = s.Links[0].Topics[:1]
	s.Links[0].Topics[0].Partitions = s.Links[0].Topics[0].Partitions[1:]
	s.Links[0].Pool = poolView()
	s.Links[0].Topics[0].Partitions[0].Loss.Surplus = &mirror.Range{From: 1, To: 2}
	s.Heartbeats, s.HeartbeatClusters = heartbeats()
	body, err := json.Marshal(newStatus(s))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys(t, body), keys(t, []byte(contract)); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// keys returns the path of every key of a JSON value, sorted.
func keys(t *testing.T, text []byte) []string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	var visit func(path string, value any)
	visit = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, inner := range value {
				found[path+"."+key] = true
				visit(path+"."+key, inner)
			}
		case []any:
			for _, inner := range value {
				visit(path+"[]", inner)
			}
		}
	}
	visit("", value)
	return slices.Sorted(maps.Keys(found))
}

func TestNothingIsAnEmptyListAndUnknownIsNull(t *testing.T) {
	body, err := json.Marshal(newStatus(&lag.Snapshot{Links: []lag.Link{{Name: "up", Topics: []lag.Topic{{Topic: "a", Partitions: []lag.Partition{{}}}, {Topic: "b"}}}, {Name: "down"}}}))
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", " "); err != nil {
		t.Fatal(err)
	}
	golden(t, "empty.json", indented.String())
	if body, err = json.Marshal(newStatus(&lag.Snapshot{})); err != nil || string(body) != `{"instance":"","zone":"","version":"","time":"0001-01-01T00:00:00Z","config":null,"links":[],"heartbeats":[],"heartbeat_clusters":[],"watchers":{},"watchers_expected":{},"eligible":null}` {
		t.Errorf("without links: %s, %v", body, err)
	}
}

func TestStatusBeforeTheFirstSnapshot(t *testing.T) {
	s := newServer(t, func() *lag.Snapshot { return nil })
	if code, body := get(s, "/api/v1/status"); code != 503 || body != `{"error":"starting: nothing was observed yet"}`+"\n" {
		t.Errorf("%d, %q", code, body)
	}
}

func TestEveryHaltHasChoices(t *testing.T) {
	link, topic := lag.Link{Name: "up", From: "edge", To: "region"}, lag.Topic{Topic: "clicks", Dest: "region.clicks"}
	skip := "mirror skip up clicks/3 --i-accept-loss"
	first := map[mirror.Cause]string{ // where nothing need be given up
		mirror.CauseBadRecord:            "repair or remove the batch at edge, then start the mirror again",
		mirror.CauseTooLarge:             "raise max.message.bytes of region.clicks at region, then start the mirror again",
		mirror.CauseRejected:             "raise the limits of region.clicks at region that the error names, then start the mirror again",
		mirror.CauseWrongCluster:         "correct the brokers of edge and region in the configuration, then start the mirror again",
		mirror.CauseDestinationTruncated: skip + " --to 50",
		mirror.CausePositionLost:         skip + " --to OFFSET",
	}
	for _, cause := range mirror.Causes() {
		p := lag.Partition{Partition: 3, State: mirror.StateHalted, Cause: cause, Loss: &mirror.Loss{From: 50, To: 60, Records: 10}}
		all := choices(link, topic, p)
		want, ok := first[cause]
		if !ok {
			want = skip
		}
		if len(all) < 2 || all[0].Command != want || nextStep(link, topic, p) != want {
			t.Errorf("%s: got %+v, want %q first", cause, all, want)
		}
		if !slices.ContainsFunc(all, func(c api.Choice) bool { return c.Command == skip }) {
			t.Errorf("%s: the loss cannot be accepted: %+v", cause, all)
		}
		for _, c := range all {
			if c.Effect == "" || len(c.Effect) > 160 {
				t.Errorf("%s: effect of %q: %q", cause, c.Command, c.Effect)
			}
		}
	}
	for _, state := range lag.States() {
		if got := nextStep(link, topic, lag.Partition{State: state}); (got != "") != (state == mirror.StateHalted) {
			t.Errorf("%s: %q", state, got)
		}
	}
}
