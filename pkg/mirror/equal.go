package mirror

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Times of settings that are kept equal.
const (
	equalEvery = 30 * time.Second
	equalRetry = 5 * time.Minute // of a change that was refused, while the source's value stays as it is
)

// Setting is a setting of a topic.
type Setting struct {
	Value string
	Own   bool // it was given to the topic; else it is the cluster's default
}

// SettingsSource tells settings of topics. Safe for concurrent use.
type SettingsSource interface {
	// Settings returns, by topic and name, those with the given names; one that the cluster does not know is absent. On an error
	// it returns those that could be read.
	Settings(ctx context.Context, topics, names []string) (map[string]map[string]Setting, error)
}

// SettingsSink can change them, too.
type SettingsSink interface {
	SettingsSource
	// ChangeSetting gives a topic a setting, or with nil the cluster's default of it. Others stay as they are.
	ChangeSetting(ctx context.Context, topic, name string, value *string) error
}

// Equal says which settings of the topics of a link are kept equal.
type Equal struct {
	Names []string // none: nothing is read or changed
	From  SettingsSource
	To    SettingsSink
}

// equalled is what this process knows of a setting at the destination.
type equalled struct {
	value   *string   // the source's own value, as it was seen or put there last; nil: neither
	refused string    // why a change was refused; "" none was
	wanted  string    // the change that was
	at      time.Time // and when
}

// move is what becomes of a setting at the destination.
type move struct {
	change bool
	to     *string // with change: the new value, nil for the cluster's default
	why    string  // else: why the two differ; "" they do not, or as much as they may
}

// raisedOnly are settings of which the destination may have more: with less, what is under way may be too large.
const raisedOnly = "max.message.bytes"

// next decides about a setting. What the source's topic has of its own, the destination's gets, once: where somebody else changes it
// afterwards, be it another link or an operator, that stands until the source's value is another one. A default of the source is
// not copied, and takes away only what came from there.
func (e *equalled) next(name string, source, dest Setting) move {
	if !source.Own {
		switch came := e.value != nil && *e.value == dest.Value; {
		case !dest.Own || dest.Value == source.Value:
			e.value = nil
		case came && name != raisedOnly:
			return move{change: true}
		default:
			return move{why: fmt.Sprintf("%s is %s at the destination and has its default, %s, at the source: set it at the source too, or reset it at the destination", name, dest.Value, source.Value)}
		}
		return move{}
	}
	switch {
	case dest.Value == source.Value, name == raisedOnly && larger(dest.Value, source.Value):
		e.value = &source.Value
		return move{}
	case e.value != nil && *e.value == source.Value:
		return move{why: fmt.Sprintf("%s is %s at the destination, where this mirror had %s from the source: another link or somebody has changed it, and it is not set again before the source's value changes", name, dest.Value, source.Value)}
	}
	return move{change: true, to: &source.Value}
}

// larger compares numbers; what is none is not larger.
func larger(a, b string) bool {
	x, err := strconv.ParseInt(a, 10, 64)
	y, wrong := strconv.ParseInt(b, 10, 64)
	return err == nil && wrong == nil && x > y
}
