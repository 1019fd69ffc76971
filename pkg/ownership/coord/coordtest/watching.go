package coordtest

import (
	"errors"

	"tributary/pkg/ownership/coord"
)

func watching() map[string]func(*bench) {
	return map[string]func(*bench){
		"a watch of a node fires when it changes, vanishes or appears": watchedNode,
		"a watch of children fires when the list changes":              watchedChildren,
		"all who watch are told":                                       manyWatch,
		"an ephemeral node that goes with its session is seen":         watchedSession,
	}
}

func watchedNode(b *bench) {
	c, other := b.client(), b.client()
	path := b.at("a")
	appears := b.watch(c, path, false)
	b.silent("nothing appeared", appears)
	b.write(other, create(path))
	b.fires("a node appears", appears)

	b.eventually("it is there", func() bool { return !b.gone(c, path)() })
	changes := b.watch(c, path, false)
	b.write(other, create(path+"/child"))
	b.write(other, remove(path+"/child", 0))
	b.get(c, path)
	b.silent("children are not the node", changes)
	b.write(other, set(path, "x", 0))
	b.fires("a node changes", changes)

	b.eventually("it is changed", func() bool { return string(b.get(c, path).Data) == "x" })
	vanishes := b.watch(c, path, false)
	b.write(other, remove(path, 1))
	b.fires("a node vanishes", vanishes)
}

func watchedChildren(b *bench) {
	c, other := b.client(), b.client()
	path := b.at("a")
	b.write(c, create(path))
	list := b.watch(c, path, true)
	b.write(c, set(path, "x", 0))
	b.silent("data is not the list", list)
	b.write(other, create(path+"/b"))
	b.fires("a child appears", list)
	b.eventually("it is listed", func() bool {
		names, _, err := c.Children(b.limit(), path, false)
		return err == nil && len(names) == 1
	})
	list = b.watch(c, path, true)
	b.write(other, set(path+"/b", "x", 0))
	b.silent("a child's data is not the list", list)
	b.write(other, remove(path+"/b", 1))
	b.fires("a child vanishes", list)
	list = b.watch(c, path, true)
	b.write(c, remove(path, 1))
	b.fires("the node itself vanishes", list)
}

func manyWatch(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, create(b.at("a")))
	var channels []<-chan struct{}
	for range 5 {
		channels = append(channels, b.watch(c, b.at("a"), false), b.watch(other, b.at("a"), false))
	}
	b.write(c, set(b.at("a"), "x", 0))
	for _, ch := range channels {
		b.fires("one of many", ch)
	}
}

func watchedSession(b *bench) {
	c, other := b.client(), b.client()
	b.write(c, ephemeral(b.at("a")))
	b.eventually("it is there", func() bool { return !b.gone(other, b.at("a"))() })
	node, list := b.watch(other, b.at("a"), false), b.watch(other, b.root, true)
	if err := c.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
	b.fires("the node", node)
	b.fires("the list", list)
	if _, _, err := other.Get(b.limit(), b.at("a"), false); !errors.Is(err, coord.ErrNoNode) {
		b.Errorf("got %v", err)
	}
}
