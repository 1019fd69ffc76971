package load

// Without returns the report as if the brokers had refused the sequences of lost in one partition: of all producers,
// those below lost.To and not below lost.From. So an [Audit] proves that exactly these are missing.
func (r Report) Without(partition int32, lost Range) Report {
	producers := make([]ProducerReport, len(r.Producers))
	for i, producer := range r.Producers {
		producers[i] = ProducerReport{Producer: producer.Producer, Partitions: append([]PartitionReport(nil), producer.Partitions...)}
		for j, p := range producers[i].Partitions {
			if p.Partition == partition {
				producers[i].Partitions[j] = p.without(lost)
			}
		}
	}
	r.Producers = producers
	return r
}

func (p PartitionReport) without(lost Range) PartitionReport {
	if lost.From >= lost.To {
		return p
	}
	var kept, moved []Range
	for _, run := range p.Acked {
		if before := (Range{run.From, min(run.To, lost.From)}); before.From < before.To {
			kept = append(kept, before)
		}
		if within := (Range{max(run.From, lost.From), min(run.To, lost.To)}); within.From < within.To {
			moved = append(moved, within)
		}
		if behind := (Range{max(run.From, lost.To), run.To}); behind.From < behind.To {
			kept = append(kept, behind)
		}
	}
	p.Acked, p.Refused = kept, addRanges(append([]Range(nil), p.Refused...), moved)
	return p
}
