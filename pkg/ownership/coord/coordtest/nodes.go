package coordtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tributary/pkg/ownership/coord"
)

func nodes() map[string]func(*bench) {
	return map[string]func(*bench){
		"nodes are created, read, set and deleted":     lifeOfANode,
		"a write is all or nothing, and says which op": atomicity,
		"errors of reads": errorsOfReads,
		"sequential names have ten digits and ascend":   sequence,
		"a node made again is another":                  again,
		"what is too large is refused before it's sent": tooLarge,
		"many writers at once":                          manyWriters,
		"data is nobody else's":                         ownData,
	}
}

func lifeOfANode(b *bench) {
	c, other := b.client(), b.client()
	path := b.at("a")
	paths := b.write(c, coord.Op{Kind: coord.OpCreate, Path: path, Data: []byte("one")}, create(path+"/b"), check(path, 0))
	if want := []string{path, path + "/b", ""}; !slices.Equal(paths, want) {
		b.Errorf("got paths %q, want %q", paths, want)
	}
	if n := b.get(c, path); string(n.Data) != "one" || n.Version != 0 || n.Owner != 0 || n.Created == 0 {
		b.Errorf("got %+v", n)
	}
	b.write(c, set(path, "two", 0), set(path, "three", coord.AnyVersion))
	if n := b.get(c, path); string(n.Data) != "three" || n.Version != 2 {
		b.Errorf("after two sets got %+v", n)
	}
	if n := b.get(c, path+"/b"); len(n.Data) != 0 {
		b.Errorf("a node without data has %q", n.Data)
	}
	names, watch, err := c.Children(b.limit(), path, false)
	if err != nil || !slices.Equal(names, []string{"b"}) || watch != nil {
		b.Errorf("got children %q, watch %v, %v", names, watch, err)
	}
	b.write(c, remove(path+"/b", 0), remove(path, coord.AnyVersion))
	b.eventually("another client does not see it any more", b.gone(other, path))
}

func atomicity(b *bench) {
	c := b.client()
	path := b.at("a")
	b.write(c, create(path), create(path+"/b"))
	tests := []struct {
		name string
		op   coord.Op
		want error
	}{
		{"create what exists", create(path), coord.ErrNodeExists},
		{"create below nothing", create(b.at("no/b")), coord.ErrNoNode},
		{"set nothing", set(b.at("no"), "", coord.AnyVersion), coord.ErrNoNode},
		{"set another version", set(path, "", 7), coord.ErrVersion},
		{"delete nothing", remove(b.at("no"), coord.AnyVersion), coord.ErrNoNode},
		{"delete another version", remove(path+"/b", 7), coord.ErrVersion},
		{"delete with children", remove(path, 0), coord.ErrNotEmpty},
		{"check nothing", check(b.at("no"), coord.AnyVersion), coord.ErrNoNode},
		{"check another version", check(path, 7), coord.ErrVersion},
	}
	for _, tt := range tests {
		_, err := c.Write(b.limit(), check(path, 0), create(b.at("first")), tt.op, create(b.at("last")))
		var op *coord.OpError
		if !errors.Is(err, tt.want) || !errors.As(err, &op) || op.Op != 2 {
			b.Errorf("%s: got %v, op %+v, want %v of op 2", tt.name, err, op, tt.want)
		}
	}
	names, _, err := c.Children(b.limit(), b.root, false)
	if err != nil || !slices.Equal(names, []string{"a"}) {
		b.Errorf("after writes that failed there is %q, %v", names, err)
	}
	// Later ops see what earlier ones did.
	b.write(c, remove(path+"/b", 0), remove(path, 0), create(path), set(path, "x", 0))
	if n := b.get(c, path); string(n.Data) != "x" || n.Version != 1 {
		b.Errorf("got %+v", n)
	}
}

