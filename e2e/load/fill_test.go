package load

import (
	"testing"
	"time"
)

func TestFill(t *testing.T) {
	for _, codec := range Codecs() {
		t.Run(codec.String(), func(t *testing.T) {
			seeds := startCluster(t, 3)
			spec := FillSpec{Topic: testTopic, Partitions: 3, Records: 1003, ValueBytes: 600, Codec: codec, RecordsPerBatch: 10, Age: time.Hour}
			report, err := Fill(testContext(t), seeds, spec)
			if err != nil || report.Records != 1003 || report.Batches != 101 || report.ValueBytes != 1003*600 {
				t.Fatalf("got %v, %v", report, err)
			}
			batches, err := Batches(testContext(t), seeds, testTopic)
			if err != nil {
				t.Fatal(err)
			}
			var records, short int32
			for _, b := range batches {
				records += b.Records
				if b.Records != 10 {
					short++
				}
				if b.Codec != codec {
					t.Errorf("batch %+v, want codec %v", b, codec)
				}
			}
			if len(batches) != 101 || records != 1003 || short != 1 {
				t.Errorf("got %d batches, %d records, %d short ones", len(batches), records, short)
			}
			// Decoding checks the checksums; comparing with itself, the order.
			result, err := Compare(testContext(t), []Source{{seeds, testTopic}}, Destination{seeds, testTopic}, Same)
			if err != nil || !result.OK() || result.Matched != 1003 {
				t.Errorf("compare with itself: got %v, %v", result, err)
			}
		})
	}
}

func TestFillSpecIsChecked(t *testing.T) {
	for name, spec := range map[string]FillSpec{
		"no topic":   {Partitions: 1, Records: 1},
		"no records": {Topic: "t", Partitions: 1},
		"huge batch": {Topic: "t", Partitions: 1, Records: 1, RecordsPerBatch: 10000, ValueBytes: 10000},
	} {
		if _, err := Fill(t.Context(), nil, spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
