package status

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/mirror"
)

func TestFlowOfALink(t *testing.T) {
	snapshot := full()
	flow := &snapshot.Links[0].Flow
	flow.Errors[mirror.SideSource][mirror.ErrorAuthorization], flow.Errors[mirror.SideTarget][mirror.ErrorTimeout] = 3, 4
	flow.Backpressure[mirror.SideTarget] = 1500 * time.Millisecond
	flow.Limited = 2500 * time.Millisecond
	acks := NewAckDuration()
	answered := acks.Of("up")
	acks.Of("down")
	answered(3 * time.Millisecond)
	answered(2 * time.Second)
	s, err := New(Config{Listen: "127.0.0.1:0", AckDuration: acks}, freshly(snapshot), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.doors[0].listener.Close()
	got := ownMetrics(t, s)
	for _, want := range []string{
		`mirror_link_info{link="up",source="edge",target="region"} 1`, `mirror_link_info{link="down",source="region",target="edge"} 1`,
		`mirror_errors_total{class="authorization",link="up",side="source"} 3`, `mirror_errors_total{class="authorization",link="up",side="target"} 0`,
		`mirror_errors_total{class="timeout",link="up",side="target"} 4`, `mirror_errors_total{class="timeout",link="down",side="target"} 0`,
		`mirror_backpressure_seconds_total{link="up",side="target"} 1.5`, `mirror_backpressure_seconds_total{link="up",side="source"} 0`,
		`mirror_rate_limited_seconds_total{link="up"} 2.5`, `mirror_rate_limited_seconds_total{link="down"} 0`,
		`mirror_ack_duration_seconds_bucket{link="up",le="0.0025"} 0`, `mirror_ack_duration_seconds_bucket{link="up",le="0.005"} 1`,
		`mirror_ack_duration_seconds_bucket{link="up",le="2.5"} 2`, `mirror_ack_duration_seconds_count{link="up"} 2`, `mirror_ack_duration_seconds_count{link="down"} 0`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}
