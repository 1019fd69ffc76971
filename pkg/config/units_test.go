package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestBytes(t *testing.T) {
	for _, test := range []struct {
		text   string
		want   Bytes
		string string
		bad    bool
	}{
		{text: "0", want: 0, string: "0B"},
		{text: "64MiB", want: 64 << 20, string: "64MiB"},
		{text: "64 MiB", want: 64 << 20, string: "64MiB"},
		{text: "1GB", want: 1e9, string: "1GB"},
		{text: "1.5KiB", want: 1536, string: "1536B"},
		{text: "500000", want: 500000, string: "500kB"},
		{text: "1B", want: 1, string: "1B"},
		{text: "8388607TiB", want: 8388607 << 40, string: "8388607TiB"},
		{text: "8388608TiB", bad: true},
		{text: "9223372036854775807", bad: true},
		{text: "", bad: true},
		{text: "MiB", bad: true},
		{text: "-1", bad: true},
		{text: "+1", bad: true},
		{text: "010", bad: true},
		{text: "0x10", bad: true},
		{text: "1_000", bad: true},
		{text: "1e6", bad: true},
		{text: ".5GB", bad: true},
		{text: "1.GB", bad: true},
		{text: "inf", bad: true},
		{text: "64mib", bad: true},
	} {
		var got Bytes
		err := got.UnmarshalText([]byte(test.text))
		if (err != nil) != test.bad {
			t.Errorf("%q: error %v, want bad %v", test.text, err, test.bad)
		}
		if err == nil && (got != test.want || got.String() != test.string) {
			t.Errorf("%q = %d (%v), want %d (%v)", test.text, int64(got), got, int64(test.want), test.string)
		}
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]Percent{"0%": 0, "50%": 50, "12.5%": 12.5, "100%": 100, "100.1%": -1, "50": -1, "-1%": -1, "%": -1, "05%": -1} {
		var got Percent
		err := got.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || err == nil && (got != want || got.String() != text || got.Fraction() != float64(want)/100) {
			t.Errorf("%q = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	sasl := SASL{Username: "u", Password: "hunter2"}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08.3f"} {
		fmt.Fprintf(&out, verb+" ", sasl.Password)
		fmt.Fprintf(&out, verb+" ", sasl)
		fmt.Fprintf(&out, verb+" ", &sasl)
		fmt.Fprintf(&out, verb+" ", map[string]Cluster{"a": {SASL: &sasl}}["a"].SASL)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "sasl", sasl, "password", sasl.Password)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "sasl", sasl, "password", sasl.Password)
	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		data, err := encode(sasl)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), hidden) {
			t.Errorf("encoded without %s: %s", hidden, data)
		}
		out.Write(data)
	}
	out.WriteString(sasl.Password.String())
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2")} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("shows %q in:\n%s", leak, out.String())
		}
	}
}

func TestExpand(t *testing.T) {
	for _, test := range []struct{ text, want, problem string }{
		{"plain", "plain", ""},
		{"pa$$word-$1x", "pa$$word-$1x", ""},
		{"${SET}", "value", ""},
		{"a${SET}b${SET}c", "avaluebvaluec", ""},
		{"${EMPTY}", "", ""},
		{"${EMPTY:-x}", "x", ""},
		{"${NOPE:-x:-y}", "x:-y", ""},
		{"${NOPE:-}", "", ""},
		{"${SET:-x}", "value", ""},
		{"${NESTED}", "${SET}", ""},
		{"$${SET}", "${SET}", ""},
		{"$$${SET}", "$${SET}", ""},
		{"${file:/secret}", "hunter2", ""},
		{"${cred:kafka}", "swordfish", ""},
		{"$", "$", ""},
		{"{}", "{}", ""},
		{"${}", "", "no reference"},
		{"${1A}", "", "no reference"},
		{"${NOPE:-${SET}}", "", "cannot contain another reference"},
		{"${", "", "no closing }"},
		{"${NOPE} ${", "", "${NOPE}"},
		{"${cred:}", "", "does not name"},
		{"${cred:..}", "", "does not name"},
	} {
		got, err := expand(test.text, testEnv())
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("expand(%q) = %q, %v; want error with %q", test.text, got, err, test.problem)
			}
		} else if got != test.want || err != nil {
			t.Errorf("expand(%q) = %q, %v; want %q", test.text, got, err, test.want)
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"name", "from", "to", "topics", "session_timeout"}
	for word, want := range map[string]string{"form": "from", "nmae": "name", "sessionTimeout": "session_timeout",
		"session-timeout": "session_timeout", "topic": "topics", "zebra": "", "": "", strings.Repeat("a", 1000): ""} {
		if got := closest(word, known); got != want {
			t.Errorf("closest(%.20q) = %q, want %q", word, got, want)
		}
	}
}
