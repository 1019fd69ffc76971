package znode

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"

	"tributary/pkg/ownership/plan"
)

// UnitName returns the name of a unit's node: the topic, with @<part+1>of<of> behind it where the unit is not all of it. No
// topic's name contains @.
func UnitName(u plan.Unit) string {
	if u.Of <= 1 {
		return u.Topic
	}
	return fmt.Sprintf("%s@%dof%d", u.Topic, u.Part+1, u.Of)
}

// ParseUnit reads what UnitName wrote, and nothing else.
func ParseUnit(name string) (plan.Unit, error) {
	u := plan.Unit{Topic: name, Of: 1}
	topic, part, split := strings.Cut(name, "@")
	if split {
		first, of, _ := strings.Cut(part, "of")
		i, err1 := strconv.Atoi(first)
		n, err2 := strconv.Atoi(of)
		if err1 != nil || err2 != nil {
			return plan.Unit{}, fmt.Errorf("%.300q is not the name of a unit", name)
		}
		u = plan.Unit{Topic: topic, Part: i - 1, Of: n}
	}
	if err := checkTopic(u.Topic); err != nil {
		return plan.Unit{}, err
	}
	if !u.Valid() || UnitName(u) != name {
		return plan.Unit{}, fmt.Errorf("%.300q is not the name of a unit", name)
	}
	return u, nil
}

// Incarnation is a member node's name taken apart.
type Incarnation struct {
	Name     string
	Instance string // as it may stand in a node's name, see MemberPrefix
	Sequence int32  // given by the service; it goes on from the greatest number with the least
}

// MemberPrefix returns what stands before the sequence in a member node's name. What may not stand in a node's name is
// replaced, so that instances can look the same here: Member.Instance is the real one.
func MemberPrefix(instance string, random uint32) string {
	safe := strings.Map(func(r rune) rune {
		if notPlain(r) {
			return '_'
		}
		return r
	}, instance)
	if safe == "" {
		safe = "member"
	}
	return fmt.Sprintf("%s-%08x-", safe[:min(len(safe), maxInstanceBytes)], random)
}

const (
	randomDigits   = 8
	sequenceDigits = 10
)

// ParseIncarnation reads the name of a member node: MemberPrefix, and a sequence as the service formats it, which is at
// least ten characters with the sign of a negative one among them. An instance may contain dashes.
func ParseIncarnation(name string) (Incarnation, error) {
	bad := fmt.Errorf("%.300q is not the name of a member node", name)
	at := len(name) - sequenceDigits // where the sequence begins, unless the sign stands before
	if at < 1 {
		return Incarnation{}, bad
	}
	if name[at] != '-' && strings.HasSuffix(name[:at], "--") {
		at--
	}
	sequence, err := strconv.ParseInt(name[at:], 10, 32)
	if err != nil || fmt.Sprintf("%010d", sequence) != name[at:] {
		return Incarnation{}, bad
	}
	prefix, dashed := strings.CutSuffix(name[:at], "-")
	dash := len(prefix) - randomDigits - 1
	if !dashed || dash < 1 || prefix[dash] != '-' || dash > maxInstanceBytes {
		return Incarnation{}, bad
	}
	random, err := strconv.ParseUint(prefix[dash+1:], 16, 32)
	if err != nil || MemberPrefix(prefix[:dash], uint32(random)) != prefix+"-" {
		return Incarnation{}, bad
	}
	return Incarnation{name, prefix[:dash], int32(sequence)}, nil
}

// Compare orders incarnations by age, oldest first: the oldest leads. Sequences are compared as what they are, numbers that
// wrap around: of members alive at the same time none is two thousand million nodes older than another.
func (i Incarnation) Compare(j Incarnation) int {
	if c := cmp.Compare(i.Sequence-j.Sequence, 0); c != 0 {
		return c
	}
	return strings.Compare(i.Name, j.Name)
}

// Paths says where the nodes of a pool are. Only names that this package made or parsed may be put in.
type Paths struct {
	root string
}

// NewPaths checks a root, such as /mirror/eu.
func NewPaths(root string) (Paths, error) {
	if !strings.HasPrefix(root, "/") || root == "/" || path.Clean(root) != root || strings.ContainsFunc(root[1:], func(r rune) bool { return r != '/' && notPlain(r) }) {
		return Paths{}, fmt.Errorf("%q is not the root of a pool: want a path such as /mirror/eu, of letters, digits, dots, dashes and underscores", root)
	}
	if root == "/zookeeper" || strings.HasPrefix(root, "/zookeeper/") {
		return Paths{}, fmt.Errorf("%q is not the root of a pool: ZooKeeper keeps /zookeeper for itself", root)
	}
	return Paths{root}, nil
}

// Persistent lists the nodes that must be there before a member joins, parents first. They have no content.
func (p Paths) Persistent() []string {
	var all []string
	for i := 1; i < len(p.root); i++ {
		if p.root[i] == '/' {
			all = append(all, p.root[:i])
		}
	}
	return append(all, p.root, p.Members(), p.Owners(), p.Terms(), p.Reports(), p.Identities(), p.Pins())
}

// Root is the node above all others.
func (p Paths) Root() string { return p.root }

// Members is above the members' nodes.
func (p Paths) Members() string { return p.root + "/members" }

// Member is a member's own node.
func (p Paths) Member(incarnation string) string { return p.Members() + "/" + incarnation }

// MemberPrefix is the path that a member creates in sequence.
func (p Paths) MemberPrefix(instance string, random uint32) string {
	return p.Members() + "/" + MemberPrefix(instance, random)
}

// Owners is above the owners' nodes.
func (p Paths) Owners() string { return p.root + "/topics" }

// Owner is the node of who owns a unit.
func (p Paths) Owner(u plan.Unit) string { return p.Owners() + "/" + UnitName(u) }

// Plan is the plan's node.
func (p Paths) Plan() string { return p.root + "/plan" }

// Terms is above the terms of units.
func (p Paths) Terms() string { return p.root + "/terms" }

// Term is the node of a unit's term.
func (p Paths) Term(u plan.Unit) string { return p.Terms() + "/" + UnitName(u) }

// Reports is above what members report.
func (p Paths) Reports() string { return p.root + "/reports" }

// Report is the node of what a member reports.
func (p Paths) Report(incarnation string) string { return p.Reports() + "/" + incarnation }

// Identities is above the identities of topics.
func (p Paths) Identities() string { return p.root + "/identities" }

// Identity is the node of the identities of a topic's partitions.
func (p Paths) Identity(topic string) string { return p.Identities() + "/" + topic }

// Pins is above what operators pinned.
func (p Paths) Pins() string { return p.root + "/pins" }

// Pin is the node of where a topic is pinned.
func (p Paths) Pin(topic string) string { return p.Pins() + "/" + topic }
