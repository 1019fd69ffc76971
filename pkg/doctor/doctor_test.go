package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/pkg/api"
)

var now = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// report reads a status of link up with these fields and topics, whose clusters are probed.
func report(t *testing.T, fields, topics string) *api.Status {
	t.Helper()
	text := fmt.Sprintf(`{"time":%q,"links":[{"name":"up","from":"edge","to":"region","state":"copying","retention":{"warn":0.5,"critical":0.25},
		"probe":{"source":{"success":%[1]q},"target":{"success":%[1]q}}%[2]s,"topics":[%[3]s]}]}`, now.Format(time.RFC3339), fields, topics)
	var r api.Status
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return &r
}

// topic is one that lags a minute and a half behind.
func topic(state, fields string) string {
	return fmt.Sprintf(`{"topic":"clicks","owner":"ad-17","state":%q,"lag_records":900,"replicated_through":%q%s}`, state, now.Add(-90*time.Second).Format(time.RFC3339), fields)
}

// waiting is a topic with a partition that waits for what a text says.
func waiting(text string) string {
	return topic("waiting", fmt.Sprintf(`,"partitions":[{"partition":0,"state":"waiting","error":%q}]`, text))
}

// blamed is a topic with a partition that waits for an error of a side and a class.
func blamed(side, class, text string) string {
	return topic("waiting", fmt.Sprintf(`,"partitions":[{"partition":0,"state":"waiting","error":%q,"error_side":%q,"error_class":%q}]`, text, side, class))
}

func at(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }

