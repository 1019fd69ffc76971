package znode

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"tributary/pkg/ownership/plan"
)

// Report is what a member tells the leader.
type Report struct {
	Topics map[string]int     // offered: the source's topics that are to be mirrored, with their numbers of partitions
	Loads  map[plan.Unit]Load // of the units that the member owns
	Able   bool               // the member gets on with both clusters
}

// Load is what a unit costs.
type Load struct {
	BytesPerSecond float64
	Stuck          bool // nothing was acknowledged for a minute though there is something to send
}

// A name stands in the text once, as 2,000 of 249 bytes must fit.
type reportForm struct {
	format
	Topics list[topicReport] `json:"topics"`
	Able   bool              `json:"able,omitempty"`
}

type topicReport struct {
	Topic      string           `json:"topic"`
	Partitions int              `json:"partitions,omitempty"` // 0: not offered
	Units      list[unitReport] `json:"units,omitempty"`
}

type unitReport struct {
	Part  int     `json:"part,omitempty"`
	Of    int     `json:"of"`
	Rate  float64 `json:"rate,omitempty"` // bytes per second
	Stuck bool    `json:"stuck,omitempty"`
}

// Encode returns the content of the node.
func (r Report) Encode() ([]byte, error) {
	units := map[string]list[unitReport]{}
	for _, u := range slices.SortedFunc(maps.Keys(r.Loads), plan.Unit.Compare) {
		units[u.Topic] = append(units[u.Topic], unitReport{u.Part, u.Of, r.Loads[u].BytesPerSecond, r.Loads[u].Stuck})
	}
	topics := map[string]bool{}
	for t := range r.Topics {
		topics[t] = true
	}
	for t := range units {
		topics[t] = true
	}
	f := reportForm{format: format{formatNumber}, Topics: list[topicReport]{}, Able: r.Able}
	for _, t := range slices.Sorted(maps.Keys(topics)) {
		f.Topics = append(f.Topics, topicReport{t, r.Topics[t], units[t]})
	}
	if _, err := f.report(); err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return encode("report", f)
}

// DecodeReport reads the content of a report.
func DecodeReport(data []byte) (Report, error) {
	var f reportForm
	if err := decode(data, &f); err != nil {
		return Report{}, fmt.Errorf("decode report: %w", err)
	}
	r, err := f.report()
	if err != nil {
		return Report{}, fmt.Errorf("decode report: %w", err)
	}
	return r, nil
}

func (f reportForm) report() (Report, error) {
	r := Report{Topics: map[string]int{}, Loads: map[plan.Unit]Load{}, Able: f.Able}
	if f.Topics == nil {
		return Report{}, errors.New("topics are missing")
	}
	seen := map[string]bool{}
	for _, t := range f.Topics {
		if err := checkTopic(t.Topic); err != nil {
			return Report{}, err
		}
		if seen[t.Topic] {
			return Report{}, fmt.Errorf("topic %s is there twice", t.Topic)
		}
		seen[t.Topic] = true
		if t.Partitions != 0 {
			if err := checkPartitions(t.Topic, t.Partitions); err != nil {
				return Report{}, err
			}
			r.Topics[t.Topic] = t.Partitions
		}
		if err := r.add(t); err != nil {
			return Report{}, err
		}
	}
	return r, nil
}

// add takes the units of a topic. They may be of different Of, as while a topic is being cut, but may not overlap.
func (r Report) add(t topicReport) error {
	var units []plan.Unit
	for _, l := range t.Units {
		u := plan.Unit{Topic: t.Topic, Part: l.Part, Of: l.Of}
		if !u.Valid() || slices.ContainsFunc(units, u.Overlaps) {
			return fmt.Errorf("topic %s: part %d of %d is none, or overlaps another", t.Topic, l.Part+1, l.Of)
		}
		if err := checkNumber("rate of "+u.String(), l.Rate, 0, maxRate); err != nil {
			return err
		}
		units = append(units, u)
		r.Loads[u] = Load{l.Rate, l.Stuck}
	}
	return nil
}
