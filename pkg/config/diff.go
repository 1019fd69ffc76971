package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Change is one key that two configurations have different values of.
type Change struct {
	// Key is its path, with links and clusters by their names: links.edge-region.topics.include.
	Key string `json:"key"`
	// From and To are the values as text, secrets as ***; empty where the key is not there.
	From string `json:"from"`
	To   string `json:"to"`
	// Live says that a running process can take the new value, so that it need not be started again.
	Live bool `json:"live"`
}

// String is the change in one line.
func (c Change) String() string {
	value := func(text string) string {
		if text == "" {
			return "nothing"
		}
		return text
	}
	return fmt.Sprintf("%s: %s -> %s", c.Key, value(c.From), value(c.To))
}

// liveKeys are the keys that a running process can change, in the notation of paths with * for a name. All others say what the
// process is, whom it talks to or how its records are written.
func liveKeys() []string {
	return []string{"log.level", "links.*.topics.include", "links.*.topics.exclude", "links.*.rate", "links.*.retention.warn", "links.*.retention.critical", "watchers.*"}
}

// Diff returns what is different in next, by key. Both must be sound. The order of links does not count, nor does that of patterns.
func Diff(now, next *Config) []Change {
	was, is := map[string]leaf{}, map[string]leaf{}
	collect(reflect.ValueOf(now).Elem(), "", "", was)
	collect(reflect.ValueOf(next).Elem(), "", "", is)
	keys := slices.Collect(maps.Keys(was))
	for key := range is {
		if _, both := was[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	live := liveKeys()
	var changes []Change
	whole := "" // what came or went as a whole: nothing of it is told
	for _, key := range keys {
		a, b := was[key], is[key]
		if reflect.DeepEqual(a.value, b.value) || whole != "" && (strings.HasPrefix(key, whole+".") || strings.HasPrefix(key, whole+"[")) {
			continue
		}
		if a.value == isThere || b.value == isThere {
			whole = key
		}
		changes = append(changes, Change{Key: key, From: a.text(), To: b.text(), Live: slices.Contains(live, cmp.Or(a.pattern, b.pattern))})
	}
	return changes
}

// isThere stands for a link, a cluster or a group of keys that may be absent.
const isThere = "present"

// leaf is one value of a configuration; its zero value is one that is not there.
type leaf struct {
	pattern string // the key with * for names
	value   any
}

func (l leaf) text() string {
	switch v := reflect.ValueOf(l.value); {
	case l.value == nil:
		return ""
	case v.Kind() == reflect.Slice:
		return "[" + strings.Join(l.value.([]string), ", ") + "]"
	case v.Kind() == reflect.String && v.Len() == 0:
		return `""`
	}
	return fmt.Sprint(l.value)
}

// collect adds all values below v, by their keys.
func collect(v reflect.Value, key, pattern string, into map[string]leaf) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			into[key] = leaf{pattern, isThere}
			collect(v.Elem(), key, pattern, into)
		}
	case reflect.Struct:
		fields, known := fieldsOf(v.Type())
		for _, name := range known {
			collect(v.Field(fields[name]), join(key, name), join(pattern, name), into)
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			collectNamed(v.MapIndex(name), join(key, name.String()), pattern+".*", into)
		}
	case reflect.Slice:
		collectList(v, key, pattern, into)
	default:
		into[key] = leaf{pattern, v.Interface()}
	}
}

// collectList adds a list: of links by their names, of words as one value whose order does not matter.
func collectList(v reflect.Value, key, pattern string, into map[string]leaf) {
	if links, ok := reflect.TypeAssert[[]Link](v); ok {
		for _, l := range links {
			collectNamed(reflect.ValueOf(l), join(key, l.Name), pattern+".*", into)
		}
		return
	}
	words := make([]string, v.Len())
	for i := range words {
		words[i] = fmt.Sprint(v.Index(i).Interface())
	}
	slices.Sort(words)
	into[key] = leaf{pattern, words}
}

// collectNamed adds what has a name: a link, a cluster, or the value of a word.
func collectNamed(v reflect.Value, key, pattern string, into map[string]leaf) {
	if v.Kind() == reflect.Struct {
		into[key] = leaf{pattern, isThere}
	}
	collect(v, key, pattern, into)
}
