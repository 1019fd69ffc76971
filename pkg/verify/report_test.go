package verify

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzReport holds the reader of reports against anything: it accepts only what does not contradict itself, and what it
// accepts can be printed and read again.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"name":"a","verdict":"equal","coverage_percent":100}`))
	f.Add([]byte(`{"name":"a","verdict":"different","missing":1,"topics":[{"topic":"t","missing":1}],"examples":[{"kind":"missing","source":{"cluster":"e","topic":"t","partition":0,"offset":3}}]}`))
	f.Add([]byte(`{"verdict":"inconclusive","reasons":["x"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReport(bytes.NewReader(b))
		if err != nil {
			return
		}
		if r.Verdict == Equal && r.Differences() != 0 {
			t.Fatalf("equal with %d differences", r.Differences())
		}
		_ = r.Text()
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadReport(bytes.NewReader(again)); err != nil {
			t.Fatalf("what was read cannot be read again: %v: %s", err, again)
		}
	})
}

func TestReadReportRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no JSON", `equal`, "invalid character"},
		{"unknown verdict", `{"verdict":"fine"}`, "unknown verdict"},
		{"equal with differences", `{"verdict":"equal","coverage_percent":100,"missing":1,"topics":[{"missing":1}]}`, "contradicts"},
		{"equal without full coverage", `{"verdict":"equal","coverage_percent":99.9}`, "contradicts"},
		{"different without differences", `{"verdict":"different"}`, "contradicts"},
		{"topics that do not add up", `{"verdict":"different","missing":2,"topics":[{"missing":1}]}`, "add up"},
		{"an example of nothing", `{"verdict":"inconclusive","examples":[{"kind":"missing"}]}`, "names no record"},
	} {
		if _, err := ReadReport(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
