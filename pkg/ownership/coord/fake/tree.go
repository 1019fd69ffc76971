package fake

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"tributary/pkg/ownership/coord"
)

// node is one of the tree. Its children are those whose path says so.
type node struct {
	coord.Node
	made     int             // children ever made: numbers of sequential ones
	children map[string]bool // names
}

// tree is the nodes by path; the root is "/".
type tree struct {
	nodes map[string]*node
	zxid  int64
}

func newTree() *tree {
	return &tree{nodes: map[string]*node{"/": {children: map[string]bool{}}}}
}

// change is one that a write made, for watches.
type change struct {
	path string
	data bool // the node itself changed, appeared or vanished
	list bool // its list of children did
}

// write does all ops or none. owner is the session that asks.
func (t *tree) write(owner int64, ops []coord.Op) (paths []string, changes []change, err error) {
	t.zxid++
	var undo []func()
	for i, op := range ops {
		made, ch, back, err := t.apply(owner, op)
		if err != nil {
			for _, back := range slices.Backward(undo) {
				back()
			}
			return nil, nil, &coord.OpError{Op: i, Err: err}
		}
		paths = append(paths, made)
		changes = append(changes, ch...)
		if back != nil {
			undo = append(undo, back)
		}
	}
	return paths, changes, nil
}

func (t *tree) apply(owner int64, op coord.Op) (made string, ch []change, undo func(), err error) {
	if op.Kind == coord.OpCreate {
		return t.create(owner, op)
	}
	n := t.nodes[op.Path]
	if n == nil {
		return "", nil, nil, coord.ErrNoNode
	}
	if op.Version != coord.AnyVersion && op.Version != n.Version {
		return "", nil, nil, coord.ErrVersion
	}
	switch op.Kind {
	case coord.OpCheck:
		return "", nil, nil, nil
	case coord.OpSet:
		was := n.Node
		n.Data, n.Version = slices.Clone(op.Data), n.Version+1
		return "", []change{{path: op.Path, data: true}}, func() { n.Node = was }, nil
	case coord.OpDelete:
		return t.remove(op.Path, n)
	}
	return "", nil, nil, fmt.Errorf("op of unknown kind %d", op.Kind)
}

func (t *tree) create(owner int64, op coord.Op) (made string, ch []change, undo func(), err error) {
	above := t.nodes[path.Dir(op.Path)]
	if above == nil {
		return "", nil, nil, coord.ErrNoNode
	}
	made = op.Path
	if op.Sequential {
		made = fmt.Sprintf("%s%010d", op.Path, above.made)
	}
	if t.nodes[made] != nil {
		return "", nil, nil, coord.ErrNodeExists
	}
	if above.Owner != 0 {
		return "", nil, nil, fmt.Errorf("create %s: ephemeral nodes have no children", made)
	}
	n := &node{Node: coord.Node{Data: slices.Clone(op.Data), Created: t.zxid}, children: map[string]bool{}}
	if op.Ephemeral {
		n.Owner = owner
	}
	name := path.Base(made)
	t.nodes[made] = n
	above.children[name] = true
	above.made++
	undo = func() {
		delete(t.nodes, made)
		delete(above.children, name)
		above.made--
	}
	return made, []change{{path: made, data: true}, {path: path.Dir(made), list: true}}, undo, nil
}

func (t *tree) remove(at string, n *node) (made string, ch []change, undo func(), err error) {
	if len(n.children) > 0 {
		return "", nil, nil, coord.ErrNotEmpty
	}
	above, name := t.nodes[path.Dir(at)], path.Base(at)
	delete(t.nodes, at)
	delete(above.children, name)
	undo = func() {
		t.nodes[at] = n
		above.children[name] = true
	}
	return "", []change{{path: at, data: true, list: true}, {path: path.Dir(at), list: true}}, undo, nil
}

// removeAll removes the node and all below it, whoever's they are.
func (t *tree) removeAll(at string) []change {
	t.zxid++
	below := slices.Sorted(maps.Keys(t.nodes))
	var changes []change
	for _, p := range slices.Backward(below) {
		if p == "/" || p != at && !strings.HasPrefix(p, strings.TrimSuffix(at, "/")+"/") {
			continue
		}
		_, ch, _, err := t.remove(p, t.nodes[p])
		if err != nil {
			panic("children sort behind their parent: " + err.Error())
		}
		changes = append(changes, ch...)
	}
	return changes
}

// removeOwned removes the ephemeral nodes of a session.
func (t *tree) removeOwned(session int64) []change {
	t.zxid++
	var changes []change
	for _, p := range slices.Sorted(maps.Keys(t.nodes)) {
		if n := t.nodes[p]; n.Owner == session {
			_, ch, _, err := t.remove(p, n)
			if err != nil {
				panic("ephemeral nodes have no children: " + err.Error())
			}
			changes = append(changes, ch...)
		}
	}
	return changes
}
