package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// causes are what doctor calls a standstill, by its name. A quota and a silent prober take longer to be told from what passes.
func causes() map[string][]string {
	return map[string][]string{
		"destination down":   {"destination_unreachable"},
		"destination silent": {"destination_silent"},
		"source down":        {"source_unreachable"},
		"ACL revoked":        {"destination_acl"},
		"leader without ISR": {"destination_not_enough_replicas"},
		"halted":             {"halted"},
		"frozen":             {"daemon_hangs"},
		"ZooKeeper gone":     {"zookeeper_unreachable"},
	}
}

// requireDiagnosed proves that doctor finds the cause, with evidence and the next step.
func (row *standstill) requireDiagnosed(t *testing.T) {
	t.Helper()
	want, ok := causes()[row.name]
	if !ok {
		return
	}
	eventually(t, 45*time.Second, "doctor finds "+want[0], func(ctx context.Context) error {
		got, err := row.r.host.command(ctx, "doctor", "--over", "0s", "-o", "json")
		if err != nil {
			return err
		}
		var d struct {
			Found []struct {
				Cause, Text, Next string
				Evidence          []string
			}
		}
		if err := json.Unmarshal([]byte(got.stdout), &d); err != nil {
			return fmt.Errorf("exit code %d: %s: %w", got.code, got.stderr, err)
		}
		for _, f := range d.Found {
			if slices.Contains(want, f.Cause) && f.Next != "" && len(f.Evidence) > 0 {
				return nil
			}
		}
		return fmt.Errorf("it finds %+v", d.Found)
	})
}