// TestStandstills has a case for every way in which a mirror stops, and for those that only look like one.
func TestStandstills(t *testing.T) {
	const fine = `{"topic":"clicks","state":"caught_up","lag_records":0,"speed":1,"replicated_through":"2026-11-22T20:00:00Z","partitions":[{"partition":0,"state":"caught_up"}]}`
	for _, test := range []struct {
		name  string
		facts func(t *testing.T) Facts
		want  string // causes in order
		says  string // of the first: text, evidence or next
	}{
		{"healthy", func(t *testing.T) Facts { return Facts{Report: report(t, "", fine)} }, "", ""},
		{"catching up", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("copying", `,"speed":6`))}
		}, "", ""},
		{"elsewhere", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", `{"topic":"theirs","state":"elsewhere"}`)}
		}, "", ""},
		{"no daemon", func(*testing.T) Facts {
			return Facts{Absent: true, Silent: "nobody answers", Ended: "process_stopped in good order"}
		}, "no_daemon", "in good order"},
		{"starting", func(*testing.T) Facts { return Facts{Silent: "starting: nothing was observed yet"} }, "starting", "in a minute"},
		{"frozen", func(*testing.T) Facts { return Facts{Silent: "the mirror did not answer in time"} }, "daemon_hangs", "restart"},
		{"stale snapshot", func(t *testing.T) Facts {
			r := report(t, "", waiting("produce to broker 1 of region: connection refused"))
			r.Time = now.Add(-time.Minute)
			return Facts{Report: r}
		}, "stale_snapshot", "19:59:00"},
		{"destination down", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("produce to broker 1 of region: region: connect to 10.0.0.1:9092: dial tcp 10.0.0.1:9092: connect: connection refused")),
				Errors: []Errors{{Way{"up", "target"}, "connection", 3}, {Way{"up", "source"}, "timeout", 1}, {Way{"other", "target"}, "connection", 9}}}
		}, "destination_unreachable", "3 errors of class connection at the target"},
		{"destination black-holed", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("produce to broker 1 of region: read answer: read tcp 10.0.0.2:5: i/o timeout"))}
		}, "destination_silent", "firewalls"},
		{"nothing acknowledged", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("nothing was acknowledged for 1m10s, with 5 batches under way"))}
		}, "destination_silent", "1m10s"},
		{"ACL revoked", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("TOPIC_AUTHORIZATION_FAILED (29): WRITE on topic clicks at region"))}
		}, "destination_acl", "kafka-acls.sh"},
		{"right at the source revoked", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("topic is gone at edge, or the right to DESCRIBE it"))}
		}, "source_topic_gone", "DESCRIBE"},
		{"wrong password", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting(`fetch from broker 1 of edge: edge: connect to 10.0.0.1:1: log in as "mirror" by SCRAM-SHA-256: SASL Authentication failed`))}
		}, "source_login", "clusters.edge"},
		{"ZooKeeper gone", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"pool":{"state":"suspended","since":"`+at(-time.Minute)+`"}`, fine)}
		}, "zookeeper_unreachable", "mirror owners up"},
		{"ZooKeeper blinks", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"pool":{"state":"suspended","since":"`+at(-2*time.Second)+`"}`, fine)}
		}, "", ""},
		{"unowned", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"pool":{"state":"connected","since":"`+at(-time.Hour)+`"}`, `{"topic":"lost","state":"unowned","problem":"no owner since noon"}`)}
		}, "unowned", "since noon"},
		{"halted", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("halted", `,"partitions":[{"partition":3,"state":"halted","reason":"retention","error":"out of range","next_step":"mirror skip up clicks/3 --i-accept-loss"},{"partition":4,"state":"copying"}]`))}
		}, "halted", "mirror skip up clicks/3"},
		{"source down", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("fetch from broker 1 of edge: edge: connect to 127.0.0.1:9: connection refused"))}
		}, "source_unreachable", "edge"},
		{"source not known yet", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"problem":"edge: connect to 127.0.0.1:9: dial tcp: lookup e: no such host"`, "")}
		}, "source_name_unknown", "DNS"},
		{"both clusters down", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"problem":"edge: read metadata: connect to 127.0.0.1:1: connection refused\nregion: read metadata: connect to 127.0.0.1:2: i/o timeout"`, "")}
		}, "source_unreachable destination_silent", "edge"},
		{"not enough replicas", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("destination refuses for now: NOT_ENOUGH_REPLICAS (19)"))}
		}, "destination_not_enough_replicas", "min.insync.replicas"},
		{"no leader", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", waiting("join clicks/0 at region: clicks/0: no leader is known"))}
		}, "destination_no_leader", "unavailable"},
		{"quota", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("copying", `,"speed":0.4`)), Pressure: map[Way]float64{{"up", "target"}: 0.9, {"up", "source"}: 0.2}}
		}, "destination_slow", "quota"},
		{"too little memory", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("copying", `,"speed":0.4`)), Pressure: map[Way]float64{{"up", "target"}: 0.1, {"up", "source"}: 0.8}}
		}, "memory_short", "raise memory"},
		{"rate", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("throttled", `,"speed":0.4`))}
		}, "rate_limited", "mirror reload"},
		{"rate, and catching up", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("throttled", `,"speed":4`))}
		}, "", ""},
		{"slow", func(t *testing.T) Facts { return Facts{Report: report(t, "", topic("copying", `,"speed":0`))} }, "slow", "not known"},
		{"frozen prober", func(t *testing.T) Facts {
			r := report(t, "", fine)
			r.Links[0].Probe.Source.Success = new(now.Add(-5 * time.Minute))
			return Facts{Report: r}
		}, "prober_frozen", "19:55:00"},
		{"prober in trouble", func(t *testing.T) Facts {
			r := report(t, "", fine)
			r.Links[0].Probe.Target = api.Probed{Success: new(now.Add(-5 * time.Minute)), Problem: "connection refused"}
			return Facts{Report: r}
		}, "destination_unreachable", "region"},
		{"disk full", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"disks":[{"broker":1,"dir":"/kafka","total_bytes":100,"usable_bytes":0}]`, fine)}
		}, "disk_full", "0 of 100 bytes"},
		{"disk full soon", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"disks":[{"broker":1,"dir":"/kafka","total_bytes":100,"usable_bytes":9,"full_at":"`+at(90*time.Minute)+`"}]`, fine)}
		}, "disk_full", "1h30m"},
		{"disk full one day", func(t *testing.T) Facts {
			return Facts{Report: report(t, `,"disks":[{"broker":1,"dir":"/kafka","total_bytes":100,"usable_bytes":9,"full_at":"`+at(90*time.Hour)+`"}]`, fine)}
		}, "", ""},
		{"loss imminent behind a destination that is down", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("waiting", `,"loss_deadline":"`+at(time.Hour)+`","loss_cause":"retention_time","retention_used":0.9,"partitions":[{"partition":0,"state":"waiting","error":"produce to broker 1 of region: connection refused"}]`))}
		}, "loss_imminent destination_unreachable", "raise the retention of clicks at edge"},
		{"a short retention that is fine", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("copying", `,"speed":6,"loss_deadline":"`+at(time.Hour)+`","loss_cause":"retention_time","retention_used":0.1`))}
		}, "", ""},
		{"paused", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", topic("paused", `,"paused_until":"`+at(time.Hour)+`"`))}
		}, "paused", "mirror resume up"},
		{"no topics", func(t *testing.T) Facts { return Facts{Report: report(t, "", "")} }, "no_topics", "topics.include"},
		{"refused reload", func(t *testing.T) Facts {
			r := report(t, "", fine)
			r.Config = &api.Config{Problem: "listen needs a restart"}
			return Facts{Report: r}
		}, "config_refused", "needs a restart"},
		{"a class outweighs words", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", blamed("target", "replicas", "unexpected EOF"))}
		}, "destination_not_enough_replicas", "region"},
		{"a class needs no words", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", blamed("source", "timeout", "der Mond ist voll"))}
		}, "source_silent", "edge"},
		{"a side outweighs words", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", blamed("source", "authorization", "produce to broker 1 of region"))}
		}, "source_acl", "edge"},
		{"a connection to a name that is not known", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", blamed("target", "connection", "dial tcp: lookup r: no such host"))}
		}, "destination_name_unknown", "DNS"},
		{"a login that is cut off", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", blamed("source", "connection", `log in as "mirror" by SCRAM-SHA-256: EOF`))}
		}, "source_login", "clusters.edge"},
		{"a class without a rule", func(t *testing.T) Facts {
			return Facts{Report: report(t, "", blamed("target", "sequence", "it timed out"))}
		}, "waiting", "it waits for something at region"},
		{"something new", func(t *testing.T) Facts { return Facts{Report: report(t, "", waiting("the moon is full"))} }, "waiting", "the moon is full"},
		{"another link", func(t *testing.T) Facts {
			return Facts{Link: "down", Report: report(t, "", waiting("produce to broker 1 of region: connection refused"))}
		}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := test.facts(t)
			f.Now = now
			found := Examine(f)
			var causes []string
			for _, d := range found {
				causes = append(causes, d.Cause)
				if d.Text == "" || d.Next == "" || len(d.Evidence) == 0 {
					t.Errorf("it lacks something: %+v", d)
				}
			}
			if got := strings.Join(causes, " "); got != test.want {
				t.Fatalf("got %q, want %q: %+v", got, test.want, found)
			}
			if len(found) > 0 && !strings.Contains(fmt.Sprintf("%+v", found[0]), test.says) {
				t.Errorf("%+v does not say %q", found[0], test.says)
			}
		})
	}
}

// TestSideOf has real texts, of clusters whose names are words of the language.
func TestSideOf(t *testing.T) {
	for text, want := range map[string]string{
		"fetch from broker 1 of from: from: connect to 127.0.0.1:19182: dial tcp 127.0.0.1:19182: connect: connection refused":          "source",
		"read offsets of topic clicks at from: from: connect to 127.0.0.1:20268: dial tcp 127.0.0.1:20268: connect: connection refused": "source",
		"produce to broker 1 of to: to: connect to 127.0.0.1:29496: dial tcp 127.0.0.1:29496: connect: connection refused":              "target",
		"TOPIC_AUTHORIZATION_FAILED (29): WRITE on topic still-acl at to":                                                               "target",
		"topic is gone at from, or the right to DESCRIBE it":                                                                            "source",
		"join clicks/0 at to: clicks/0: no leader is known":                                                                             "target",
		"destination refuses for now: NOT_ENOUGH_REPLICAS (19)":                                                                         "target",
		"nothing was acknowledged for 1m10s, with 5 batches under way":                                                                  "target",
		"looking into it: something": "",
	} {
		e := examination{link: api.Link{From: "from", To: "to"}}
		if got := e.sideOf(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestTheSameIsSaidOnce has a thousand partitions wait for one cluster.
func TestTheSameIsSaidOnce(t *testing.T) {
	var topics []string
	for i := range 1000 {
		topics = append(topics, strings.Replace(waiting(fmt.Sprintf("produce to broker %d of region: connection refused", i%3)), "clicks", fmt.Sprint("t", i), 1))
	}
	found := Examine(Facts{Now: now, Report: report(t, "", strings.Join(topics, ","))})
	if len(found) != 1 || len(found[0].Evidence) != examples {
		t.Errorf("got %+v", found)
	}
}
