package znode

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tributary/pkg/mirror/protocol"
	"tributary/pkg/ownership/plan"
)

// codec is one kind of content: decode returns what a content says, and encode writes that.
type codec struct {
	name   string
	decode func([]byte) (any, error)
	encode func(any) ([]byte, error)
}

func codecs() []codec {
	return []codec{
		{"member", func(b []byte) (any, error) { return DecodeMember(b) }, func(v any) ([]byte, error) { return v.(Member).Encode() }},
		{"owner", func(b []byte) (any, error) { return DecodeOwner(b) }, func(v any) ([]byte, error) { return v.(Owner).Encode() }},
		{"plan", func(b []byte) (any, error) { return DecodePlan(b) }, func(v any) ([]byte, error) { return EncodePlan(v.(plan.Plan)) }},
		{"term", func(b []byte) (any, error) { return DecodeTerm(b) }, func(v any) ([]byte, error) { return v.(Term).Encode() }},
		{"report", func(b []byte) (any, error) { return DecodeReport(b) }, func(v any) ([]byte, error) { return v.(Report).Encode() }},
		{"pin", func(b []byte) (any, error) { return DecodePin(b) }, func(v any) ([]byte, error) { return v.(Pin).Encode() }},
		{"identities", func(b []byte) (any, error) {
			ids, by, err := DecodeIdentities("clicks", b)
			return writtenIdentities{ids, by}, err
		},
			func(v any) ([]byte, error) { w := v.(writtenIdentities); return w.ids.Encode("clicks", w.by) }},
	}
}

type writtenIdentities struct {
	ids Identities
	by  string
}

// samples are contents as this program writes them, by the name of their codec.
func samples() map[string][]any {
	at := time.Unix(1790000000, 0).UTC()
	a, b := "mirror-eu-1-0123abcd-0000000007", "mirror-eu-2-89abcdef--000000008"
	clicks, one, two := plan.Unit{Topic: "clicks", Of: 1}, plan.Unit{Topic: "orders", Part: 0, Of: 2}, plan.Unit{Topic: "orders", Part: 1, Of: 2}
	position := protocol.Position{Source: 5, SourceEpoch: -1, ProducerID: 1 << 62, Epoch: 3, Sequence: 9, Dest: 77, DestEpoch: 4}
	return map[string][]any{
		"member": {Member{Instance: "mirror-eu-1", Zone: "a", Capacity: 1.5, Peer: "[fe80::1]:9099", Draining: true, SessionMillis: 6000}, Member{Instance: "ä <&> b", Capacity: 1000}},
		"owner":  {Owner{a, 1}, Owner{b, 1 << 60}},
		"plan": {plan.Plan{
			Seats:      map[plan.Unit]plan.Seat{clicks: {Owner: a, Standby: b}, one: {Owner: b}, two: {Owner: a, Standby: b}},
			Partitions: map[string]int{"clicks": 6, "orders": 2},
			Arrivals:   map[string]plan.Arrival{a: {Instance: "mirror-eu-1", At: at}, b: {Instance: "mirror-eu-2", At: at.Add(time.Second)}},
			Shuns:      []plan.Shun{{Member: a, Until: at.Add(time.Hour)}, {Member: a, Unit: two, Until: at}},
			Cuts:       map[string]time.Time{"orders": at},
			Unrest:     at,
			Balanced:   at.Add(time.Minute),
		}, plan.Plan{Seats: map[plan.Unit]plan.Seat{}, Partitions: map[string]int{}, Arrivals: map[string]plan.Arrival{}, Cuts: map[string]time.Time{}}, plan.Plan{}},
		"term":   {Term{1, a, EndedNot, true}, Term{7, b, EndedDrained, false}, Term{8, a, EndedDead, false}},
		"report": {Report{map[string]int{"clicks": 6, "orders": 2}, map[plan.Unit]Load{two: {1.25e6, true}, clicks: {0, false}, {Topic: "gone", Of: 1}: {1, false}}, true}, Report{map[string]int{}, map[plan.Unit]Load{}, false}},
		"pin":    {Pin{"mirror-eu-1"}},
		"identities": {writtenIdentities{Identities{}, ""}, writtenIdentities{Identities{0: {SourceCluster: "s", SourceTopicID: "st", DestCluster: "d", DestTopic: "eu.clicks", DestTopicID: "dt", DestPartition: 3,
			ProducerID: 7, Base: position, Floor: position, SourceEpochs: 1 << 30, Generation: 3, Compacted: true, Epoch: 2, Start: 9}, 1048575: {DestTopic: "x"}}, a}},
	}
}

// What was encoded is decoded to the same.
func TestRoundTrips(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			for _, want := range samples()[c.name] {
				data, err := c.encode(want)
				if err != nil {
					t.Fatalf("encode %+v: %v", want, err)
				}
				got, err := c.decode(data)
				if p, ok := want.(plan.Plan); ok && err == nil && p.Equal(got.(plan.Plan)) {
					continue // an empty map is none
				}
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, %v\nwant %+v\nfrom %s", got, err, want, data)
				}
			}
		})
	}
}

// Whatever stands in a node: it is refused, or it says something that comes back the same when it is written and read
// again, in the same bytes ever after.
func FuzzDecode(f *testing.F) {
	for _, c := range codecs() {
		for _, s := range samples()[c.name] {
			data, err := c.encode(s)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			packed, err := pack(data)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packed)
		}
	}
	for _, s := range hostile() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range codecs() {
			if err := stable(c, data); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		name := string(data)
		if u, err := ParseUnit(name); err == nil && UnitName(u) != name {
			t.Errorf("unit %q comes back as %q", name, UnitName(u))
		}
		if i, err := ParseIncarnation(name); err == nil && (i.Name != name || i.Compare(i) != 0) {
			t.Errorf("incarnation %q is %+v", name, i)
		}
		if made := MemberPrefix(name, 7) + "0000000001"; name != "" {
			if i, err := ParseIncarnation(made); err != nil || i.Sequence != 1 {
				t.Errorf("incarnation %q of instance %q: %+v, %v", made, name, i, err)
			}
		}
	})
}

func stable(c codec, data []byte) error {
	says, err := c.decode(data)
	if err != nil {
		return nil // refused
	}
	first, err := c.encode(says)
	if err != nil {
		return fmt.Errorf("%+v is decoded and not encoded: %w", says, err)
	}
	again, err := c.decode(first)
	if err != nil || !reflect.DeepEqual(says, again) && !equalPlans(says, again) {
		return fmt.Errorf("%+v comes back as %+v, %w", says, again, err)
	}
	if second, err := c.encode(again); err != nil || !bytes.Equal(first, second) {
		return fmt.Errorf("%s is encoded anew as %s, %w", first, second, err)
	}
	return nil
}

func equalPlans(a, b any) bool {
	p, ok1 := a.(plan.Plan)
	q, ok2 := b.(plan.Plan)
	return ok1 && ok2 && p.Equal(q)
}
