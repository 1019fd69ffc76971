package config

import (
	"fmt"
	"slices"
	"strings"
)

// equalSettings are the topic settings that can be kept equal: they say how long and in what pieces a topic is kept. A name that is
// not among them is refused, as a broker may have settings that are not known here.
func equalSettings() []string {
	return []string{"delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms", "index.interval.bytes",
		"max.compaction.lag.ms", "max.message.bytes", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "preallocate", "retention.bytes",
		"retention.ms", "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms"}
}

// unequalSettings are those that must not be, by how their names begin, with what speaks against it.
func unequalSettings() []struct{ prefix, why string } {
	return []struct{ prefix, why string }{
		{"cleanup.policy", "compaction deletes records that the destination has; it is taken over when a topic is created, and nowhere else"},
		{"compression.type", "the destination's brokers would compress anew what they get; use compression of the link"},
		{"min.insync.replicas", "it decides whether what the destination acknowledges is safe there, which is for the destination to say"},
		{"unclean.leader.election.enable", "it decides whether what the destination acknowledged may be lost there, which is for the destination to say"},
		{"message.timestamp.", "the destination would refuse or restamp records by it, old ones of a backlog among them"},
		{"message.format.version", "records are written in the newest format"},
		{"message.downconversion.enable", "it is for the readers at the destination"},
		{"leader.replication.throttled.replicas", "it names brokers of the source"},
		{"follower.replication.throttled.replicas", "it names brokers of the source"},
		{"remote.", "it says where the destination keeps its log, which is for the destination to say"},
		{"local.", "it says where the destination keeps its log, which is for the destination to say"},
	}
}

// configSync checks the names of the settings that are to be kept equal.
func (k *checker) configSync(path string, names []string) {
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch why, refused := unequal(name); {
		case !isName(name):
			k.add(at, "%s is not the name of a topic setting", shorten(name))
		case slices.Index(names, name) < i:
			k.add(at, "%s is there twice", shorten(name))
		case refused:
			k.add(at, "%s is not kept equal: %s", shorten(name), why)
		case !slices.Contains(equalSettings(), name):
			k.add(at, "%s is not one of the settings that can be kept equal, which are %s%s", shorten(name), strings.Join(equalSettings(), ", "), DidYouMean(name, equalSettings()))
		}
	}
}

// unequal says why a setting must not be kept equal, if that is known.
func unequal(name string) (why string, refused bool) {
	for _, s := range unequalSettings() {
		if strings.HasPrefix(name, s.prefix) {
			return s.why, true
		}
	}
	return "", false
}
