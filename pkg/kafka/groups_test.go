package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestListGroups(t *testing.T) {
	fake, c := start(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "clicks"))
	var want []string
	for _, name := range []string{"mirror.a", "mirror.b", "mirror.c", "mirror.d", "mirror.e", "other"} { // of several coordinators
		if err := c.CommitOffsets(t.Context(), name, []GroupOffset{{Topic: "clicks", Next: 1}}); err != nil {
			t.Fatal(err)
		}
		if name != "other" {
			want = append(want, name)
		}
	}
	if got, err := c.ListGroups(t.Context(), "mirror."); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := c.ListGroups(t.Context(), "nobody."); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.GroupAuthorizationFailed, Count: 1})
	got, err := c.ListGroups(t.Context(), "mirror.")
	if code, _ := Code(err); code != kerr.GroupAuthorizationFailed.Code || !slices.Equal(got, want) {
		t.Errorf("without the right: got %v, %v, want %v beside GROUP_AUTHORIZATION_FAILED", got, err, want)
	}
}
