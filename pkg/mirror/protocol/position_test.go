package protocol

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func somePosition(r *rand.Rand) Position {
	return Position{
		Source: r.Int64(), SourceEpoch: r.Int32() - 1, ProducerID: r.Int64(), Epoch: int16(r.IntN(2) * r.IntN(math.MaxInt16+1)),
		Sequence: r.Int32(), Dest: r.Int64(), DestEpoch: r.Int32() - 1, Generation: int32(r.IntN(2) * r.IntN(math.MaxInt32)),
	}
}

func TestPositionRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		want := somePosition(r)
		place := Place{"lkc-4L6g3nShT-eMCtK--X86sw", strings.Repeat("t", r.IntN(250))}
		text := want.Metadata(place)
		got, to, err := ParsePosition(want.Source, want.SourceEpoch, text)
		if place.Topic == "" {
			place = Place{}
		}
		if err != nil || got != want || to != place {
			t.Fatalf("%s: got %+v to %+v, %v, want %+v to %+v", text, got, to, err, want, place)
		}
		if len(text) > 200+300 {
			t.Fatalf("got %d bytes of metadata, want at most 500: %s", len(text), text)
		}
	}
}

// TestPositionForm pins the text, which outlives the program that wrote it.
func TestPositionForm(t *testing.T) {
	tests := map[string]struct {
		position Position
		to       Place
		want     string
	}{
		"with place":      {Position{8, 2, 7001, 0, 42, 99, 3, 0}, Place{"id", "eu.clicks"}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3,"to":{"c":"id","t":"eu.clicks"}}`},
		"no topic":        {Position{8, 2, 7001, 0, 42, 99, 3, 0}, Place{"id", ""}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3}`},
		"long":            {Position{8, 2, 7001, 0, 42, 99, 3, 0}, Place{"id", strings.Repeat("t", 299)}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3}`},
		"no text":         {Position{8, 2, 7001, 0, 42, 99, 3, 0}, Place{"\xff", "clicks"}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3}`},
		"in need of \\\\": {Position{8, 2, 7001, 0, 42, 99, 3, 0}, Place{"<id>", "clicks"}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3,"to":{"c":"\u003cid\u003e","t":"clicks"}}`},
		"plain":           {Position{8, 2, 7001, 0, 42, 99, 3, 0}, Place{}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3}`},
		"after a skip":    {Position{8, 2, 7001, 0, 42, 99, 3, 1}, Place{}, `{"v":1,"pid":7001,"seq":42,"dst":99,"de":3,"g":1}`},
		"compacted":       {Position{8, -1, 7001, 5, 42, 99, -1, 0}, Place{}, `{"v":1,"pid":7001,"pe":5,"seq":42,"dst":99,"de":-1}`},
		"zero":            {Position{}, Place{}, `{"v":1,"pid":0,"seq":0,"dst":0,"de":0}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.position.Metadata(tt.to); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParsePositionRefuses(t *testing.T) {
	const good = `{"v":1,"pid":7,"seq":42,"dst":99,"de":3}`
	tests := map[string]struct {
		next  int64
		epoch int32
		text  string
		want  string // part of the error
	}{
		"nothing":               {0, -1, "", "read position metadata"},
		"another tool's":        {0, -1, "my note", "read position metadata"},
		"no object":             {0, -1, "7", "read position metadata"},
		"empty object":          {0, -1, "{}", "version 0"},
		"newer version":         {0, -1, strings.Replace(good, `"v":1`, `"v":2`, 1), "version 2"},
		"cut off":               {0, -1, good[:len(good)-1], "read position metadata"},
		"something behind":      {0, -1, good + "{}", "read position metadata"},
		"a number left out":     {0, -1, `{"v":1,"pid":7,"seq":42,"de":3}`, "not written by this program"},
		"null":                  {0, -1, `{"v":1,"pid":7,"seq":null,"dst":99,"de":3}`, "not written by this program"},
		"only a version":        {0, -1, `{"v":1}`, "not written by this program"},
		"another number":        {0, -1, `{"v":1,"pid":7,"seq":42,"dst":99,"de":3,"x":1}`, "not written by this program"},
		"an empty place":        {0, -1, `{"v":1,"pid":7,"seq":42,"dst":99,"de":3,"to":{"c":"","t":""}}`, "not written by this program"},
		"half a place":          {0, -1, `{"v":1,"pid":7,"seq":42,"dst":99,"de":3,"to":{"c":"id"}}`, "not written by this program"},
		"a place and more":      {0, -1, `{"v":1,"pid":7,"seq":42,"dst":99,"de":3,"to":{"c":"id","t":"clicks","p":1}}`, "not written by this program"},
		"no place":              {0, -1, `{"v":1,"pid":7,"seq":42,"dst":99,"de":3,"to":null}`, "not written by this program"},
		"a place of text":       {0, -1, `{"v":1,"pid":7,"seq":42,"dst":99,"de":3,"to":"clicks"}`, "read position metadata"},
		"twice":                 {0, -1, `{"v":1,"pid":7,"pid":8,"seq":42,"dst":99,"de":3}`, "not written by this program"},
		"other case":            {0, -1, `{"v":1,"PID":7,"seq":42,"dst":99,"de":3}`, "not written by this program"},
		"negative offset":       {-1, -1, good, "negative"},
		"negative leader epoch": {0, -2, good, "negative"},
		"negative producer":     {0, -1, strings.Replace(good, `"pid":7`, `"pid":-7`, 1), "negative"},
		"negative epoch":        {0, -1, strings.Replace(good, `"seq"`, `"pe":-1,"seq"`, 1), "negative"},
		"negative sequence":     {0, -1, strings.Replace(good, `42`, `-42`, 1), "negative"},
		"negative destination":  {0, -1, strings.Replace(good, `99`, `-99`, 1), "negative"},
		"negative dest epoch":   {0, -1, strings.Replace(good, `"de":3`, `"de":-2`, 1), "negative"},
		"sequence too large":    {0, -1, strings.Replace(good, `42`, `2147483648`, 1), "read position metadata"},
	}
	if _, _, err := ParsePosition(0, -1, good); err != nil {
		t.Fatalf("the text that the cases are made of: got %v, want none", err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, to, err := ParsePosition(tt.next, tt.epoch, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if got != (Position{}) || to != (Place{}) {
				t.Errorf("got %+v, %+v beside the error, want nothing", got, to)
			}
		})
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add(int64(8), int32(2), Position{8, 2, 7001, 0, 42, 99, 3, 0}.Metadata(Place{}))
	f.Add(int64(8), int32(2), Position{8, 2, 7001, 0, 42, 99, 3, 0}.Metadata(Place{"id", "eu.clicks"}))
	f.Add(int64(0), int32(-1), `{"v":1,"pid":7,"pe":1,"seq":42,"dst":99,"de":-1}`)
	f.Add(int64(-1), int32(-1), `{}`)
	f.Add(int64(1), int32(1), "")
	f.Fuzz(func(t *testing.T, next int64, epoch int32, text string) {
		p, to, err := ParsePosition(next, epoch, text)
		if err != nil {
			return
		}
		if p.Source != next || p.SourceEpoch != epoch || p.Metadata(to) != text {
			t.Errorf("got %+v of %d, %d, %q, want the same again", p, next, epoch, text)
		}
		if min(p.Source, p.ProducerID, int64(p.Epoch), int64(p.Sequence), p.Dest) < 0 {
			t.Errorf("got %+v, want no negative number", p)
		}
	})
}
