package main

import (
	"math"
	"testing"
	"time"
)

func TestFillInMeasuresTheSteadyWindow(t *testing.T) {
	row := filled{data: data{Records: 1000}, TotalBytes: 2e9, LogBytes: 1e9}
	second := time.Second
	tests := []struct {
		name      string
		samples   []progress
		valueCPU  float64
		wireCPU   float64
		copied    float64 // wire
		whole     float64
		mbps      float64
		firstSeen float64
	}{
		{
			name: "warm-up and tail do not count",
			samples: []progress{
				{at: 0, cpu: 0},
				{at: 1 * second, cpu: second / 2},
				{at: 5 * second, records: 100, cpu: 9 * second, broker: 1 * second},
				{at: 6 * second, records: 250, cpu: 10 * second, broker: 2 * second},
				{at: 8 * second, records: 600, cpu: 11 * second, broker: 3 * second},
				{at: 10 * second, records: 950, cpu: 12 * second, broker: 4 * second},
				{at: 20 * second, records: 1000, cpu: 40 * second, broker: 9 * second},
			},
			valueCPU: 2.0 / 1.4, wireCPU: 2.0 / 0.7, copied: 39.5, whole: 20, mbps: 350, firstSeen: 5,
		},
		{
			name: "samples that skip the bounds count what they cover",
			samples: []progress{
				{at: 1 * second, records: 300, cpu: 1 * second},
				{at: 3 * second, records: 970, cpu: 2 * second},
				{at: 4 * second, records: 1000, cpu: 3 * second},
			},
			valueCPU: 1.0 / 1.34, wireCPU: 1.0 / 0.67, copied: 3, whole: 1.5, mbps: 670, firstSeen: 1,
		},
		{
			name:     "everything at once is the whole run",
			samples:  []progress{{at: 0}, {at: 4 * second, records: 1000, cpu: 2 * second}},
			valueCPU: 1, wireCPU: 2, copied: 2, whole: 1, mbps: 500, firstSeen: 4,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m measurement
			m.fillIn(row, tt.samples)
			for name, pair := range map[string][2]float64{
				"CPU per GB of values": {m.SteadyValueCPU, tt.valueCPU},
				"CPU per wire GB":      {m.SteadyWireCPU, tt.wireCPU},
				"first to last":        {m.CopyWireCPU, tt.copied},
				"whole run":            {m.WholeValueCPU, tt.whole},
				"MB/s":                 {m.MBps, tt.mbps},
				"first record":         {m.FirstRecord, tt.firstSeen},
			} {
				if math.Abs(pair[0]-pair[1]) > 1e-9 {
					t.Errorf("%s: got %v, want %v", name, pair[0], pair[1])
				}
			}
		})
	}
}

func TestAddPartsWeighsEachPartByItsOwnBytes(t *testing.T) {
	m := measurement{Parts: []part{
		{Name: "fetch", Bytes: 2e9, CPUSeconds: 0.4},
		{Name: "crc", Bytes: 1e9, CPUSeconds: 0.05},
		{Name: "produce", Bytes: 5e8, CPUSeconds: 0.1},
	}}
	m.addParts(filled{TotalBytes: 2e9, LogBytes: 1e9})
	if want := 0.45; math.Abs(m.SteadyWireCPU-want) > 1e-9 {
		t.Errorf("CPU per wire GB: got %v, want %v", m.SteadyWireCPU, want)
	}
	if want := 0.225; math.Abs(m.SteadyValueCPU-want) > 1e-9 {
		t.Errorf("CPU per GB of values: got %v, want %v", m.SteadyValueCPU, want)
	}
}

func TestProbeCountsTheRecordsOfItsPhase(t *testing.T) {
	zero := time.Unix(1000, 0)
	after := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
	newProbe := func() *probe {
		p := &probe{from: after(1000), to: after(2000), cpu: 100 * time.Millisecond,
			left: arrivals{at: map[uint64]time.Time{}}, arrived: arrivals{at: map[uint64]time.Time{}}}
		for i := range uint64(101) { // in the phase: 0, 1, ... 100 ms late
			p.left.at[i], p.arrived.at[i] = after(1000), after(1000+int(i))
		}
		p.left.at[500], p.arrived.at[500] = after(999), after(9000)  // before the phase
		p.left.at[501], p.arrived.at[501] = after(2000), after(9000) // behind it
		return p
	}
	var m measurement
	if err := newProbe().fillIn(&m); err != nil {
		t.Fatal(err)
	}
	if m.P50Millis != 50 || m.P99Millis != 99 || m.Samples != 101 || m.CPUPercent != 10 {
		t.Errorf("got p50 %v, p99 %v, %d samples, %v %% CPU; want 50, 99, 101, 10", m.P50Millis, m.P99Millis, m.Samples, m.CPUPercent)
	}
	lossy := newProbe()
	delete(lossy.arrived.at, 7)
	if err := lossy.fillIn(&m); err == nil {
		t.Error("a record that never arrived is no error")
	}
}
