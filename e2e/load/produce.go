package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Produce writes the records of spec and returns when all of them are settled.
// It rides out broker restarts: acknowledgements of all in-sync replicas,
// idempotent, retried without limit. The end of ctx stops the writing, not the
// waiting for what was already written (see [Spec.Settle]), and is no error.
//
// The report is right also when the error is not nil: the error then says why
// some records were refused or remained unknown.
func Produce(ctx context.Context, seeds []string, spec Spec) (Report, error) {
	spec = spec.withDefaults()
	if err := spec.validate(); err != nil {
		return Report{}, fmt.Errorf("check spec: %w", err)
	}
	started := time.Now()
	report := Report{
		Topic: spec.Topic, Shapes: spec.Shapes, Fresh: spec.Age == 0,
		Base: started.Add(-spec.Age).UnixMilli(), Started: started,
		Producers: make([]ProducerReport, spec.Producers),
	}
	failures := make([]error, spec.Producers)
	var wg sync.WaitGroup
	for i := range spec.Producers {
		wg.Go(func() {
			report.Producers[i], failures[i] = produceOne(ctx, seeds, spec, report, i)
		})
	}
	wg.Wait()
	report.Ended = time.Now()
	return report, errors.Join(failures...)
}

// producer is one client's run. All of it belongs to the producing goroutine,
// except fates, which the client's goroutine fills.
type producer struct {
	spec    Spec
	client  *kgo.Client
	id      uint64
	maker   *maker
	exact   int // records per batch, 0 when the client decides
	started time.Time
	rate    float64 // records per second, 0 for no limit

	sent  int64
	next  []int64 // next sequence by partition
	fates *fates
}

func produceOne(ctx context.Context, seeds []string, spec Spec, report Report, index int) (ProducerReport, error) {
	id := mix(mix(spec.Seed) + uint64(index))
	p := &producer{
		spec: spec, id: id, maker: newMaker(spec.Shapes, report.Base, report.Fresh),
		exact: spec.batchRecords(index), started: report.Started, rate: spec.Rate / float64(spec.Producers),
		next: make([]int64, spec.Partitions), fates: newFates(spec.Partitions),
	}
	opts, err := p.options()
	if err != nil {
		return ProducerReport{Producer: id}, err
	}
	if p.client, err = newClient(seeds, opts...); err != nil {
		return ProducerReport{Producer: id}, err
	}
	lasting, cancel := outlast(ctx, spec.Settle)
	defer cancel()
	if spec.Transactions != nil {
		err = p.runTransactions(ctx, lasting, spec.share(index))
	} else {
		err = p.run(ctx, lasting, spec.share(index))
	}
	p.client.Close()
	partitions, failed := p.fates.seal(make([]int64, spec.Partitions), p.next)
	if err = errors.Join(err, failed); err != nil {
		err = fmt.Errorf("produce to %s as %016x: %w", spec.Topic, id, err)
	}
	return ProducerReport{Producer: id, Partitions: partitions}, err
}

// outlast returns a context that ends a while after ctx does.
func outlast(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	timer := time.AfterFunc(math.MaxInt64, cancel)
	stop := context.AfterFunc(ctx, func() { timer.Reset(while) })
	return lasting, func() {
		stop()
		timer.Stop()
		cancel()
	}
}

func (p *producer) options() ([]kgo.Opt, error) {
	codec, err := p.spec.Codec.option()
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.DefaultProduceTopic(p.spec.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec),
		kgo.UnknownTopicRetries(-1),
	}
	if p.exact > 0 {
		opts = append(opts, kgo.ManualFlushing(), kgo.MaxBufferedRecords(p.chunk()+1))
	} else {
		opts = append(opts, kgo.ProducerLinger(5*time.Millisecond))
	}
	if p.spec.Transactions != nil {
		opts = append(opts, kgo.TransactionalID(fmt.Sprintf("load-%016x", p.id)), kgo.TransactionTimeout(time.Minute))
	}
	return opts, nil
}

// chunk is the number of records written between two looks at ctx and clock:
// one batch to each partition when batches have an exact size.
func (p *producer) chunk() int {
	if p.exact > 0 {
		return p.exact * int(p.spec.Partitions)
	}
	if p.rate > 0 {
		return min(naturalChunk, max(1, int(p.rate/100))) // a hundred looks a second
	}
	return naturalChunk
}

// run writes up to limit records (-1: no limit) until ctx ends, then waits.
func (p *producer) run(ctx, lasting context.Context, limit int64) error {
	for p.sent != limit && p.pace(ctx) {
		if err := p.write(lasting, p.upTo(p.chunk(), limit), p.fates); err != nil {
			return err
		}
	}
	return p.flush(lasting)
}

// upTo returns n, or what is left of limit (-1: no limit) when that is less.
func (p *producer) upTo(n int, limit int64) int {
	if limit < 0 {
		return n
	}
	return int(min(int64(n), limit-p.sent))
}

// pace waits until the rate allows the next record. It returns false when ctx
// has ended.
func (p *producer) pace(ctx context.Context) bool {
	var wait time.Duration
	if p.rate > 0 {
		due := p.started.Add(time.Duration(float64(p.sent) / p.rate * float64(time.Second)))
		wait = time.Until(due)
	}
	return pause(ctx, wait) == nil
}

// write hands n records to the client, each to the next partition, and flushes
// them when batches have an exact size.
func (p *producer) write(lasting context.Context, n int, into *fates) error {
	for range n {
		partition := int32(p.sent % int64(p.spec.Partitions))
		id := Identity{Producer: p.id, Partition: partition, Sequence: p.next[partition]}
		p.next[partition]++
		p.sent++
		p.client.Produce(lasting, p.maker.record(id), func(_ *kgo.Record, err error) { into.settle(id, err) })
	}
	if p.exact > 0 {
		return p.flush(lasting)
	}
	return nil
}

// flush waits until everything written is settled.
func (p *producer) flush(lasting context.Context) error {
	if err := p.client.Flush(lasting); err != nil {
		return fmt.Errorf("wait for outstanding records until %v after the end: %w", p.spec.Settle, err)
	}
	return nil
}
