package e2e_test

import (
	"context"
	"path"
	"strings"
	"testing"
	"time"

	"tributary/e2e/load"
)

const (
	ephemeralLimit = 512 << 10 // bytes that the paths of the ephemeral nodes of a session may have
	longestName    = 249       // bytes of a topic
)

// Thousands of topics with the longest names start, and survive the death of members. A member takes only as many as one
// session may have ephemeral nodes of, says so, and leaves the rest to others. In the short form fewer topics have longer
// paths.
func TestPoolManyTopics(t *testing.T) {
	o := poolOptions{topics: 2000, members: 3, session: 4 * time.Second, nameBytes: longestName, lean: true}
	if !full() {
		o.topics, o.root = 1200, "/"+strings.Repeat("r", 99)+"/"+strings.Repeat("s", 99)
	}
	p := newPool(t, "pool-many", o)
	p.flow(t, load.FleetSpec{Every: size(500*time.Millisecond, 2*time.Second), Seed: 8})
	survivor := p.members[2]
	at := time.Now()
	for _, m := range p.members[:2] {
		must(t, m.run.kill())
	}
	p.gone(p.members[0])
	p.gone(p.members[0])

	fits := (ephemeralLimit - longestName - len(p.rootPath())) / len(p.tree.node(p.topicsOf[0]))
	var owned map[string]holding
	took := eventually(t, p.session+recoverWithin+size(0, time.Minute), "the survivor takes what it may", func(ctx context.Context) (err error) {
		owned, err = p.tree.owners(ctx)
		bytes, n := p.ephemeralBytes(owned, survivor)
		if err == nil && n < fits*98/100 {
			err = describe("%d topics, %d bytes of paths", n, bytes)
		}
		return err
	})
	bytes, n := p.ephemeralBytes(owned, survivor)
	t.Logf("the survivor had %d topics of %d, with %d bytes of paths, %v after the kills", n, o.topics, bytes, took.Round(time.Millisecond))
	if bytes > ephemeralLimit || n == o.topics {
		t.Errorf("%d topics have %d bytes of ephemeral paths, want at most %d", n, bytes, ephemeralLimit)
	}
	var taken []string
	for topic, o := range owned {
		if o.instance == survivor.name() {
			taken = append(taken, topic)
		}
	}
	p.awaitAfter(t, taken, at, time.Minute)
	p.requireRefusal(t, survivor)
	p.start(t, 1)
	eventually(t, poolSettles, "all topics have owners", p.allOwned)
	p.awaitAfter(t, p.topicsOf, time.Now(), time.Minute)
	p.finish(t)
}

// ephemeralBytes returns the bytes of paths of the owner nodes of a member and of its own node, and how many there are.
func (p *pool) ephemeralBytes(owners map[string]holding, m *member) (bytes, n int) {
	for unit, o := range owners {
		if o.instance == m.name() {
			bytes, n = bytes+len(p.tree.node(unit)), n+1
			if n == 1 {
				bytes += len(path.Join(p.tree.root, "members", o.incarnation))
			}
		}
	}
	return bytes, n
}

// requireRefusal proves that a member says why it leaves topics without an owner.
func (p *pool) requireRefusal(t *testing.T, m *member) {
	t.Helper()
	eventually(t, recoverWithin, "the member says what it does not take", m.says("512 KiB", func(s poolStatus) bool {
		return len(s.Unowned) > 0 && strings.Contains(s.Unowned[0].Why+strings.Join(s.Problems, " "), "512 KiB")
	}))
	if unowned, err := m.metric(t.Context(), "mirror_pool_unowned"); err != nil || unowned == 0 {
		t.Errorf("mirror_pool_unowned: got %v, %v, want what it does not take", unowned, err)
	}
}
