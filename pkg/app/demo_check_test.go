package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// home is what a perfect mirror makes of two edge partitions in one partition at home, and one in another.
func home(seed uint64, lanes []*demoLane) []*sarama.ConsumerMessage {
	var messages []*sarama.ConsumerMessage
	for i, lane := range lanes {
		for n, at := range lane.times {
			r := lane.record(seed, int64(n))
			m := &sarama.ConsumerMessage{Topic: demoTopic, Partition: int32(i / 2), Offset: int64(len(messages)), Key: r.key, Value: r.value, Timestamp: time.UnixMilli(at)}
			for _, h := range r.headers {
				m.Headers = append(m.Headers, &h)
			}
			messages = append(messages, m)
		}
	}
	return messages
}

func TestDemoCheckFindsEveryDefect(t *testing.T) {
	const seed, each = 7, 40
	type records = []*sarama.ConsumerMessage
	with := func(n int, change func(*sarama.ConsumerMessage)) func(records) records {
		return func(r records) records { change(r[n]); return r }
	}
	// Number 24 of a lane has all headers (24%5 == 4), number 3 no key, 5 an empty key, 6 no value, 8 an empty value.
	for _, test := range []struct {
		name   string
		plant  func(records) records
		want   demoResult // without totals
		saying string
	}{
		{"none", func(r records) records { return r }, demoResult{}, ""},
		{"lost", func(r records) records { return slices.Delete(r, 10, 11) }, demoResult{Lost: 1}, "edge-a/0/10 is not at home"},
		{"truncated", func(r records) records { return r[:len(r)-5] }, demoResult{Lost: 5}, "is not at home"},
		{"nothing at all", func(records) records { return nil }, demoResult{Lost: 3 * each}, "is not at home"},
		{"doubled", func(r records) records { return slices.Insert(r, 11, r[10]) }, demoResult{Doubled: 1}, "edge-a/0/10 is at home again"},
		{"doubled late", func(r records) records { return append(r, r[0]) }, demoResult{Doubled: 1}, "edge-a/0/0 is at home again"},
		{"lost and doubled", func(r records) records { r[10] = r[9]; return r }, demoResult{Lost: 1, Doubled: 1}, "edge-a/0/10 is not at home"},
		{"neighbours swapped", func(r records) records { r[10], r[11] = r[11], r[10]; return r }, demoResult{Reordered: 1}, "edge-a/0/10 comes after edge-a/0/11"},
		{"moved to another partition", with(each-1, func(m *sarama.ConsumerMessage) { m.Partition = 5 }), demoResult{Reordered: 1}, "in partition 5"},
		{"bit in key", with(0, func(m *sarama.ConsumerMessage) { m.Key[2] ^= 1 }), demoResult{Altered: 1}, "edge-a/0/0 has another key"},
		{"bit in value", with(0, func(m *sarama.ConsumerMessage) { m.Value[20] ^= 1 }), demoResult{Altered: 1}, "another value"},
		{"null key made empty", with(3, func(m *sarama.ConsumerMessage) { m.Key = []byte{} }), demoResult{Altered: 1}, "another key"},
		{"empty key made null", with(5, func(m *sarama.ConsumerMessage) { m.Key = nil }), demoResult{Altered: 1}, "another key"},
		{"null value made empty", with(6, func(m *sarama.ConsumerMessage) { m.Value = []byte{} }), demoResult{Altered: 1}, "another value"},
		{"empty value made null", with(8, func(m *sarama.ConsumerMessage) { m.Value = nil }), demoResult{Altered: 1}, "another value"},
		{"timestamp", with(0, func(m *sarama.ConsumerMessage) { m.Timestamp = m.Timestamp.Add(time.Millisecond) }), demoResult{Altered: 1}, "another timestamp"},
		{"header dropped", with(24, func(m *sarama.ConsumerMessage) { m.Headers = m.Headers[:5] }), demoResult{Altered: 1}, "number of headers"},
		{"headers swapped", with(24, func(m *sarama.ConsumerMessage) { m.Headers[2], m.Headers[3] = m.Headers[3], m.Headers[2] }), demoResult{Altered: 1}, "another header 2"},
		{"null header made empty", with(24, func(m *sarama.ConsumerMessage) { m.Headers[4].Value = []byte{} }), demoResult{Altered: 1}, "another header 4"},
		{"header's key", with(24, func(m *sarama.ConsumerMessage) { m.Headers[1].Key = []byte("trail") }), demoResult{Altered: 1}, "another header 1"},
		{"foreign record", func(r records) records { return append(r, &sarama.ConsumerMessage{Value: []byte("x")}) }, demoResult{Altered: 1}, "was not produced at any edge"},
		{"record beyond the last", with(0, func(m *sarama.ConsumerMessage) { m.Headers[0].Value = []byte("edge-a/0/40") }), demoResult{Altered: 1, Lost: 1}, "was not produced at any edge"},
		{"broken identity", with(0, func(m *sarama.ConsumerMessage) { m.Headers[0].Value = []byte("edge-a") }), demoResult{Altered: 1, Lost: 1}, "was not produced at any edge"},
		{"content of another", func(r records) records { r[10].Value = r[11].Value; return r }, demoResult{Altered: 1}, "edge-a/0/10 has another value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lanes := []*demoLane{{edge: "edge-a", partition: 0}, {edge: "edge-b", partition: 0}, {edge: "edge-a", partition: 1}}
			for _, lane := range lanes {
				for n := range each {
					lane.times = append(lane.times, int64(1_700_000_000_000+n))
				}
			}
			check := newDemoCheck(seed, lanes)
			planted := test.plant(home(seed, lanes))
			for _, m := range planted {
				check.take(m)
			}
			got := check.finish()
			if got.Lost != test.want.Lost || got.Doubled != test.want.Doubled || got.Reordered != test.want.Reordered || got.Altered != test.want.Altered {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.Records != int64(len(planted)) || got.clean() != (test.saying == "") {
				t.Errorf("got %+v of %d records", got, len(planted))
			}
			if !strings.Contains(strings.Join(got.Examples, "\n"), test.saying) || len(got.Examples) > demoExamples {
				t.Errorf("examples %q, want %q", got.Examples, test.saying)
			}
		})
	}
}
