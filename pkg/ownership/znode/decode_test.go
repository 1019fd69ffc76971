package znode

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"tributary/pkg/ownership/plan"
)

// hostile are contents that every decoder refuses, but that a plan without a byte is none yet.
func hostile() []string {
	return []string{
		``, `null`, `{}`, `[]`, `0`, `"x"`, `{"format":1}`, `{"format":2,"instance":"a","capacity":1}`, `{"format":1e0`, `{"format":1}{"format":1}`, `{"format":"1"}`,
		"\x1f\x8b", "\x1f\x8b\x08\x00garbage", strings.Repeat("[", 10000), strings.Repeat(`{"a":`, 10000), "\x00\xff", `{"format":1,"instance":"","capacity":1}`,
	}
}

func TestHostileIsRefused(t *testing.T) {
	for _, c := range codecs() {
		for _, s := range hostile() {
			got, err := c.decode([]byte(s))
			if noPlan := c.name == "plan" && s == ""; (err == nil) != noPlan {
				t.Errorf("%s: %.40q: %+v, err %v", c.name, s, got, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	const a, b = `"m-0123abcd-0000000001"`, `"m-0123abcd-0000000002"`
	long := strings.Repeat("x", 256)
	seat := func(topic string) string {
		return `{"format":1,"members":[` + a + `,` + b + `],"topics":[` + topic + `]}`
	}
	identity := func(fields string) string {
		return `{"format":1,"topic":"clicks","partitions":{"0":{"dest_topic":"x"` + fields + `}}}`
	}
	tests := map[string][]string{
		"member": {
			`{"format":1,"instance":"a","capacity":0}`, `{"format":1,"instance":"a","capacity":-1}`, `{"format":1,"instance":"a","capacity":1001}`, `{"format":1,"instance":"a","capacity":1e999}`,
			`{"format":1,"instance":"` + long + `","capacity":1}`, `{"format":1,"instance":"a\nb","capacity":1}`, `{"format":1,"instance":"a","zone":"\u0000","capacity":1}`,
			`{"format":1,"instance":"a","capacity":1,"peer":"nowhere"}`, `{"format":1,"instance":"a","capacity":1,"peer":"a:0"}`, `{"format":1,"instance":"a","capacity":1,"peer":"a:99999"}`,
			`{"format":1,"instance":"a","capacity":1,"peer":":1"}`, `{"format":1,"instance":"a","capacity":1,"session_ms":-1}`, `{"format":1,"instance":"a","capacity":1,"session_ms":86400001}`,
		},
		"owner": {`{"format":1,"incarnation":"x","term":1}`, `{"format":1,"incarnation":` + a + `,"term":0}`, `{"format":1,"incarnation":` + a + `,"term":99999999999999999999}`},
		"term": {
			`{"format":1,"owner":` + a + `,"term":1,"ended":"murdered"}`, `{"format":1,"owner":` + a + `,"term":-1,"ended":""}`,
			`{"format":1,"owner":` + a + `,"term":1,"ended":"","wait":false,"unknown":1}`,
		},
		"pin": {`{"format":1,"instance":""}`, `{"format":1,"instance":"\u0007"}`},
		"plan": {
			seat(`{"topic":"a/b","partitions":1,"owners":[0],"standbys":[1]}`), seat(`{"topic":"..","partitions":1,"owners":[0],"standbys":[1]}`),
			seat(`{"topic":"a","partitions":0,"owners":[0],"standbys":[1]}`), seat(`{"topic":"a","partitions":1,"owners":[0,1],"standbys":[1,0]}`),
			seat(`{"topic":"a","partitions":9,"owners":[0,1,0],"standbys":[1,0,1]}`), seat(`{"topic":"a","partitions":1,"owners":[],"standbys":[]}`),
			seat(`{"topic":"a","partitions":1,"owners":[0],"standbys":[]}`), seat(`{"topic":"a","partitions":1,"owners":[2],"standbys":[1]}`),
			seat(`{"topic":"a","partitions":1,"owners":[-2],"standbys":[1]}`), seat(`{"topic":"a","partitions":1,"owners":[0],"standbys":[0]}`),
			seat(`{"topic":"a","partitions":1,"owners":[0],"standbys":[1]},{"topic":"a","partitions":1,"owners":[0],"standbys":[1]}`),
			`{"format":1,"members":[` + b + `,` + a + `],"topics":[]}`, `{"format":1,"members":["x"],"topics":[]}`, `{"format":1,"members":[` + a + `],"arrivals":[{"member":1,"instance":"i"}]}`,
			`{"format":1,"members":[` + a + `],"arrivals":[{"member":-1,"instance":"i"}]}`, `{"format":1,"members":[` + a + `],"arrivals":[{"member":0,"instance":"i","at":-1}]}`,
			`{"format":1,"members":[` + a + `],"arrivals":[{"member":0,"instance":"i"},{"member":0,"instance":"i"}]}`,
			`{"format":1,"members":[` + a + `],"shuns":[{"member":0,"unit":"a@3of2"}]}`, `{"format":1,"members":[` + a + `],"shuns":[{"member":0},{"member":0}]}`,
			`{"format":1,"members":[` + a + `],"cuts":[{"topic":0}]}`,
		},
		"report": {
			`{"format":1,"topics":[{"topic":"a","partitions":-1}]}`, `{"format":1,"topics":[{"topic":"a"},{"topic":"a"}]}`, `{"format":1,"topics":[{"topic":"a b"}]}`,
			`{"format":1,"topics":[{"topic":"a","units":[{"of":0}]}]}`, `{"format":1,"topics":[{"topic":"a","units":[{"of":2,"part":2}]}]}`, `{"format":1,"topics":[{"topic":"a","units":[{"of":512}]}]}`,
			`{"format":1,"topics":[{"topic":"a","units":[{"of":1},{"of":2}]}]}`, `{"format":1,"topics":[{"topic":"a","units":[{"of":1,"rate":-1}]}]}`, `{"format":1,"topics":[{"topic":"a","units":[{"of":1,"rate":1e300}]}]}`,
		},
		"identities": {
			`{"format":1,"topic":"clicks"}`, `{"format":1,"topic":"clicks","partitions":null}`,
			`{"format":1,"topic":"other","partitions":{}}`, `{"format":1,"topic":"clicks","partitions":{"-1":{"dest_topic":"x"}}}`, `{"format":1,"topic":"clicks","partitions":{"0":{}}}`,
			`{"format":1,"topic":"clicks","partitions":{},"more":1}`, `{"format":1,"topic":"clicks","by":"nobody","partitions":{}}`, identity(`,"generation":-1`), identity(`,"new_field":1`), identity(`,"producer_id":-1`), identity(`,"base":{"Dest":-5}`), identity(`,"source_cluster":"` + long + `"`),
		},
	}
	for _, c := range codecs() {
		for _, s := range tests[c.name] {
			if got, err := c.decode([]byte(s)); err == nil {
				t.Errorf("%s: %.200s: %+v", c.name, s, got)
			}
		}
	}
}

// A newer version may add fields to what older ones only read; a content of another format is told from one that is damaged.
func TestUpgrade(t *testing.T) {
	if m, err := DecodeMember([]byte(`{"format":1,"instance":"a","capacity":1,"since":"version 9"}`)); err != nil || m.Instance != "a" {
		t.Errorf("member with a field more: %+v, %v", m, err)
	}
	for _, c := range codecs() {
		if _, err := c.decode([]byte(`{"format":2,"what":["ever"]}`)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s of format 2: err %v, want %v", c.name, err, ErrFormat)
		}
	}
}

// What unpacks to more than its bound is refused, and what is too large packed is not looked at.
func TestBombs(t *testing.T) {
	bomb, err := pack([]byte(`{"format":1,"members":[` + strings.Repeat(" ", maxUnpackedBytes) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	many, err := pack([]byte(`{"format":1,"topics":[` + strings.Repeat("{},", maxListed) + `{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(bomb) > MaxBytes || len(many) > MaxBytes {
		t.Fatalf("%d and %d bytes are no bombs", len(bomb), len(many))
	}
	for name, data := range map[string][]byte{"spaces": bomb, "elements": many, "packed": bytes.Repeat([]byte{' '}, MaxBytes+1)} {
		for _, c := range codecs() {
			if _, err := c.decode(data); err == nil {
				t.Errorf("%s as %s passes", name, c.name)
			}
		}
		if _, err := DecodePlan(data); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: err %v, want %v", name, err, ErrTooLarge)
		}
	}
}

// What would be refused by a reader is not written.
func TestNotEncoded(t *testing.T) {
	const a = "m-0123abcd-0000000001"
	whole := plan.Unit{Topic: "a", Of: 1}
	for name, encode := range map[string]func() ([]byte, error){
		"member without a number": Member{Instance: "a", Capacity: math.NaN()}.Encode,
		"owner without a name":    Owner{"a", 1}.Encode,
		"term of no owner":        Term{Term: 1}.Encode,
		"pin to nobody":           Pin{}.Encode,
		"report of no number":     Report{Loads: map[plan.Unit]Load{whole: {BytesPerSecond: math.Inf(1)}}}.Encode,
		"report of no partitions": Report{Topics: map[string]int{"a": -1}}.Encode,
		"plan with half a topic": func() ([]byte, error) {
			return EncodePlan(plan.Plan{Seats: map[plan.Unit]plan.Seat{{Topic: "a", Of: 2}: {Owner: a}}, Partitions: map[string]int{"a": 2}})
		},
		"plan with a topic twice": func() ([]byte, error) {
			return EncodePlan(plan.Plan{Seats: map[plan.Unit]plan.Seat{whole: {Owner: a}, {Topic: "a", Part: 1, Of: 2}: {Owner: a}}, Partitions: map[string]int{"a": 2}})
		},
		"plan without partitions": func() ([]byte, error) {
			return EncodePlan(plan.Plan{Seats: map[plan.Unit]plan.Seat{whole: {Owner: a}}})
		},
		"plan of odd members": func() ([]byte, error) {
			return EncodePlan(plan.Plan{Seats: map[plan.Unit]plan.Seat{whole: {Owner: "x"}}, Partitions: map[string]int{"a": 2}})
		},
	} {
		if data, err := encode(); err == nil {
			t.Errorf("%s: %s", name, data)
		}
	}
}
