package model

import "tributary/pkg/mirror/protocol"

func (p place) position() protocol.Position {
	return protocol.Position{Source: int64(p.Src), ProducerID: int64(p.Pid), Epoch: int16(p.Epoch), Sequence: int32(p.Seq),
		Dest: int64(p.Dest), DestEpoch: int32(p.Term)}
}

func placeOf(p protocol.Position) place {
	return place{uint8(p.ProducerID), uint8(p.Epoch), uint8(p.Source), uint8(p.Sequence), uint8(p.Dest), uint8(p.DestEpoch)}
}

func (s *store) identity(compacted bool) protocol.Identity {
	return protocol.Identity{ProducerID: int64(s.Base.Pid), Base: s.Base.position(), Compacted: compacted,
		Epoch: int16(s.Epoch), Start: int64(s.Start)}
}

func storeOf(id protocol.Identity) store {
	return store{Made: true, Base: placeOf(id.Base), Epoch: uint8(id.Epoch), Start: uint8(id.Start)}
}

// create makes the identity where the store has none: from the saved position when there is one, else anew.
func (t *state) create(compacted bool) {
	if t.Group.Valid {
		t.Store = storeOf(t.Group.At.position().Rebuild(protocol.Identity{Compacted: compacted}))
		return
	}
	t.Store = store{Made: true, Base: place{Pid: t.Pids, Dest: t.Shown}}
	t.Pids++
}

// start reads the identity and the position and begins a run where they say. It is one step: on a compacted source the
// store's compare-and-set makes it so, and a position read too early is the same as one saved too late.
func (c *Config) start(s *state, i int, emit func(action, state)) {
	if !c.owns(s, i) {
		return
	}
	t := *s
	if !t.Store.Made {
		t.create(!c.counts())
	}
	id, pos := t.Store.identity(!c.counts()), t.Group.At.position()
	first := !t.Group.Valid
	c.mistake(&t, &id, &pos)
	at := id.Begin(pos, t.Group.Valid)
	if !c.counts() {
		id, at = id.NextEpoch(at)
		if !c.has(epochFromPosition) {
			t.Store = storeOf(id)
		}
		if at.Epoch > int16(c.MaxEpoch) {
			return
		}
	}
	if t.Pids > 3 {
		return
	}
	p := &t.In[i]
	*p = instance{At: placeOf(at), Saved: uint8(at.Source), Run: c.begun(), Save: p.Save, Phase: scanFast}
	if !c.counts() {
		p.Phase = running // its first old batch makes it calm
	}
	if c.has(epochSavedFirst) || first && c.has(ownIdentity) && !c.has(produceBeforeSave) {
		p.Phase, p.Save = saving, saved{true, p.At}
	}
	t.Owner = uint8(i)
	emit(action{Op: opStart, I: i, A: p.At.Src, B: batch{Pid: p.At.Pid, Epoch: p.At.Epoch}}, t)
}

// mistake distorts what a run starts from.
func (c *Config) mistake(t *state, id *protocol.Identity, pos *protocol.Position) {
	switch {
	case c.has(ownIdentity) && !t.Group.Valid:
		*id = (&store{Base: place{Pid: t.Pids, Dest: t.Shown}}).identity(false)
		t.Pids++
	case c.has(ownIdentity), c.has(epochFromPosition):
		*id = pos.Rebuild(*id)
	case c.has(baseIsWatermark):
		id.Base.Dest = int64(t.HW)
	case c.has(startForgotten):
		pos.Epoch = id.Epoch
	}
}

// saveArrives is the moment at which the group holds i's position, perhaps long after it was sent.
func (c *Config) saveArrives(s *state, i int, emit func(action, state)) {
	t := *s
	p := &t.In[i]
	t.Group, p.Save = p.Save, saved{}
	if p.Phase == saving {
		p.Phase = scanFast
		if !c.counts() {
			p.Phase = running
		}
	}
	emit(action{Op: opSaved, I: i, A: t.Group.At.Src, B: batch{Epoch: t.Group.At.Epoch}}, t)
}

// save sends the position of the acknowledged prefix to the source's group.
func (c *Config) save(s *state, i int, emit func(action, state)) {
	p := &s.In[i]
	at := p.At
	if c.has(saveUnacked) {
		at.Src, at.Seq = p.nextRecord()
	}
	if at.Src == p.Saved {
		return
	}
	t := *s
	t.In[i].Save, t.In[i].Saved = saved{true, at}, at.Src
	if c.SaveAtOnce {
		t.Group, t.In[i].Save = saved{true, at}, saved{}
	}
	emit(action{Op: opSave, I: i, A: at.Src}, t)
}
