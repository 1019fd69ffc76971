package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/api"
)

// poolDaemon is a mirror with a pool for the link home that notes what it is asked to change.
type poolDaemon struct {
	mu       sync.Mutex
	asked    []string // guarded by mu
	draining bool     // guarded by mu
	left     []int    // guarded by mu: the units here, answer by answer; the last one stays
	takers   int      // guarded by mu: other members that take units
	refusal  string   // what changes answer, "" all is well
	alone    bool     // there is no pool
}

func (d *poolDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		d.asked = append(d.asked, r.URL.EscapedPath()+" "+strings.TrimSpace(string(body)))
		if d.refusal != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, `{"error":%q}`, d.refusal)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/drain") {
			d.draining = strings.Contains(string(body), "true")
		}
		fmt.Fprintf(w, `{"done":"x","pool":%s}`, d.pool())
		return
	}
	pools := d.pool()
	if d.alone {
		pools = ""
	}
	fmt.Fprintf(w, `{"instance":"m-1","pools":[%s]}`, pools)
}

// pool is called with mu held.
func (d *poolDaemon) pool() string {
	owned := 3
	if len(d.left) > 0 {
		owned = d.left[0]
	}
	if len(d.left) > 1 {
		d.left = d.left[1:]
	}
	since := time.Now().Add(-65 * time.Second).UTC().Format(time.RFC3339)
	var units []string
	for i := range owned {
		units = append(units, fmt.Sprintf(`{"unit":"clicks%d","topic":"clicks%d","owner":"m-1","zone":"z1","incarnation":"m-1-a","standby":"m-2","term":7,"since":%q,"pinned":"","leaving":true}`, i, i, since))
	}
	units = append(units, `{"unit":"wide@2/2","topic":"wide","owner":"m-2","zone":"z2","incarnation":"m-2-b","standby":"","term":3,"since":null,"pinned":"m-2","leaving":false}`)
	members := []string{fmt.Sprintf(`{"incarnation":"m-1-a","instance":"m-1","draining":%v}`, d.draining)}
	for i := range d.takers {
		members = append(members, fmt.Sprintf(`{"incarnation":"m-%d-b","instance":"m-%d","draining":false}`, i+2, i+2))
	}
	return fmt.Sprintf(`{"link":"home","state":"connected","since":%q,"session_timeout_seconds":4.5,"incarnation":"m-1-a","draining":%v,"owned":%d,"leader":"m-1-a","new_field":7,"members":[%s],"units":[%s],
 "unowned":[{"unit":"wide@1/2","topic":"wide","planned":"m-3","standby":"m-1","since":%q,"pinned":"","why":"m-3 is\u001b[2J gone"}],"pins":{"wide":"m-2"},"problems":["a\u001b[2Jproblem"]}`,
		since, d.draining, owned, strings.Join(members, ","), strings.Join(units, ","), since)
}

func (d *poolDaemon) calls() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, "\n")
}

func TestOwners(t *testing.T) {
	dir := serveSocket(t, &poolDaemon{takers: 1, left: []int{1}, draining: true})
	want := `home  ZooKeeper connected for 1m05s, session timeout 4.5s  2 members  leader m-1  3 units, 1 of them here, 1 without an owner
draining: m-1
problem: a [2Jproblem
UNIT      OWNER  ZONE  STANDBY  TERM  SINCE  PINNED  WHY
wide@1/2  -      -     m-1      -     1m05s  -       planned for m-3: m-3 is [2J gone
clicks0   m-1    z1    m-2      7     1m05s  -       is handed over
wide@2/2  m-2    z2    -        3     ?      m-2
`
	for _, args := range [][]string{nil, {"home"}} {
		got := mirror(t, append([]string{"owners", "--state-dir", dir}, args...)...)
		if out := strings.ReplaceAll(got.out, "1m06s", "1m05s"); got.code != exitOK || out != want {
			t.Errorf("%v: exit %d, %q, got\n%s\nwant\n%s", args, got.code, got.stderr, out, want)
		}
	}
	got := mirror(t, "owners", "home", "-o", "json", "--state-dir", dir)
	var report struct {
		Instance string
		Pools    []struct {
			Link     string
			NewField int `json:"new_field"`
		}
	}
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitOK || len(report.Pools) != 1 || report.Pools[0].NewField != 7 || report.Instance != "m-1" {
		t.Errorf("JSON: exit %d, %v, %s", got.code, err, got.out)
	}
}

