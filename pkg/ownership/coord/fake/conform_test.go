package fake

import (
	"testing"
	"time"

	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/coord/coordtest"
)

// rig lets the fake be held to the same promises as ZooKeeper.
type rig struct{ *Ensemble }

func (r rig) Connect(t *testing.T) coord.Client {
	c := r.Client(5 * time.Second)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (rig) Expire(_ *testing.T, c coord.Client)          { c.(*Client).Expire() }
func (rig) Cut(_ *testing.T, c coord.Client)             { c.(*Client).Cut() }
func (rig) Heal(_ *testing.T, c coord.Client)            { c.(*Client).Restore() }
func (rig) Lose(_ *testing.T, c coord.Client, done bool) { c.(*Client).Drop(done) }
func (r rig) Restart(*testing.T)                         { r.Down(); r.Up() }

func TestPromises(t *testing.T) {
	coordtest.Run(t, func(*testing.T) coordtest.Rig { return rig{New()} })
}
