package load

import (
	"errors"
	"fmt"
	"time"
)

// Spec says what [Produce] writes.
type Spec struct {
	Topic      string
	Partitions int32 // written round robin, 0 to Partitions-1; 1 to 65536
	Records    int64 // in total, aborted ones included; 0 means until ctx ends
	Producers  int   // clients at the same moment, each with its own identity; 0 means 1
	Seed       uint64

	Shapes Shapes
	Codec  Codec

	// BatchRecords lists batch sizes in records; producer i uses entry i modulo
	// its length. Batches have exactly that many records unless they would
	// exceed 1 MB, or the client cuts one in two, as it does now and then. 0, or an empty list, leaves batching to the client.
	BatchRecords []int

	// Rate is the number of records per second of all producers together; 0
	// means as fast as possible.
	Rate float64

	// Age is how old record timestamps are: 0 stamps each record with the
	// clock ("fresh"), 48 h makes the backlog of an edge that was cut off.
	Age time.Duration

	// Transactions, when set, makes every producer transactional. With two or
	// more producers their transactions interleave in every partition.
	Transactions *Transactions

	// Settle bounds the wait for outstanding acknowledgements after ctx ended;
	// 0 means two minutes. What is unsettled then is reported as unknown, with
	// an error. While ctx lasts, the wait has no bound.
	Settle time.Duration
}

// Transactions says how records are grouped into transactions.
type Transactions struct {
	Records    int     // per transaction; 0 means 100
	AbortRatio float64 // share of transactions that are aborted, 0 to 1
}

const (
	defaultSettle             = 2 * time.Minute
	defaultTransactionRecords = 100
	maxPartitions             = 1 << 16 // what an identity can hold
	maxBatchRecords           = 100_000
	naturalChunk              = 1000 // records between two looks at ctx and clock
)

func (s Spec) withDefaults() Spec {
	if s.Producers == 0 {
		s.Producers = 1
	}
	if s.Settle == 0 {
		s.Settle = defaultSettle
	}
	if s.Transactions != nil && s.Transactions.Records == 0 {
		txn := *s.Transactions
		txn.Records = defaultTransactionRecords
		s.Transactions = &txn
	}
	return s
}

func (s Spec) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(s.Topic != "", "topic is empty")
	check(s.Partitions > 0 && s.Partitions <= maxPartitions, "partitions: %d is not in 1..%d", s.Partitions, maxPartitions)
	check(s.Records >= 0, "records: %d is negative", s.Records)
	check(s.Producers > 0, "producers: %d is not positive", s.Producers)
	check(s.Rate >= 0, "rate: %v is negative", s.Rate)
	check(s.Settle > 0, "settle: %v is not positive", s.Settle)
	for _, n := range s.BatchRecords {
		check(n >= 0 && n <= maxBatchRecords, "batch records: %d is not in 0..%d", n, maxBatchRecords)
	}
	if t := s.Transactions; t != nil {
		check(t.Records > 0, "transaction records: %d is not positive", t.Records)
		check(t.AbortRatio >= 0 && t.AbortRatio <= 1, "abort ratio: %v is not in 0..1", t.AbortRatio)
	}
	return errors.Join(problems...)
}

// batchRecords returns the batch size of one producer, 0 for natural batching.
func (s Spec) batchRecords(producer int) int {
	if len(s.BatchRecords) == 0 {
		return 0
	}
	return s.BatchRecords[producer%len(s.BatchRecords)]
}

// share returns how many records one producer writes, or -1 for no limit.
func (s Spec) share(producer int) int64 {
	if s.Records == 0 {
		return -1
	}
	share := s.Records / int64(s.Producers)
	if int64(producer) < s.Records%int64(s.Producers) {
		share++
	}
	return share
}