func TestPoolCommandsThatCannotBe(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		alone  bool
		code   int
		stderr string
	}{
		{"owners of another link", []string{"owners", "hom"}, false, 1, `no link "hom" of this mirror is in a pool; did you mean home?; those that are: home`},
		{"owners without a pool", []string{"owners"}, true, 1, "mirror: no link of this mirror is in a pool: it has all their topics"},
		{"drain without a pool", []string{"drain", "home"}, true, 1, `link "home" is in no pool`},
		{"drain of nothing", []string{"drain"}, false, 64, "accepts 1 arg"},
		{"drain back in time", []string{"drain", "home", "--wait", "-1s"}, false, 64, "cannot be negative"},
		{"pin nowhere", []string{"pin", "home", "clicks1"}, false, 64, "--to is missing"},
		{"pin an unknown topic", []string{"pin", "home", "clicsk1", "--to", "m-2"}, false, 1, `the pool of link home has no topic "clicsk1"; did you mean clicks1?; see: mirror owners home`},
		{"pin to a stranger", []string{"pin", "home", "clicks1", "--to", "m-9"}, false, 1, `instance "m-9" is no member of the pool of link home; did you mean m-1?; its members are: m-1, m-2`},
		{"unpin what is not pinned", []string{"unpin", "home", "clicks1"}, false, 1, "topic clicks1 of link home is not pinned"},
		{"unpin an unknown topic", []string{"unpin", "home", "wid"}, false, 1, `has no topic "wid"; did you mean wide?`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &poolDaemon{takers: 1, alone: test.alone}
			got := mirror(t, append(test.args, "--state-dir", serveSocket(t, d))...)
			if got.code != test.code || !strings.Contains(got.stderr, test.stderr) || got.out != "" || d.calls() != "" {
				t.Errorf("exit %d, out %q, stderr %q, want %d, %q; asked %q", got.code, got.out, got.stderr, test.code, test.stderr, d.calls())
			}
		})
	}
}

func TestDrain(t *testing.T) {
	for _, test := range []struct {
		name        string
		args        []string
		left        []int
		takers      int
		code        int
		out, stderr string
	}{
		{"waits until nothing is left", nil, []int{3, 3, 2, 0}, 1, 0, "link home: nothing is left here, 3 units were handed over in 0.", "3 units are still here\n"},
		{"nothing was here", nil, []int{0}, 1, 0, "nothing is left here, 0 units", ""},
		{"does not wait", []string{"--wait", "0"}, []int{3}, 1, 0, "link home: 3 units are handed over; see: mirror owners home\n", ""},
		{"does not finish", []string{"--wait", "300ms"}, []int{3, 3, 2}, 1, 1, "", "after 300ms 2 units are still here, such as clicks0, clicks1; the drain goes on (mirror owners home shows it"},
		{"nobody takes", []string{"--wait", "300ms"}, []int{3}, 0, 1, "", "no other member takes units: start one"},
		{"undo", []string{"--undo"}, []int{0}, 1, 0, "link home: units are taken again, within seconds\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &poolDaemon{takers: test.takers, left: test.left, draining: slices.Contains(test.args, "--undo")}
			got := mirror(t, append([]string{"drain", "home", "--state-dir", serveSocket(t, d)}, test.args...)...)
			if got.code != test.code || !strings.Contains(got.out, test.out) || !strings.Contains(got.stderr, test.stderr) || test.out == "" && got.out != "" || test.stderr == "" && got.stderr != "" {
				t.Errorf("exit %d, out %q, stderr %q", got.code, got.out, got.stderr)
			}
			want := fmt.Sprintf(`/api/v1/links/home/pool/drain {"on":%v}`, test.name != "undo")
			if d.calls() != want {
				t.Errorf("asked %q, want %q", d.calls(), want)
			}
		})
	}
	got := mirror(t, "drain", "home", "-o", "json", "--state-dir", serveSocket(t, &poolDaemon{takers: 1, left: []int{2, 2, 0}}))
	var report drainReport
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || report.HandedOver != 2 || !report.Draining || report.Owned != 0 {
		t.Errorf("JSON: %v, %s", err, got.out)
	}
	if got := mirror(t, "drain", "home", "--state-dir", serveSocket(t, &poolDaemon{refusal: "no session"})); got.code != 1 || !strings.Contains(got.stderr, "no session") {
		t.Errorf("refused: exit %d, %q", got.code, got.stderr)
	}
}

