package main

import (
	"slices"

	"tributary/e2e/load"
)

// partitions of every topic.
const partitions = 6

// data says what one pre-filled topic holds: JSON events with random ids, keys of 16 bytes, no headers.
type data struct {
	Name       string
	Label      string
	ValueBytes int
	PerBatch   int // records of a source batch
	Codec      load.Codec
	Records    int64
}

// Rows without data of their own.
const (
	rowTLS     = "tls"     // the data of tlsData, both legs TLS
	rowLatency = "latency" // 1,000 records a second
	tlsData    = "1k-none"
	rowTiny    = "ten" // batches of ten records
)

// datasets returns the topics. A batch is what a producer of the baseline makes: 128 KB uncompressed, 256 KB
// before compression. Sizes are such that MirrorMaker, once warm, is measured for ten seconds or more, and that what the
// mirror reads ahead, up to its budget, is a small part of what it copies in the steady window.
func datasets() []data {
	const smallValue = 100 // an event needs a little more
	return []data{
		{"1k-none", "1 KiB, none", 1024, 120, load.None, 1_000_000},
		{"1k-lz4", "1 KiB, lz4", 1024, 240, load.LZ4, 1_000_000},
		{"1k-zstd", "1 KiB, zstd", 1024, 240, load.Zstd, 1_500_000},
		{"100b-none", "100 B, none", smallValue, 950, load.None, 5_000_000},
		{"100b-lz4", "100 B, lz4", smallValue, 1900, load.LZ4, 3_000_000},
		{"100b-zstd", "100 B, zstd", smallValue, 1900, load.Zstd, 3_000_000},
		{rowTiny, "100 B, none, batches of 10", smallValue, 10, load.None, 1_200_000},
	}
}

// shortFactor is by how much -short divides the records.
const shortFactor = 5

// dataset returns the data that a row is measured on; ok is false for the latency row, which has none.
func dataset(row string, short bool) (d data, ok bool) {
	name := row
	if row == rowTLS {
		name = tlsData
	}
	all := datasets()
	i := slices.IndexFunc(all, func(d data) bool { return d.Name == name })
	if i < 0 {
		return data{}, false
	}
	if short {
		all[i].Records /= shortFactor
	}
	return all[i], true
}

func rowNames() []string {
	var names []string
	for _, d := range datasets() {
		names = append(names, d.Name)
	}
	return append(names, rowTLS, rowLatency)
}

// rowLabel is what the tables call a row.
func rowLabel(row string) string {
	switch row {
	case rowTLS:
		d, _ := dataset(row, false)
		return d.Label + ", TLS on both legs"
	case rowLatency:
		return "1,000 records/s"
	}
	d, _ := dataset(row, false)
	return d.Label
}
