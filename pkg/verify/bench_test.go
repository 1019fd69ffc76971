package verify

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"tributary/pkg/kafka"
)

// BenchmarkRecords decodes, fingerprints and sums up batches of records of 100 bytes; ns/op and allocations are per record.
func BenchmarkRecords(b *testing.B) {
	cluster, err := kafka.New("edge", kafka.Config{Brokers: []string{"127.0.0.1:1"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	v, err := New(Config{Destination: cluster, Sources: []Source{{Cluster: cluster, Match: all, Rename: sameName}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	const count = 500
	var records []*record
	for i := range count {
		records = append(records, build(1_700_000_000_000+int64(i), fmt.Appendf(nil, "key-%06d", i), bytes.Repeat([]byte{byte(i)}, 90)).at(int64(i)))
	}
	payload := v2Payload(0, 1_700_000_000_000, records)
	for _, c := range []codec{codecNone, codecLZ4, codecZstd} {
		b.Run(fmt.Sprint("codec ", c), func(b *testing.B) {
			e, _ := cutEntry(v2(0, 1_700_000_000_000, 1_700_000_000_000, int16(c), pack(b, c, payload), records))
			l := &log{streams: map[int64]*print128{}}
			u := &unit{}
			take := v.tally(u, l, newSeries(1000))
			s := newScanner(func(int) {})
			d := newDigester(v.secret)
			page := &fetched{entries: e}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += count {
				if err := s.page(page, span{0, count}, visit{record: func(r *record) error { return take(d, r) }}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
