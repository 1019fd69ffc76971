package batch_test

import (
	"fmt"
	"testing"

	"tributary/pkg/batch"
)

// BenchmarkReseal is the raw path's cost per batch, with the bytes in cache.
func BenchmarkReseal(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 128 << 10, 1 << 20} {
		one := source{records: []record{{Value: make([]byte, size)}}}.build(b)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(one)))
			for i := range b.N {
				if err := one.Reseal(batch.Producer{ID: 1}, int32(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRecodeMerge merges small batches into ones of 256 KiB, the hot use of the Recoder. Its sources are spread over more
// memory than the caches hold.
func BenchmarkRecodeMerge(b *testing.B) {
	for _, size := range []int{1024, 100} {
		for _, codec := range []batch.Codec{batch.None, batch.LZ4, batch.Zstd} {
			b.Run(fmt.Sprintf("10x%dB/%s", size, codec), func(b *testing.B) {
				merge(b, size, codec)
			})
		}
	}
}

func merge(b *testing.B, size int, codec batch.Codec) {
	const spread = 16 << 20
	var sources []batch.Batch
	total := 0
	for next := int64(0); total < spread; next += 10 {
		sources = append(sources, source{base: next, records: plain(next, 10, size)}.build(b))
		total += len(sources[len(sources)-1])
	}
	r := batch.NewRecoder(1<<20, batch.NewGate())
	dst := make([]byte, 0, 512<<10)
	b.SetBytes(int64(total / len(sources)))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := r.Add(sources[i%len(sources)], 0, 0); err != nil {
			b.Fatal(err)
		}
		if _, pending := r.Pending(); pending < 256<<10 {
			continue
		}
		recoded, out, err := r.Take(dst[:0], codec, 0)
		if err != nil {
			b.Fatal(err)
		}
		recoded.Batch.Seal(batch.Producer{ID: 1}, 0)
		dst = out
	}
}
