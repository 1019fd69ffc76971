package probe

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Settings are those of a topic that say what it deletes. They are comparable.
type Settings struct {
	Deletes, Compacts bool          // cleanup.policy
	Retention         time.Duration // retention.ms; below 0: nothing is deleted by age
	RetentionBytes    int64         // retention.bytes, of each partition; below 0: nothing is deleted by size
	SegmentBytes      int64
	SegmentAge        time.Duration // segment.ms
	CompactionLag     time.Duration // min.compaction.lag.ms
	DeleteRetention   time.Duration // delete.retention.ms
	AppendTime        bool          // message.timestamp.type is LogAppendTime
}

// Names of the settings that are read.
const (
	keyPolicy          = "cleanup.policy"
	keyRetention       = "retention.ms"
	keyRetentionBytes  = "retention.bytes"
	keySegmentBytes    = "segment.bytes"
	keySegmentAge      = "segment.ms"
	keyCompactionLag   = "min.compaction.lag.ms"
	keyDeleteRetention = "delete.retention.ms"
	keyTimestamp       = "message.timestamp.type"
)

func settingNames() []string {
	return []string{keyPolicy, keyRetention, keyRetentionBytes, keySegmentBytes, keySegmentAge, keyCompactionLag, keyDeleteRetention, keyTimestamp}
}

// newSettings reads the effective settings of a topic. An error says which of those that every broker has is missing or no
// number: without it nobody knows what the topic deletes. Of the others, one that is missing is that of a broker which does not
// have it, and nothing is concluded from it.
func newSettings(values map[string]string) (Settings, error) {
	if _, ok := values[keyPolicy]; !ok {
		return Settings{}, fmt.Errorf("no %s", keyPolicy)
	}
	for _, key := range []string{keyRetention, keyRetentionBytes} {
		if _, err := strconv.ParseInt(values[key], 10, 64); err != nil {
			return Settings{}, fmt.Errorf("no number as %s", key)
		}
	}
	policy := strings.Split(values[keyPolicy], ",")
	s := Settings{Retention: millis(values[keyRetention]), RetentionBytes: whole(values[keyRetentionBytes]), SegmentBytes: whole(values[keySegmentBytes]),
		SegmentAge: millis(values[keySegmentAge]), CompactionLag: millis(values[keyCompactionLag]), DeleteRetention: millis(values[keyDeleteRetention]),
		AppendTime: values[keyTimestamp] == "LogAppendTime"}
	for _, p := range policy {
		switch strings.TrimSpace(p) {
		case "delete":
			s.Deletes = true
		case "compact":
			s.Compacts = true
		}
	}
	return s, nil
}

func whole(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// millis is a number of milliseconds as a duration; what is longer than a duration can be is without end.
func millis(text string) time.Duration {
	n := whole(text)
	if n < 0 || n > int64(1<<63-1)/int64(time.Millisecond) {
		return -1
	}
	return time.Duration(n) * time.Millisecond
}

// ByAge is after how long the topic deletes records. ok is false when it never does by age.
func (s *Settings) ByAge() (age time.Duration, ok bool) {
	if s == nil || !s.Deletes || s.Retention < 0 {
		return 0, false
	}
	return s.Retention, true
}

// BySize is beyond how many bytes each partition deletes its oldest records. ok is false when it never does by size.
func (s *Settings) BySize() (bytes int64, ok bool) {
	if s == nil || !s.Deletes || s.RetentionBytes < 0 {
		return 0, false
	}
	return s.RetentionBytes, true
}

// Since says what is different from what was, with the names that Kafka has for it.
func (s Settings) Since(was Settings) string {
	var words []string
	for _, v := range []struct{ name, was, now string }{
		{keyPolicy, was.policy(), s.policy()},
		{keyRetention, inMillis(was.Retention), inMillis(s.Retention)},
		{keyRetentionBytes, strconv.FormatInt(was.RetentionBytes, 10), strconv.FormatInt(s.RetentionBytes, 10)},
		{keySegmentBytes, strconv.FormatInt(was.SegmentBytes, 10), strconv.FormatInt(s.SegmentBytes, 10)},
		{keySegmentAge, inMillis(was.SegmentAge), inMillis(s.SegmentAge)},
		{keyCompactionLag, inMillis(was.CompactionLag), inMillis(s.CompactionLag)},
		{keyDeleteRetention, inMillis(was.DeleteRetention), inMillis(s.DeleteRetention)},
		{keyTimestamp, was.timestamp(), s.timestamp()},
	} {
		if v.was != v.now {
			words = append(words, v.name+" from "+v.was+" to "+v.now)
		}
	}
	return strings.Join(words, ", ")
}

func (s Settings) policy() string {
	var words []string
	if s.Compacts {
		words = append(words, "compact")
	}
	if s.Deletes {
		words = append(words, "delete")
	}
	return strings.Join(words, ",")
}

func (s Settings) timestamp() string {
	if s.AppendTime {
		return "LogAppendTime"
	}
	return "CreateTime"
}

func inMillis(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}
