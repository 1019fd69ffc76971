package znode

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"tributary/pkg/ownership/plan"
)

func TestUnitNames(t *testing.T) {
	long := strings.Repeat("x", 249)
	for name, want := range map[string]plan.Unit{
		"clicks": {Topic: "clicks", Of: 1}, "clicks@1of2": {Topic: "clicks", Part: 0, Of: 2}, "a.b_c-D9@4of4": {Topic: "a.b_c-D9", Part: 3, Of: 4},
		"of@256of256": {Topic: "of", Part: 255, Of: 256}, long: {Topic: long, Of: 1},
	} {
		if got, err := ParseUnit(name); err != nil || got != want || UnitName(want) != name {
			t.Errorf("%.20s: %+v, %v; written %.20s", name, got, err, UnitName(want))
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "a b", "ä", "a@", "a@1", "a@1of1", "a@0of2", "a@3of2", "a@1of3", "a@1of512", "a@01of2", "a@+1of2", "a@1of2of2", "a@1of2@1of2", "@1of2", long + "x", "a\x00"} {
		if got, err := ParseUnit(name); err == nil {
			t.Errorf("%.20q: %+v", name, got)
		}
	}
}

func TestIncarnations(t *testing.T) {
	for name, want := range map[string]Incarnation{
		"m-0123abcd-0000000000":                 {Instance: "m"},
		"mirror-eu-1-0123abcd-0000000042":       {Instance: "mirror-eu-1", Sequence: 42},
		"m-0123abcd-2147483647":                 {Instance: "m", Sequence: math.MaxInt32},
		"m-0123abcd--2147483648":                {Instance: "m", Sequence: math.MinInt32},
		"m-0123abcd--000000001":                 {Instance: "m", Sequence: -1},
		"a-89abcdef-0123abcd--000000001":        {Instance: "a-89abcdef", Sequence: -1},
		"--0123abcd-0000000001":                 {Instance: "-", Sequence: 1},
		MemberPrefix("ä/b c", 9) + "0000000007": {Instance: "__b_c", Sequence: 7}, // for each character one
		MemberPrefix("", 9) + "0000000007":      {Instance: "member", Sequence: 7},
	} {
		want.Name = name
		if got, err := ParseIncarnation(name); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "m", "-0123abcd-0000000001", "m-0123ABCD-0000000001", "m-0123abc-0000000001", "m-0123abcd-000000001", "m-0123abcd-00000000001", "m-0123abcd-2147483648",
		"m-0123abcd-+000000001", "m-0123abcd-00000000x1", "m0123abcd-0000000001", "m-0123abcd0000000001", "m/n-0123abcd-0000000001", "ä-0123abcd-0000000001", "m-0123abcd---00000001",
		strings.Repeat("x", 256) + "-0123abcd-0000000001"} {
		if got, err := ParseIncarnation(name); err == nil {
			t.Errorf("%q: %+v", name, got)
		}
	}
}

// The oldest leads, also where the service's counter has gone from the greatest number to the least.
func TestIncarnationsByAge(t *testing.T) {
	var want []Incarnation
	for _, sequence := range []int32{math.MaxInt32 - 1, math.MaxInt32, math.MinInt32, math.MinInt32 + 1} {
		i, err := ParseIncarnation(fmt.Sprintf("m-0123abcd-%010d", sequence))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, i)
	}
	got := []Incarnation{want[2], want[0], want[3], want[1]}
	slices.SortFunc(got, Incarnation.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPaths(t *testing.T) {
	p, err := NewPaths("/mirror/eu")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/mirror", "/mirror/eu", "/mirror/eu/members", "/mirror/eu/topics", "/mirror/eu/terms", "/mirror/eu/reports", "/mirror/eu/identities", "/mirror/eu/pins"}
	if got := p.Persistent(); !slices.Equal(got, want) {
		t.Errorf("persistent %v, want %v", got, want)
	}
	u := plan.Unit{Topic: "clicks", Part: 1, Of: 2}
	for _, tt := range [][2]string{
		{p.Member("x"), "/mirror/eu/members/x"}, {p.Owner(u), "/mirror/eu/topics/clicks@2of2"}, {p.Term(u), "/mirror/eu/terms/clicks@2of2"}, {p.Plan(), "/mirror/eu/plan"},
		{p.Report("x"), "/mirror/eu/reports/x"}, {p.Identity("clicks"), "/mirror/eu/identities/clicks"}, {p.Pin("clicks"), "/mirror/eu/pins/clicks"},
		{p.MemberPrefix("mirror/1", 0xab), "/mirror/eu/members/mirror_1-000000ab-"},
	} {
		if tt[0] != tt[1] {
			t.Errorf("got %s, want %s", tt[0], tt[1])
		}
	}
	for _, root := range []string{"", "/", "mirror", "/mirror/", "/a//b", "/a/../b", "/a/./b", "/ä", "/a b", "/zookeeper", "/zookeeper/x", "/a\x00"} {
		if _, err := NewPaths(root); err == nil {
			t.Errorf("%q is a root", root)
		}
	}
}
