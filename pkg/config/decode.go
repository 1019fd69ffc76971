package config

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder moves a YAML tree into Go values. yaml.v3's own decoding stops being strict inside custom types, accepts
// octal numbers and cannot name the key of a problem, so this one walks the tree itself.
type decoder struct {
	env      Env
	problems *Problems
	lines    map[string]int       // line of each key path seen
	broken   map[string]bool      // key paths whose value could not be read
	expanded map[string]expansion // key paths whose value came through a reference
}

// expansion is a value and what stands for it in the file.
type expansion struct{ source, value string }

func newDecoder(env Env, problems *Problems) *decoder {
	return &decoder{env: env, problems: problems,
		lines: map[string]int{}, broken: map[string]bool{}, expanded: map[string]expansion{}}
}

// asWritten returns the text of a problem with the value as the file has it: what a reference stands for may be
// secret wherever it is used.
func (d *decoder) asWritten(p Problem) string {
	if e, ok := d.expanded[p.Key]; ok {
		return strings.ReplaceAll(p.Text, shorten(e.value), shorten(e.source))
	}
	return p.Text
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.broken[path] = true
	d.problems.add(n.Line, path, format, args...)
}

// line returns the line of a key path, or of the nearest one around it that is in the file.
func (d *decoder) line(path string) int {
	for ; path != ""; path = parent(path) {
		if line := d.lines[path]; line > 0 {
			return line
		}
	}
	return d.lines[""]
}

// isBroken says whether the value at a key path, or one around it, could not be read.
func (d *decoder) isBroken(path string) bool {
	for ; path != ""; path = parent(path) {
		if d.broken[path] {
			return true
		}
	}
	return false
}

// parent cuts the last key or index off a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// join appends a key to a path. A key that is no plain word is quoted.
func join(path, key string) string {
	if !isName(key) || strings.Contains(key, ".") {
		return path + "[" + shorten(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	d.lines[path] = n.Line
	if n.Kind == yaml.AliasNode {
		d.broken[path] = true // reported by refuseTricks
		return
	}
	if n.Tag == "!!null" {
		d.fail(n, path, "has no value; give it one or remove the key")
		return
	}
	if isScalar(v) {
		d.scalar(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if withDefaults, ok := reflect.TypeAssert[defaulter](fresh); ok {
			withDefaults.setDefaults()
		}
		d.decode(n, fresh.Elem(), path)
		v.Set(fresh)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.table(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

// structure reads a mapping with a fixed set of keys.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	fields, known := fieldsOf(v.Type())
	d.pairs(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		if i, ok := fields[key.Value]; ok {
			d.decode(value, v.Field(i), at)
			return
		}
		d.problems.add(key.Line, at, "unknown key%s", DidYouMean(key.Value, known))
	})
}

// table reads a mapping with free names.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, element, join(path, key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
}

// pairs calls each for every key of a mapping once, and reports what is not one.
func (d *decoder) pairs(n *yaml.Node, path string, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "is %s, want a mapping of keys to values", describe(n))
		return
	}
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			d.fail(key, path, "a key is %s, want a name", describe(key))
			continue
		}
		if line, twice := first[key.Value]; twice {
			d.problems.add(key.Line, join(path, key.Value), "is given twice, first in line %d", line)
			continue
		}
		first[key.Value] = key.Line
		each(key, n.Content[i+1])
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "is %s, want a list such as [a, b]", describe(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, child := range n.Content {
		element := v.Index(i)
		if withDefaults, ok := reflect.TypeAssert[defaulter](element.Addr()); ok {
			withDefaults.setDefaults()
		}
		d.decode(child, element, fmt.Sprintf("%s[%d]", path, i))
	}
}

// fieldsOf maps the keys of a struct to its fields, and lists them in order.
func fieldsOf(t reflect.Type) (index map[string]int, known []string) {
	index = make(map[string]int, t.NumField())
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("yaml")
		index[key] = i
		known = append(known, key)
	}
	return index, known
}
