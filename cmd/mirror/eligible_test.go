package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/pkg/api"
)

func TestPoolModes(t *testing.T) {
	now := time.Now().UTC()
	state := fmt.Sprintf(`{"in":false,"reason":"operator","text":"an operator said so","since":%q,"mode":"drain","until":%q,"cut":true}`,
		now.Add(-90*time.Second).Format(time.RFC3339Nano), now.Add(30*time.Minute+time.Second).Format(time.RFC3339Nano))
	d := &daemon{code: http.StatusOK, body: state}
	dir := serveSocket(t, d)
	line := "DRAIN for 1m30s: an operator said so; an operator decides for 30m00s more (mirror pool auto ends it); the destinations cannot be written to\n"
	for _, test := range []struct {
		args  []string
		asked string
	}{
		{[]string{"pool", "drain", "--for", "30m"}, `POST /api/v1/eligible application/json {"mode":"drain","for_seconds":1800}`},
		{[]string{"pool", "in"}, `POST /api/v1/eligible application/json {"mode":"in","for_seconds":7200}`},
		{[]string{"pool", "auto"}, `POST /api/v1/eligible application/json {"mode":"auto"}`},
	} {
		d.asked = nil
		got := mirror(t, append(test.args, "--state-dir", dir)...)
		if got.code != exitOK || got.out != line || strings.Join(d.asked, "") != test.asked {
			t.Errorf("%v: exit %d, %q %q, asked %q", test.args, got.code, got.out, got.stderr, d.asked)
		}
	}
	if got := mirror(t, "pool", "drain", "-o", "json", "--state-dir", dir); got.code != exitOK || !strings.Contains(got.out, `"reason": "operator"`) {
		t.Errorf("json: exit %d, %q", got.code, got.out)
	}
	for _, args := range [][]string{{"pool", "drain", "--for", "0s"}, {"pool", "auto", "--for", "1h"}, {"pool", "out"}, {"pool", "drain", "up"}} {
		if got := mirror(t, append(args, "--state-dir", dir)...); got.code != exitUsage {
			t.Errorf("%v: exit %d, %q", args, got.code, got.stderr)
		}
	}
}

func TestPoolShowsTheState(t *testing.T) {
	dir := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"links":[],"eligible":{"in":true,"since":%q,"mode":"auto","until":null}}`, time.Now().Add(-time.Hour).Format(time.RFC3339))
	}))
	if got := mirror(t, "pool", "--state-dir", dir); got.code != exitOK || got.out != "IN for 1h00m\n" {
		t.Errorf("exit %d, %q %q", got.code, got.out, got.stderr)
	}
	old := serveSocket(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"links":[]}`) }))
	if got := mirror(t, "pool", "--state-dir", old); got.code != exitFailure || !strings.Contains(got.stderr, "is it of this version?") {
		t.Errorf("exit %d, %q", got.code, got.stderr)
	}
}

func TestStatusSaysWhenTheHostTakesNoTraffic(t *testing.T) {
	now := time.Now()
	until := now.Add(time.Hour)
	for _, test := range []struct {
		name     string
		eligible *api.Eligible
		want     string // "" nothing
	}{
		{"in", &api.Eligible{In: true, Since: now}, ""},
		{"not said", nil, ""},
		{"drained", &api.Eligible{Since: now.Add(-time.Minute), Text: "/kafka is full soon"}, "TRAFFIC  DRAIN for 1m00s: /kafka is full soon\n"},
		{"kept in", &api.Eligible{In: true, Since: now, Until: &until}, "TRAFFIC  IN for 0s; an operator decides for 1h00m more (mirror pool auto ends it)\n"},
	} {
		report := &api.Status{Eligible: test.eligible}
		got := statusText(report, now, false)
		if has := strings.Contains(got, "TRAFFIC"); has != (test.want != "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
