package app

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

// demoLane is one partition at an edge. The records produced to it are not kept: seed, lane and number give each of them
// again, but for its time.
type demoLane struct {
	edge      string
	partition int32
	times     []int64 // of the records that the edge acknowledged, ms; owned by the producer, then by the comparison
}

func (l *demoLane) name() string { return fmt.Sprintf("%s/%d", l.edge, l.partition) }

// demoRecord is all that a copy must keep of a record, but for its time.
type demoRecord struct {
	key, value []byte // nil is null
	headers    []sarama.RecordHeader
}

// demoIdentity is the header that names a record: lane and number. It is there whatever key and value are.
const demoIdentity = "id"

// record makes the n-th record of a lane. Null and empty keys, values and headers and repeated headers are among them: a
// copy that decodes and encodes again tends to mix them up.
func (l *demoLane) record(seed uint64, n int64) demoRecord {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", l.name(), n)
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	id := fmt.Sprintf("%s/%d", l.name(), n)
	user := fmt.Sprintf("user-%05d", rng.IntN(5000))
	r := demoRecord{key: []byte(user), value: demoEvent(rng, id, user),
		headers: []sarama.RecordHeader{{Key: []byte(demoIdentity), Value: []byte(id)}, {Key: []byte("trace"), Value: []byte(fmt.Sprintf("%016x", rng.Uint64()))}}}
	switch {
	case n%7 == 3:
		r.key = nil
	case n%11 == 5:
		r.key = []byte{}
	}
	switch {
	case n%13 == 6:
		r.value = nil
	case n%17 == 8:
		r.value = []byte{}
	}
	if n%5 == 4 {
		r.headers = append(r.headers, sarama.RecordHeader{Key: []byte("hop"), Value: []byte("1")}, sarama.RecordHeader{Key: []byte("hop"), Value: []byte("2")},
			sarama.RecordHeader{Key: []byte("null")}, sarama.RecordHeader{Key: []byte("empty"), Value: []byte{}})
	}
	return r
}

// demoEvent makes an event as an ad server would.
func demoEvent(rng *rand.Rand, id, user string) []byte {
	kinds := [...]string{"impression", "impression", "impression", "click", "viewable", "conversion"}
	countries := [...]string{"DE", "FR", "US", "BR", "IN", "JP", "PL", "ES"}
	return fmt.Appendf(nil, `{"id":"%s","type":"%s","campaign":%d,"creative":%d,"micros":%d,"user":"%s","country":"%s","auction":"%016x"}`,
		id, kinds[rng.IntN(len(kinds))], 100000+rng.IntN(5000), 7000000+rng.IntN(90000), rng.IntN(5_000_000), user, countries[rng.IntN(len(countries))], rng.Uint64())
}

// demoOrigin takes a record's identity apart; ok is false when it has none.
func demoOrigin(headers []*sarama.RecordHeader) (lane string, n int64, ok bool) {
	for _, h := range headers {
		if string(h.Key) != demoIdentity {
			continue
		}
		id := string(h.Value)
		cut := strings.LastIndexByte(id, '/')
		if cut < 0 {
			return "", 0, false
		}
		n, err := strconv.ParseInt(id[cut+1:], 10, 64)
		return id[:cut], n, err == nil
	}
	return "", 0, false
}