func TestPinAndUnpin(t *testing.T) {
	for _, test := range []struct {
		args             []string
		asked, out, json string
	}{
		{[]string{"pin", "home", "clicks1", "--to", "m-2"}, `/api/v1/links/home/pool/pin {"topic":"clicks1","to":"m-2"}`,
			"topic clicks1 of link home is pinned to m-2; its owner now is m-1\n", `{"link":"home","topic":"clicks1","pinned":"m-2","owner":"m-1"}`},
		{[]string{"unpin", "home", "wide"}, `/api/v1/links/home/pool/unpin {"topic":"wide"}`,
			"topic wide of link home is not pinned any more; its owner now is m-2\n", `{"link":"home","topic":"wide","pinned":"","owner":"m-2"}`},
	} {
		d := &poolDaemon{takers: 1}
		dir := serveSocket(t, d)
		if got := mirror(t, append(test.args, "--state-dir", dir)...); got.code != exitOK || got.out != test.out || d.calls() != test.asked {
			t.Errorf("%v: exit %d, %q, %q; asked %q", test.args, got.code, got.out, got.stderr, d.calls())
		}
		got := mirror(t, append(test.args, "-o", "json", "--state-dir", dir)...)
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(got.out)); err != nil || compact.String() != test.json {
			t.Errorf("%v: %v, %s", test.args, err, got.out)
		}
	}
}

func TestPoolCommandsComplete(t *testing.T) {
	dir := serveSocket(t, &poolDaemon{takers: 1})
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"owners", ""}, "home"},
		{[]string{"drain", ""}, "home"},
		{[]string{"pin", ""}, "home"},
		{[]string{"pin", "home", ""}, "clicks0 clicks1 clicks2 wide"},
		{[]string{"unpin", "home", ""}, "clicks0 clicks1 clicks2 wide"},
		{[]string{"pin", "home", "wide", "--to", ""}, "m-1 m-2"},
		{[]string{"drain", "home", ""}, ""},
	} {
		args := append([]string{cobra.ShellCompNoDescRequestCmd, test.args[0], "--state-dir", dir}, test.args[1:]...)
		got := mirror(t, args...)
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		if words := strings.Join(lines[:len(lines)-1], " "); words != test.want { // the last line is a directive
			t.Errorf("%v: got %q, want %q", test.args, words, test.want)
		}
	}
}

func TestStatusOfAPool(t *testing.T) {
	now := time.Now()
	since := now.Add(-time.Minute)
	one := 1
	report := &api.Status{Instance: "m-1", Zone: "z1", Version: "v", Links: []api.Link{{Name: "home", To: "home", State: "unowned",
		Pool: &api.PoolSummary{State: "suspended", Since: &since, Leader: "m-2", Members: 3, Owned: 1, Unowned: &one, Draining: true, Problems: []string{"late"}},
		Topics: []api.Topic{{Topic: "a", Owner: "m-1", State: "caught_up"}, {Topic: "b", Owner: "m-2", State: api.StateElsewhere}, {Topic: "c", Owner: "m-2", State: api.StateElsewhere},
			{Topic: "d", Owner: "m-3", State: api.StateElsewhere}, {Topic: "e", State: "unowned", Problem: "planned for m-3"}}}}}
	want := `m-1  zone z1  version v
LINK  TO    TOPIC  OWNER  STATE      BEHIND  LOSS IN  LAG  REGIME  WHY
home  home  e      ?      unowned    ?       ?        ?    ?       planned for m-3
home  home  a      m-1    caught_up  ?       ?        ?    ?
POOL  home  ZooKeeper suspended for 1m00s  3 members  leader m-2  1 units here, 1 without an owner  draining
      late
      3 topics are mirrored by others (m-2 2, m-3 1); see: mirror owners home
`
	if got := statusText(report, now, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
