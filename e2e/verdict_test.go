package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"testing"
	"time"
)

// verification is what mirror verify says, as far as tests look at it.
type verification struct {
	Verdict  string    `json:"verdict"`
	Examples []finding `json:"examples"`
}

type finding struct {
	Kind        string `json:"kind"`
	Destination *struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"offset"`
	} `json:"destination"`
}

// verify lets the checker compare the topic of a route, whose mirror may be running.
func (r *route) verify(t *testing.T) verification {
	t.Helper()
	cmd := exec.CommandContext(within(t, 3*time.Minute), stage.binary, "verify", r.host.settings.Links[0].Name, r.topic, "-c", r.host.config, "-o", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	exit := new(exec.ExitError)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var report struct{ Comparisons []verification }
	if err := json.Unmarshal(out, &report); err != nil || len(report.Comparisons) != 1 {
		t.Fatalf("read the verdict: %v: %s%s", err, out, stderr.Bytes())
	}
	return report.Comparisons[0]
}

// aliens counts the records named as alien, each at a place of its own.
func (v verification) aliens() int {
	places := map[any]bool{}
	for _, f := range v.Examples {
		if f.Kind == "alien" && f.Destination != nil {
			places[*f.Destination] = true
		}
	}
	return len(places)
}
