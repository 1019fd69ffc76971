package load

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FleetSpec says what [Fleet] writes.
type FleetSpec struct {
	Topics     []string
	Partitions int32         // of each topic; 0 means 1
	Records    int           // to each partition in each round; 0 means 1
	Every      time.Duration // from round to round; 0 means 50 ms, negative as fast as possible
	Rounds     int           // 0 means until ctx ends
	Seed       uint64
	Shapes     Shapes
	Age        time.Duration // as in Spec
}

// Fleet writes to many topics with one client: each round some records to every partition of every topic, so that all of
// them flow all the time and cost few requests. It returns when all is settled, with one report for each topic, in the
// order of the spec. For the rest it is as [Produce].
func Fleet(ctx context.Context, seeds []string, spec FleetSpec) ([]Report, error) {
	f := newFleet(spec)
	client, err := newClient(seeds, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return nil, err
	}
	lasting, cancel := outlast(ctx, defaultSettle)
	defer cancel()
	f.run(ctx, lasting, client)
	err = client.Flush(lasting)
	client.Close()
	return f.reports(err)
}

// fleet is the run of a Fleet; fates are filled by the client's goroutine.
type fleet struct {
	spec    FleetSpec
	started time.Time
	ids     []uint64 // by topic, as the rest
	fates   []*fates
	next    int64 // sequence of the next record: the same in all partitions
	maker   *maker
}

func newFleet(spec FleetSpec) *fleet {
	spec.Partitions, spec.Records = max(spec.Partitions, 1), max(spec.Records, 1)
	if spec.Every == 0 {
		spec.Every = 50 * time.Millisecond
	}
	f := &fleet{spec: spec, started: time.Now()}
	f.maker = newMaker(spec.Shapes, f.started.Add(-spec.Age).UnixMilli(), spec.Age == 0)
	for i := range spec.Topics {
		f.ids = append(f.ids, mix(mix(spec.Seed)+uint64(i)))
		f.fates = append(f.fates, newFates(spec.Partitions))
	}
	return f
}

// run writes round by round.
func (f *fleet) run(ctx, lasting context.Context, client *kgo.Client) {
	for round := 0; f.spec.Rounds == 0 || round < f.spec.Rounds; round++ {
		due := f.started.Add(time.Duration(round) * max(f.spec.Every, 0))
		if pause(ctx, time.Until(due)) != nil {
			return
		}
		for range f.spec.Records {
			f.write(lasting, client)
		}
	}
}

// write hands one record of every partition to the client.
func (f *fleet) write(ctx context.Context, client *kgo.Client) {
	for i, topic := range f.spec.Topics {
		for partition := range f.spec.Partitions {
			id := Identity{Producer: f.ids[i], Partition: partition, Sequence: f.next}
			record := f.maker.record(id)
			record.Topic = topic
			client.Produce(ctx, record, func(_ *kgo.Record, err error) { f.fates[i].settle(id, err) })
		}
	}
	f.next++
}

// reports closes the books; failed is why some records may be unsettled.
func (f *fleet) reports(failed error) ([]Report, error) {
	all := make([]Report, len(f.ids))
	from, to := make([]int64, f.spec.Partitions), make([]int64, f.spec.Partitions)
	for p := range to {
		to[p] = f.next
	}
	for i, topic := range f.spec.Topics {
		partitions, err := f.fates[i].seal(from, to)
		if failed == nil {
			failed = err
		}
		all[i] = Report{Topic: topic, Shapes: f.spec.Shapes, Fresh: f.maker.fresh, Base: f.maker.base, Started: f.started, Ended: time.Now(),
			Producers: []ProducerReport{{Producer: f.ids[i], Partitions: partitions}}}
	}
	if failed != nil {
		failed = fmt.Errorf("produce to %d topics: %w", len(all), failed)
	}
	return all, failed
}
