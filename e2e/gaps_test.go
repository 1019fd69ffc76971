package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// requireGaps waits until a topic of the running mirror's only link has offsets without a record, all of one kind.
func requireGaps(t *testing.T, h *host, topic, kind string) {
	t.Helper()
	series := func(kind string) string {
		return fmt.Sprintf("mirror_offset_gaps_total{kind=%q,link=%q,topic=%q}", kind, h.settings.link().Name, topic)
	}
	eventually(t, 30*time.Second, "offsets without a record are counted", func(ctx context.Context) error {
		values, err := h.metrics(ctx)
		if err == nil && values[series(kind)] == 0 {
			err = fmt.Errorf("%s is 0 or absent", series(kind))
		}
		if unexplained, ok := values[series("unexplained")]; err == nil && (!ok || unexplained != 0) {
			t.Fatalf("%s is %v, there: %v; want 0", series("unexplained"), unexplained, ok)
		}
		return err
	})
}

// requireCleanedGaps copies a topic, of which the cleaner has removed records, once more from its beginning.
func requireCleanedGaps(t *testing.T, first *host, topic string) {
	t.Helper()
	s := first.settings
	s.Instance, s.Links = "again", []linkSettings{{Name: "again", From: fromName, To: toName, Topics: topicSettings{Include: []string{topic}, Rename: "again.{topic}"}}}
	again := newHost(t, s)
	again.start(t)
	requireGaps(t, again, topic, "compaction")
	again.stop(t)
}
