package heartbeat

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/pkg/lag"
)

func moment(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0).UTC() }

// complete is a record with everything.
func complete() Record {
	return Record{Origin: "ad-17", Cluster: "edge", Incarnation: 1_700_000_000_000, Sequence: 40, Time: moment(0), Interval: 10 * time.Second, Unsure: spans{{3, 5}, {7, 40}},
		Former: &former{1_600_000_000_000, 9, spans{{1, 2}}}, Summary: &lag.HeartbeatSummary{Version: "v1.2", State: "copying", Lag: new(1500 * time.Millisecond), LossDeadline: new(moment(3600)), DiskFullAt: new(moment(7200)), Eligible: new(true), NotOK: 3}}
}

func encoded(t *testing.T, r Record) string {
	t.Helper()
	value, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func TestRecordsAreReadBack(t *testing.T) {
	bare := Record{Origin: "a", Cluster: "b", Incarnation: 1, Time: moment(1), Interval: time.Second}
	nothing := complete()
	nothing.Summary = &lag.HeartbeatSummary{}
	for name, want := range map[string]Record{"complete": complete(), "bare": bare, "nothing known": nothing} {
		got, err := parse([]byte(want.Origin), []byte(encoded(t, want)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

// What a reader would refuse is not written: a text that is no word, a time that is none.
func TestWhatIsWrittenCanBeRead(t *testing.T) {
	r := complete()
	r.Summary.Version, r.Summary.State = strings.Repeat("é\n", 100), "bad\x00state"
	r.Summary.LossDeadline, r.Summary.DiskFullAt = new(time.Unix(-1, 0)), new(time.Date(30_000, 1, 1, 0, 0, 0, 0, time.UTC))
	got, err := parse([]byte("ad-17"), []byte(encoded(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Summary; len(s.Version) != maxWordBytes || s.State != "bad?state" || s.LossDeadline != nil || s.DiskFullAt != nil {
		t.Errorf("got %+v", s)
	}
}

func TestARecordIsSmall(t *testing.T) {
	r := complete()
	r.Origin, r.Cluster = strings.Repeat("o", maxNameBytes), strings.Repeat("c", maxNameBytes)
	r.Sequence, r.Unsure = maxSequence, nil
	for i := range int64(maxSpans) {
		r.Unsure = append(r.Unsure, span{maxSequence - 1000 + 3*i, maxSequence - 999 + 3*i})
	}
	r.Former = &former{r.Incarnation - 1, maxSequence, r.Unsure}
	r.Summary.Version, r.Summary.State = strings.Repeat("v", 200), "destination_throttled"
	value := encoded(t, r)
	if len(value) > maxRecordBytes/2 {
		t.Errorf("the largest record has %d bytes", len(value))
	}
	if _, err := parse([]byte(r.Origin), []byte(value)); err != nil {
		t.Error(err)
	}
	r.Unsure, r.Former = nil, nil
	if summary := encoded(t, r); len(summary) > 1<<10 {
		t.Errorf("without unsure spans it has %d bytes, want 1 KiB at most", len(summary))
	}
}

func TestForeignRecordsAreRefused(t *testing.T) {
	good := encoded(t, complete())
	if _, err := parse([]byte("ad-17"), []byte(strings.Replace(good, `"v":1`, `"v":1,"later":{"x":1}`, 1))); err != nil {
		t.Errorf("a field that is not known: %v", err)
	}
	for name, change := range map[string][2]string{
		"another version":     {`"v":1`, `"v":2`},
		"no version":          {`"v":1,`, ``},
		"no JSON":             {`{"v"`, `{v`},
		"something behind":    {`"not_ok":3}}`, `"not_ok":3}} {}`},
		"another type":        {`"sequence":40`, `"sequence":"40"`},
		"a broken number":     {`"sequence":40`, `"sequence":4.5`},
		"no origin":           {`"origin":"ad-17"`, `"origin":""`},
		"another origin":      {`"origin":"ad-17"`, `"origin":"ad-18"`},
		"a cluster with a /":  {`"cluster":"edge"`, `"cluster":"../edge"`},
		"a negative sequence": {`"sequence":40`, `"sequence":-1`},
		"a huge sequence":     {`"sequence":40`, `"sequence":9007199254740993`},
		"no incarnation":      {`"incarnation":1700000000000`, `"incarnation":0`},
		"no time":             {`"time":1700000000000`, `"time":0`},
		"a far time":          {`"time":1700000000000`, `"time":253402300800000`},
		"no interval":         {`"interval_ms":10000`, `"interval_ms":0`},
		"a long interval":     {`"interval_ms":10000`, `"interval_ms":86400001`},
		"a later former one":  {`"incarnation":1600000000000`, `"incarnation":1700000000000`},
		"a former one of -1":  {`"next":9`, `"next":-1`},
		"a former span":       {`[1,2]`, `[1,20]`},
		"an empty span":       {`[3,5]`, `[3,3]`},
		"a span backwards":    {`[3,5]`, `[5,3]`},
		"spans out of order":  {`[3,5]`, `[3,8]`},
		"a span ahead":        {`[7,40]`, `[7,41]`},
		"a span below 0":      {`[3,5]`, `[-3,5]`},
		"too many spans":      {`[3,5]`, `[0,1]` + strings.Repeat(`,[1,2]`, maxSpans)},
		"a long version":      {`"v1.2"`, `"` + strings.Repeat("v", maxWordBytes+1) + `"`},
		"a state with \\e":    {`"copying"`, `"\u001b[2J"`},
		"a negative lag":      {`"lag_seconds":1.5`, `"lag_seconds":-1`},
		"a huge lag":          {`"lag_seconds":1.5`, `"lag_seconds":1e300`},
		"a deadline at 0":     {`"loss_deadline":1700003600000`, `"loss_deadline":0`},
		"a negative count":    {`"not_ok":3`, `"not_ok":-3`},
		"too long":            {`"v":1`, `"pad":"` + strings.Repeat("x", maxRecordBytes) + `","v":1`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: nothing was changed in %s", name, good)
		}
		if got, err := parse([]byte("ad-17"), []byte(text)); !errors.Is(err, errForeign) || !reflect.DeepEqual(got, Record{}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := parse(nil, []byte(good)); !errors.Is(err, errForeign) {
		t.Errorf("without a key: %v", err)
	}
}

// FuzzRecord holds that nothing that anybody may have written harms a reader, and that what is accepted can be written again.
func FuzzRecord(f *testing.F) {
	value, err := complete().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("ad-17"), value)
	f.Add([]byte("a"), []byte(`{"v":1,"origin":"a","cluster":"b","incarnation":1,"sequence":0,"time":1,"interval_ms":1,"summary":null}`))
	f.Add([]byte{}, []byte(`{}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		got, err := parse(key, value)
		if err != nil {
			if !errors.Is(err, errForeign) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := got.encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := parse(key, again)
		if err != nil {
			t.Fatalf("what was accepted is refused when written again: %v: %s", err, again)
		}
		l := newLedger()
		if l.take(got, moment(0), true); len(l.show(moment(1), "")) != 1 {
			t.Fatal("it is not shown")
		}
		if got.Summary != nil && got.Summary.Lag != nil { // a float may lose a nanosecond
			got.Summary.Lag, second.Summary.Lag = nil, nil
		}
		if !reflect.DeepEqual(got, second) {
			t.Fatalf("got %+v, then %+v", got, second)
		}
	})
}
