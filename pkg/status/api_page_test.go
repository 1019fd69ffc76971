package status

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/pkg/api"
	"tributary/pkg/lag"
	"tributary/pkg/ownership/pool"
)

// TestInterfacePage holds docs/api.md against the answers: every key is there with its type, and none that is not.
func TestInterfacePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := keysOfPage(t, string(page))
	for title, answer := range map[string]any{"GET /api/v1/status": api.Status{}, "GET /api/v1/pool": api.Pools{}, "GET /api/v1/events": eventsReport{}} {
		is := map[string]string{}
		addKeys(is, "", reflect.TypeOf(answer))
		for _, key := range slices.Sorted(maps.Keys(is)) {
			if got := told[title][key]; got != is[key] {
				t.Errorf("%s: %s is %q on the page, want %q", title, key, got, is[key])
			}
			delete(told[title], key)
		}
		for _, key := range slices.Sorted(maps.Keys(told[title])) {
			t.Errorf("%s: %s is on the page, and not in the answer", title, key)
		}
	}
}

// TestWordsOfTheInterface holds the words that readers of the status know against those that the program has.
func TestWordsOfTheInterface(t *testing.T) {
	var states []string
	for _, state := range append(lag.States(), lag.StateElsewhere) {
		states = append(states, string(state))
	}
	if got := api.States(); !slices.Equal(got, states) {
		t.Errorf("readers know the states %v, want %v", got, states)
	}
	for got, want := range map[string]string{
		api.HeartbeatSilent: string(lag.HeartbeatSilent), api.HeartbeatUnknown: string(lag.HeartbeatUnknown),
		api.HeartbeatWarn: string(lag.HeartbeatWarn), api.HeartbeatOK: string(lag.HeartbeatOK), api.PoolConnected: pool.Connected.String(),
	} {
		if got != want {
			t.Errorf("readers know %q, want %q", got, want)
		}
	}
}

// keysOfPage returns the types of the keys that the page has, by request and path.
func keysOfPage(t *testing.T, page string) map[string]map[string]string {
	t.Helper()
	told := map[string]map[string]string{}
	var request, within string
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			request, within = strings.Trim(title, "`"), ""
			told[request] = map[string]string{}
		}
		if title, ok := strings.CutPrefix(line, "### "); ok {
			within = strings.Trim(title, "`") + "."
		}
		cells := strings.Split(line, " | ")
		if key, ok := strings.CutPrefix(cells[0], "| `"); ok && request != "" {
			if len(cells) != 3 || strings.Trim(cells[2], " |") == "" {
				t.Errorf("%q: want a key, a type and a meaning", line)
				continue
			}
			told[request][within+strings.Trim(key, "`")] = cells[1]
		}
	}
	return told
}

// addKeys adds the keys of a structure as it is written in JSON.
func addKeys(is map[string]string, within string, structure reflect.Type) {
	for _, f := range reflect.VisibleFields(structure) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || key == "" {
			continue
		}
		path, kind, null := within+key, f.Type, ""
		if kind.Kind() == reflect.Pointer {
			kind, null = kind.Elem(), ", null"
		}
		if kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct {
			is[path+"[]"] = "list"
			addKeys(is, path+"[].", kind.Elem())
			continue
		}
		is[path] = typeName(kind) + null
		if is[path] == "object"+null && kind.Kind() == reflect.Struct {
			addKeys(is, path+".", kind)
		}
	}
}

func typeName(kind reflect.Type) string {
	switch {
	case kind == reflect.TypeFor[time.Time]():
		return "time"
	case kind.Kind() == reflect.Struct, kind.Kind() == reflect.Map:
		return "object"
	case kind.Kind() == reflect.Slice:
		return typeName(kind.Elem()) + "s"
	case kind.Kind() == reflect.String, kind.Kind() == reflect.Bool:
		return kind.Kind().String()
	case kind.ConvertibleTo(reflect.TypeFor[float64]()):
		return "number"
	}
	return fmt.Sprint(kind)
}