func errorsOfReads(b *bench) {
	c := b.client()
	if _, watch, err := c.Get(b.limit(), b.at("no"), false); !errors.Is(err, coord.ErrNoNode) || watch != nil {
		b.Errorf("get: got %v, watch %v", err, watch)
	}
	if _, watch, err := c.Children(b.limit(), b.at("no"), true); !errors.Is(err, coord.ErrNoNode) || watch != nil {
		b.Errorf("children: got %v, watch %v", err, watch)
	}
	if _, err := c.Write(b.limit()); err == nil {
		b.Error("a write of nothing is accepted")
	}
}

func sequence(b *bench) {
	c := b.client()
	var paths []string
	for range 3 {
		paths = append(paths, b.write(c, coord.Op{Kind: coord.OpCreate, Path: b.at("m-"), Sequential: true, Ephemeral: true})...)
	}
	for i, path := range paths {
		digits, ok := strings.CutPrefix(path, b.at("m-"))
		if !ok || len(digits) != 10 || strings.Trim(digits, "0123456789") != "" {
			b.Errorf("got %q", path)
		}
		if i > 0 && path <= paths[i-1] {
			b.Errorf("%q is not behind %q", path, paths[i-1])
		}
	}
}

func again(b *bench) {
	c := b.client()
	b.write(c, create(b.at("a")))
	before := b.get(c, b.at("a"))
	b.write(c, set(b.at("a"), "x", 0))
	if n := b.get(c, b.at("a")); n.Created != before.Created {
		b.Errorf("created by %d, and after a set by %d", before.Created, n.Created)
	}
	b.write(c, remove(b.at("a"), 1))
	b.write(c, create(b.at("a")))
	if n := b.get(c, b.at("a")); n.Created <= before.Created || n.Version != 0 {
		b.Errorf("before %+v, made again %+v", before, n)
	}
}

func tooLarge(b *bench) {
	c := b.client()
	before := b.phase(c, coord.Connected)
	half := bytes.Repeat([]byte("x"), coord.MaxNodeBytes)
	_, err := c.Write(b.limit(), check(b.root, 0), coord.Op{Kind: coord.OpCreate, Path: b.at("a"), Data: append(half, 'x')})
	var op *coord.OpError
	if !errors.Is(err, coord.ErrTooLarge) || !errors.As(err, &op) || op.Op != 1 {
		b.Errorf("a large node: got %v", err)
	}
	if _, err := c.Write(b.limit(), coord.Op{Kind: coord.OpCreate, Path: b.at("a"), Data: half},
		coord.Op{Kind: coord.OpCreate, Path: b.at("b"), Data: half}); !errors.Is(err, coord.ErrTooLarge) {
		b.Errorf("a large write: got %v", err)
	}
	b.write(c, coord.Op{Kind: coord.OpCreate, Path: b.at("c"), Data: half})
	if n := b.get(c, b.at("c")); !bytes.Equal(n.Data, half) {
		b.Errorf("of %d bytes %d are there", len(half), len(n.Data))
	}
	if s := b.phase(c, coord.Connected); s.Since != before.Since {
		b.Errorf("the connection did not last: before %+v, after %+v", before, s)
	}
}

func manyWriters(b *bench) {
	c := b.client()
	b.write(c, create(b.at("n")))
	const writers, each = 16, 8
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := c.Write(b.limit(), create(fmt.Sprintf("%s/%d-%d", b.at("n"), w, i))); err != nil {
					b.Errorf("write: %v", err)
				}
				if _, _, err := c.Children(b.limit(), b.at("n"), true); err != nil {
					b.Errorf("children: %v", err)
				}
			}
		})
	}
	all.Wait()
	if names, _, err := c.Children(b.limit(), b.at("n"), false); err != nil || len(names) != writers*each {
		b.Errorf("got %d children, %v, want %d", len(names), err, writers*each)
	}
}

func ownData(b *bench) {
	c := b.client()
	data := []byte("mine")
	b.write(c, coord.Op{Kind: coord.OpCreate, Path: b.at("a"), Data: data})
	data[0] = 'x'
	b.get(c, b.at("a")).Data[1] = 'x'
	if n := b.get(c, b.at("a")); string(n.Data) != "mine" {
		b.Errorf("got %q", n.Data)
	}
}
