package main

import "fmt"

// verdict is what a run says of a bound.
type verdict string

const (
	verdictHolds   verdict = "holds"
	verdictMissed  verdict = "MISSED"
	verdictUnknown verdict = "not measured"
)

// The bounds that are no ratios to other programs.
const (
	overFloor       = 1.4
	overheadRSSMiB  = 48
	latencyMillis   = 2.0
	mergedBytes     = 16 << 10
	tlsCPUPerWireGB = 1.0
)

// claim is one bound that the project promises, and what was found.
type claim struct {
	Text    string  `json:"text"`
	Got     string  `json:"got"`
	Verdict verdict `json:"verdict"`
}

// atMost returns the verdict on got against a limit.
func atMost(got, limit float64) verdict {
	if got <= limit {
		return verdictHolds
	}
	return verdictMissed
}

// ratioBound says by which factor the mirror is cheaper than others on one row, per GB of values.
type ratioBound struct {
	row                  string
	mirrorMaker, kgoLoop float64
}

func ratioBounds() []ratioBound {
	return []ratioBound{
		{"1k-none", 25, 3},
		{"1k-lz4", 60, 20},
		{"1k-zstd", 80, 60},
		{"100b-none", 60, 6},
	}
}

// checkClaims checks every bound, in the order of the table in the README.
func checkClaims(r report) []claim {
	var claims []claim
	for _, b := range ratioBounds() {
		claims = append(claims, r.floorClaim(b.row))
	}
	for _, b := range ratioBounds() {
		claims = append(claims, r.ratioClaim(b.row, programDefault, b.mirrorMaker), r.ratioClaim(b.row, programKgo, b.kgoLoop))
	}
	claims = append(claims, r.memoryClaim())
	for _, d := range datasets() {
		claims = append(claims, r.logClaim(d.Name))
	}
	claims = append(claims, r.latencyClaims()...)
	return append(claims, r.batchClaim(), r.rawClaim(), r.tlsClaim())
}

// floorClaim: the mirror costs hardly more than what no mirror of real brokers avoids.
func (r report) floorClaim(row string) claim {
	c := claim{Text: fmt.Sprintf("%s: CPU per wire GB at most %.1f x the real-broker floor", rowLabel(row), overFloor), Verdict: verdictUnknown}
	mirror, ok := r.find(row, programMirror)
	floor, known := r.find(row, programFloor)
	if ok && known {
		c.Got = fmt.Sprintf("%.3f / %.3f = %.2f x", mirror.wireCPU(), floor.WireCPU, mirror.wireCPU()/floor.WireCPU)
		c.Verdict = atMost(mirror.wireCPU(), overFloor*floor.WireCPU)
	}
	return c
}

func (r report) ratioClaim(row, program string, factor float64) claim {
	c := claim{Text: fmt.Sprintf("%s: CPU per GB of values at most 1/%.0f of %s", rowLabel(row), factor, findProgram(program).label), Verdict: verdictUnknown}
	mirror, ok := r.find(row, programMirror)
	other, known := r.find(row, program)
	if ok && known {
		c.Got = fmt.Sprintf("%.3f / %.2f = 1/%.1f", mirror.valueCPU(), other.ValueCPU, other.ValueCPU/mirror.valueCPU())
		c.Verdict = atMost(factor*mirror.valueCPU(), other.ValueCPU)
	}
	return c
}

func (r report) memoryClaim() claim {
	limit := overheadRSSMiB + r.MemoryMiB
	c := claim{Text: fmt.Sprintf("peak RSS of the mirror on every row at most %d MiB + the budget of %d MiB", overheadRSSMiB, r.MemoryMiB), Verdict: verdictUnknown}
	var peak int64
	for _, s := range r.Summaries {
		if s.Program == programMirror {
			peak = max(peak, s.PeakRSSBytes)
		}
	}
	if peak > 0 {
		c.Got = fmt.Sprintf("%d MiB", peak>>20)
		c.Verdict = atMost(float64(peak), float64(limit)*(1<<20))
	}
	return c
}

func (r report) logClaim(row string) claim {
	c := claim{Text: rowLabel(row) + ": the destination's log is no larger than the source's", Verdict: verdictUnknown}
	if s, ok := r.find(row, programMirror); ok {
		c.Got = fmt.Sprintf("%d / %d bytes", s.LogBytes, s.SourceLogBytes)
		c.Verdict = atMost(float64(s.LogBytes), float64(s.SourceLogBytes))
	}
	return c
}

// latencyClaims: a bound in milliseconds, and one against every peer of the same run.
func (r report) latencyClaims() []claim {
	mirror, ok := r.find(rowLatency, programMirror)
	own := claim{Text: fmt.Sprintf("median append-to-visible latency at 1,000 records/s at most %.0f ms", latencyMillis), Verdict: verdictUnknown}
	if ok {
		own.Got = fmt.Sprintf("%.2f ms", mirror.P50Millis)
		own.Verdict = atMost(mirror.P50Millis, latencyMillis)
	}
	claims := []claim{own}
	for _, p := range programs() {
		if p.start == nil || p.name == programMirror {
			continue
		}
		c := claim{Text: "the same is below that of " + p.label, Verdict: verdictUnknown}
		if other, known := r.find(rowLatency, p.name); ok && known {
			c.Got = fmt.Sprintf("%.2f / %.2f ms", mirror.P50Millis, other.P50Millis)
			c.Verdict = verdictMissed
			if mirror.P50Millis < other.P50Millis {
				c.Verdict = verdictHolds
			}
		}
		claims = append(claims, c)
	}
	return claims
}

func (r report) batchClaim() claim {
	c := claim{Text: fmt.Sprintf("batches of ten records are merged: the median at the destination has at least %d KiB", mergedBytes>>10), Verdict: verdictUnknown}
	if s, ok := r.find(rowTiny, programMirror); ok {
		c.Got = fmt.Sprintf("%.1f KiB", float64(s.BatchBytes)/(1<<10))
		c.Verdict = atMost(mergedBytes, float64(s.BatchBytes))
	}
	return c
}

// rawClaim compares with the floor of the same topic, which sends the source's batches as they are and leaves out most
// of what a forwarder must do beside. The mirror's whole run counts, because it merges ahead of what can be seen.
func (r report) rawClaim() claim {
	c := claim{Text: "merging batches of ten records costs less CPU than forwarding them raw (the real-broker floor of that topic)", Verdict: verdictUnknown}
	mirror, ok := r.find(rowTiny, programMirror)
	floor, known := r.find(rowTiny, programFloor)
	if ok && known {
		c.Got = fmt.Sprintf("%.2f / %.2f per wire GB", mirror.WholeWireCPU, floor.WireCPU)
		c.Verdict = atMost(mirror.WholeWireCPU, floor.WireCPU)
	}
	return c
}

func (r report) tlsClaim() claim {
	c := claim{Text: fmt.Sprintf("TLS on both legs adds at most %.1f CPU-s per wire GB", tlsCPUPerWireGB), Verdict: verdictUnknown}
	secure, ok := r.find(rowTLS, programMirror)
	plain, known := r.find(tlsData, programMirror)
	if ok && known {
		added := secure.wireCPU() - plain.wireCPU()
		c.Got = fmt.Sprintf("%.2f - %.2f = %+.2f", secure.wireCPU(), plain.wireCPU(), added)
		c.Verdict = atMost(added, tlsCPUPerWireGB)
	}
	return c
}
