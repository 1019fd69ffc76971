package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"tributary/pkg/mirror"
	"tributary/pkg/mirror/protocol"
	"tributary/pkg/ownership/coord"
	"tributary/pkg/ownership/znode"
)

// errNotJoined is returned while there is no own member node that a write could rest on.
var errNotJoined = errors.New("this process is not a member of the pool at the moment")

// Read implements mirror.Store. After a unit was claimed it returns what predecessors wrote: both go through one session.
func (p *Pool) Read(ctx context.Context, _, topic string) (mirror.Identities, error) {
	ids, _, err := p.read(ctx, topic)
	return ids, err
}

// read is Read, and tells which incarnation wrote them, "" where that is not known.
func (p *Pool) read(ctx context.Context, topic string) (ids mirror.Identities, by string, err error) {
	ids.Partitions = map[int32]protocol.Identity{}
	if !znode.ValidTopic(topic) {
		return ids, "", fmt.Errorf("read identities of topic %.300q: it is not the name of a topic", topic)
	}
	path := p.paths.Identity(topic)
	n, _, err := p.client.Get(ctx, path, false)
	if errors.Is(err, coord.ErrNoNode) {
		return ids, "", nil
	}
	if err != nil {
		return ids, "", fmt.Errorf("read identities of topic %s: %w", topic, err)
	}
	found, by, err := znode.DecodeIdentities(topic, n.Data)
	if err != nil {
		return ids, "", fmt.Errorf("read identities of topic %s in node %s: %w; restore the node's content, or delete it to rebuild it from the saved positions", topic, path, err)
	}
	return mirror.Identities{Version: int(n.Version) + 1, Partitions: found}, by, nil
}

// Update implements mirror.Store. An error that is not mirror.ErrConflict leaves open whether it was written; as every
// version is written once, reading again tells.
func (p *Pool) Update(ctx context.Context, _, topic string, ids mirror.Identities) error {
	self := p.incarnation()
	if self == "" {
		return fmt.Errorf("write identities of topic %s: %w", topic, errNotJoined)
	}
	data, err := znode.Identities(ids.Partitions).Encode(topic, self)
	if err != nil {
		return err
	}
	op := coord.Op{Kind: coord.OpCreate, Path: p.paths.Identity(topic), Data: data}
	if ids.Version > 0 {
		op.Kind, op.Version = coord.OpSet, int32(ids.Version-1)
	}
	_, err = p.client.Write(ctx, check(p.paths.Member(self)), op)
	o, at := judge(err)
	if o == refused && at == 1 && op.Kind == coord.OpCreate && errors.Is(err, coord.ErrNoNode) { // somebody removed what is above it
		if err := p.member.makePaths(ctx); err != nil {
			return fmt.Errorf("write identities of topic %s: %w", topic, err)
		}
	}
	switch {
	case o == done:
		return nil
	case o == unknown:
		return p.identitiesWritten(ctx, self, topic, ids, err)
	case at == 1 && (errors.Is(err, coord.ErrVersion) || errors.Is(err, coord.ErrNodeExists) || errors.Is(err, coord.ErrNoNode)):
		err = mirror.ErrConflict
	}
	return fmt.Errorf("write identities of topic %s: %w", topic, err)
}

// identitiesWritten looks what came of a write of this incarnation that was not answered. The same content is no proof: who took
// the topic over meanwhile takes the epoch that this one wanted to take, and starts where it wanted to start.
func (p *Pool) identitiesWritten(ctx context.Context, self, topic string, wanted mirror.Identities, cause error) error {
	now, by, err := p.read(ctx, topic)
	switch {
	case err != nil:
		return fmt.Errorf("write identities of topic %s: %w, and its outcome is unknown: %w", topic, cause, err)
	case by == self && now.Version == wanted.Version+1 && maps.Equal(now.Partitions, wanted.Partitions):
		return nil
	case now.Version != wanted.Version:
		return fmt.Errorf("write identities of topic %s: %w", topic, mirror.ErrConflict)
	}
	return fmt.Errorf("write identities of topic %s: %w; it may still be done", topic, cause)
}

// incarnation returns the own name, "" while there is none.
func (p *Pool) incarnation() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.member.life.self
}
