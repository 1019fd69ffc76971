package park

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/pkg/batch"
	"tributary/pkg/kafka"
	"tributary/pkg/mirror"
)

// samples are one parked record of each kind.
func samples() []mirror.Parked {
	at := mirror.Parked{Link: "edge-region", Cluster: "c1", Source: mirror.TopicPartition{Topic: "clicks", Partition: 3},
		Dest: mirror.TopicPartition{Topic: "eu/clicks", Partition: 1}, From: 40, To: 41, LeaderEpoch: 7, Timestamp: 1234, Reason: mirror.SkipNullKey, Why: "no key"}
	null, full, whole := at, at, at
	null.Record = &batch.Record{Offset: 40, Timestamp: 1234}
	full.From, full.To, full.Timestamp = 41, 42, -1
	full.Record = &batch.Record{Offset: 41, Timestamp: -1, Key: []byte{}, Value: []byte{}, Headers: []batch.Header{{Key: headerKind, Value: []byte("mine")}, {Key: ""}, {Key: headerError}}}
	whole.From, whole.To, whole.Reason, whole.Batch = 50, 60, mirror.SkipCorrupt, []byte("whatever there was")
	return []mirror.Parked{null, full, whole}
}

func TestEntriesAreReadBack(t *testing.T) {
	for _, want := range samples() {
		b := batch.Build([]batch.Record{encode(want, 99)})
		records, err := b.Records(0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(records[0])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestForeignRecordsAreTold(t *testing.T) {
	good := encode(samples()[0], 1)
	change := func(do func(h []batch.Header) []batch.Header) batch.Record {
		r := good
		r.Headers = do(append([]batch.Header(nil), good.Headers...))
		return r
	}
	for name, r := range map[string]batch.Record{
		"no headers":     {Value: []byte("x")},
		"one missing":    change(func(h []batch.Header) []batch.Header { return h[1:] }),
		"one behind":     change(func(h []batch.Header) []batch.Header { return append(h, batch.Header{Key: "x"}) }),
		"unknown kind":   change(func(h []batch.Header) []batch.Header { h[0].Value = []byte("x"); return h }),
		"no number":      change(func(h []batch.Header) []batch.Header { h[5].Value = []byte("x"); return h }),
		"no destination": change(func(h []batch.Header) []batch.Header { h[9].Value = []byte("clicks"); return h }),
	} {
		if got, err := decode(r); !errors.Is(err, errForeign) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func open(t *testing.T, options ...kfake.Opt) *kafka.Cluster {
	t.Helper()
	fake, err := kfake.NewCluster(append(options, kfake.NumBrokers(2))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c, err := kafka.New("region", kafka.Config{Brokers: fake.ListenAddrs()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// everything lets all entries through.
var everything = Filter{Partition: -1, Offset: -1}

func list(t *testing.T, c *kafka.Cluster, f Filter) []mirror.Parked {
	t.Helper()
	var got []mirror.Parked
	if _, err := List(t.Context(), c, f, func(e Entry) error {
		if e.Cluster != "region" || time.Since(time.UnixMilli(e.ParkedAt)) > time.Minute {
			t.Errorf("entry %+v", e)
		}
		got = append(got, e.Parked)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestParkListAndReplay(t *testing.T) {
	c := open(t, kfake.SeedTopics(2, "eu.clicks"))
	if got := list(t, c, everything); len(got) != 0 {
		t.Errorf("listed %+v before there is a topic", got)
	}
	lot := NewLot(Config{Create: true, Replicas: 1}, c)
	all := samples()
	for i := range all {
		all[i].Dest.Topic = "eu.clicks"
	}
	for _, some := range [][]mirror.Parked{all[:2], all[2:], all[1:2]} { // one of them twice
		if err := lot.Park(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := list(t, c, everything), append(all, all[1]); !reflect.DeepEqual(got, want) {
		t.Errorf("listed %+v, want %+v", got, want)
	}
	for _, test := range []struct {
		f    Filter
		want int
	}{{Filter{Link: "other", Partition: -1, Offset: -1}, 0}, {Filter{Topic: "clicks", Partition: 3, Offset: 55}, 1}, {Filter{Topic: "clicks", Partition: 2, Offset: -1}, 0}, {Filter{Partition: -1, Offset: 41}, 2}} {
		if got := list(t, c, test.f); len(got) != test.want {
			t.Errorf("%+v: listed %d, want %d", test.f, len(got), test.want)
		}
	}
	settings, err := c.TopicConfigs(t.Context(), []string{Topic})
	if err != nil || settings[Topic]["retention.ms"] != "-1" {
		t.Errorf("settings %v, %v", settings[Topic], err)
	}
	replay(t, c)
}

func replay(t *testing.T, c *kafka.Cluster) {
	t.Helper()
	for _, dry := range []bool{true, false} {
		var notes []string
		err := Replayer{Cluster: c, DryRun: dry}.Run(t.Context(), everything, func(r Replayed) error {
			switch {
			case errors.Is(r.Err, ErrUndecodable):
				notes = append(notes, "undecodable")
			case r.Err != nil:
				return r.Err
			case r.Again:
				notes = append(notes, "again")
			case r.Offset >= 0:
				notes = append(notes, "written")
			default:
				notes = append(notes, "would be")
			}
			return nil
		})
		want := "written written undecodable again"
		if dry {
			want = "would be would be undecodable again"
		}
		if got := strings.Join(notes, " "); err != nil || got != want {
			t.Errorf("dry %v: got %s, %v, want %s", dry, got, err, want)
		}
	}
	data, err := c.Read(t.Context(), "eu.clicks", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range samples()[:2] {
		b, rest, err := batch.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		data = rest
		got, err := b.Records(0)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		w := *want.Record
		w.Offset = got[0].Offset
		if !reflect.DeepEqual(got[0], w) {
			t.Errorf("replayed %+v, want %+v", got[0], w)
		}
	}
}

func TestUnparkable(t *testing.T) {
	c := open(t)
	err := NewLot(Config{}, c).Park(t.Context(), samples())
	if !errors.Is(err, mirror.ErrUnparkable) || !strings.Contains(err.Error(), "create: false") {
		t.Errorf("without the topic and the right to create it: %v", err)
	}
	if err := c.CreateTopic(t.Context(), kafka.NewTopic{Name: Topic, Partitions: 1, Replication: 1, Configs: map[string]string{"max.message.bytes": "1000"}}); err != nil {
		t.Fatal(err)
	}
	large := samples()[:1]
	large[0].Record.Value = make([]byte, 5000)
	lot := NewLot(Config{}, c)
	if err := lot.Park(t.Context(), large); !errors.Is(err, mirror.ErrUnparkable) {
		t.Errorf("a record that is too large: %v", err)
	}
	if err := lot.Park(t.Context(), samples()); err != nil {
		t.Errorf("another one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lot.Park(ctx, samples()); err == nil || errors.Is(err, mirror.ErrUnparkable) {
		t.Errorf("a stop: %v, want an error that is not for good", err)
	}
}
