package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"tributary/e2e/load"
)

// benchEnv is how many records TestVerifyBench compares; without it the test is passed over.
const benchEnv = "VERIFY_BENCH"

// maxVerifyMemory is what verify may take at its peak, however much it compares.
const maxVerifyMemory = 512 << 20

// `mirror verify` compares 50 million records in bounded memory; the rate is printed. One record is then missing, and is found.
func TestVerifyBench(t *testing.T) {
	text := os.Getenv(benchEnv)
	if text == "" {
		t.Skip("with " + benchEnv + " only")
	}
	records, err := strconv.ParseInt(text, 10, 64)
	must(t, err)
	const partitions = 4
	r := newRoute(t, "verify-bench", stage.edge.get(t), stage.home.get(t), partitions)
	r.host.start(t)
	filled, err := load.Fill(within(t, 10*time.Minute), r.from.Direct(), load.FillSpec{Topic: r.topic, Partitions: partitions, Records: records, RecordsPerBatch: 500, Age: time.Hour})
	must(t, err)
	t.Log(filled)
	r.awaitCopied(t, 10*time.Minute)
	r.host.stop(t)
	got := requireVerified(t, "-c", r.host.config, r.topic)
	t.Log(benchLine("equal", got))
	if got.Records != records || got.Peak > maxVerifyMemory {
		t.Errorf("compared %d records with a peak of %d bytes, want %d with at most %d", got.Records, got.Peak, records, maxVerifyMemory)
	}
	extra := newWriter(t, r.from)
	extra.write(mutantTopic(r.topic, 2)[:1]...)
	code, verdicts, err := verify(within(t, 10*time.Minute), "--source", r.from.Direct()[0], "--destination", r.to.Direct()[0], "--topics", r.topic, "--timeout", "2s")
	must(t, err)
	if code != 1 || verdicts[0].Missing != 1 || verdicts[0].Alien+verdicts[0].Duplicate+verdicts[0].Reordered+verdicts[0].Altered != 0 || verdicts[0].Peak > maxVerifyMemory {
		t.Errorf("with one record missing: got exit code %d and %+v, want 1 and that record, in bounded memory", code, verdicts)
	}
	t.Log(benchLine("one missing", verdicts[0]))
}

func benchLine(name string, v verdict) string {
	n := float64(v.Records + v.Destination)
	return fmt.Sprintf("%s: %d records at each side in %.1f s: %.2f M records/s read and compared, peak memory %d MiB", name, v.Records, v.Seconds, n/v.Seconds/1e6, v.Peak>>20)
}
