package e2e_test

import (
	"context"
	"testing"
	"time"

	"tributary/e2e/load"
)

// Over 200 changes of owners no goroutine and no file descriptor is left behind.
func TestPoolChurn(t *testing.T) {
	p := newPool(t, "pool-churn", poolOptions{topics: 20, members: 2})
	p.flow(t, load.FleetSpec{Every: 200 * time.Millisecond, Seed: 4})
	changes := 0
	turn := func() {
		for i := range p.members {
			changes += p.drainTo(t, i)
		}
	}
	turn() // what a process opens once for all is open now
	before := p.usage(t)
	for begun := changes; changes-begun < 200; {
		turn()
	}
	t.Logf("%d changes of owners", changes)
	eventually(t, time.Minute, "nothing is left of them", func(ctx context.Context) error {
		for i, m := range p.members {
			now, err := usageOf(ctx, m)
			if err != nil {
				return err
			}
			if now.goroutines > before[i].goroutines+10 || now.files > before[i].files+10 {
				return describe("%s has %+v, had %+v", m.name(), now, before[i])
			}
		}
		return nil
	})
	t.Logf("goroutines and files: %+v, then %+v", before, p.usage(t))
	p.finish(t)
}

// drainTo sends all topics away from a member, and lets it take part again. It returns how many changed hands.
func (p *pool) drainTo(t *testing.T, i int) int {
	t.Helper()
	m := p.members[i]
	before := p.owners(t)
	p.mustCommand(t, m, "drain", p.link, "--wait", "30s")
	eventually(t, p.session+recoverWithin, "others own what was drained", p.allOwned)
	p.mustCommand(t, m, "drain", p.link, "--undo")
	moved := 0
	for topic, now := range p.owners(t) {
		if now.created != before[topic].created {
			moved++
		}
	}
	return moved
}

// allOwned returns an error unless every topic has an owner.
func (p *pool) allOwned(ctx context.Context) error {
	owners, err := p.tree.owners(ctx)
	if err != nil {
		return err
	}
	for _, topic := range p.topicsOf {
		if owners[topic].instance == "" {
			return describe("%s has no owner", topic)
		}
	}
	return nil
}

type usage struct{ goroutines, files int }

func usageOf(ctx context.Context, m *member) (usage, error) {
	goroutines, err := m.metric(ctx, "go_goroutines")
	if err != nil {
		return usage{}, err
	}
	files, err := m.metric(ctx, "process_open_fds")
	return usage{int(goroutines), int(files)}, err
}

func (p *pool) usage(t *testing.T) []usage {
	t.Helper()
	var all []usage
	for _, m := range p.members {
		u, err := usageOf(t.Context(), m)
		must(t, err)
		all = append(all, u)
	}
	return all
}
