package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// runTransactions writes up to limit records (-1: no limit) in transactions
// until ctx ends. The transaction under way is always ended.
func (p *producer) runTransactions(ctx, lasting context.Context, limit int64) error {
	coin := rand.New(rand.NewPCG(p.id, 1)) // which transactions abort depends on the seed alone
	for p.sent != limit && p.pace(ctx) {
		if err := persist(lasting, p.client.BeginTransaction); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		wanted := kgo.TryCommit
		if coin.Float64() < p.spec.Transactions.AbortRatio {
			wanted = kgo.TryAbort
		}
		records, from := newFates(p.spec.Partitions), slices.Clone(p.next)
		err := p.fillTransaction(lasting, limit, records)
		if err != nil || records.cause() != nil {
			wanted = kgo.TryAbort
		}
		partitions, failed := records.seal(from, p.next)
		p.fates.fail(failed)
		how, endErr := p.endTransaction(lasting, wanted)
		p.fates.adopt(partitions, how)
		if err := errors.Join(err, endErr); err != nil {
			return err
		}
	}
	return nil
}

// fillTransaction writes one transaction's records and waits for them, so that
// also those of an aborted one are in the log.
func (p *producer) fillTransaction(lasting context.Context, limit int64, records *fates) error {
	for left := p.upTo(p.spec.Transactions.Records, limit); left > 0; {
		n := min(left, p.chunk())
		if err := p.write(lasting, n, records); err != nil {
			return err
		}
		left -= n
	}
	return p.flush(lasting)
}

// endTransaction ends the transaction as wanted if it can. A commit that fails
// is followed by an abort, which makes the client usable again, but proves
// something about the records only when the commit was not attempted. A failed
// abort never makes records visible.
func (p *producer) endTransaction(lasting context.Context, wanted kgo.TransactionEndTry) (outcome, error) {
	how := aborted
	if wanted == kgo.TryCommit {
		err := p.client.EndTransaction(lasting, kgo.TryCommit)
		if err == nil {
			return committed, nil
		}
		if !errors.Is(err, kerr.OperationNotAttempted) && !errors.Is(err, kerr.TransactionAbortable) {
			how = doubtful
			p.fates.fail(fmt.Errorf("commit transaction: %w", err))
		}
	}
	abort := func() error { return p.client.EndTransaction(lasting, kgo.TryAbort) }
	if err := persist(lasting, abort); err != nil {
		return how, fmt.Errorf("abort transaction: %w", err)
	}
	return how, nil
}

// persist repeats do until it succeeds, a broker says no for good, or ctx ends.
// The client itself gives up on lost connections and moving coordinators.
func persist(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || permanent(err) {
			return err
		}
		if pause(ctx, persistPause) != nil {
			return err
		}
	}
}

const persistPause = 500 * time.Millisecond
