package consume

import (
	"testing"
	"time"

	"tributary/pkg/mirror"
)

func TestParsePolicy(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings map[string]string
		want     mirror.Policy
		fails    bool
	}{
		{"deleted", map[string]string{cleanupPolicy: "delete", minCompactLag: "0", deleteRetention: "86400000"}, mirror.Policy{DeleteRetention: 24 * time.Hour}, false},
		{"compacted", map[string]string{cleanupPolicy: "compact", minCompactLag: "60000", deleteRetention: "1"}, mirror.Policy{Compacted: true, MinLag: time.Minute, DeleteRetention: time.Millisecond}, false},
		{"both", map[string]string{cleanupPolicy: "delete, compact"}, mirror.Policy{Compacted: true}, false},
		{"a word within another", map[string]string{cleanupPolicy: "compacted"}, mirror.Policy{}, false},
		{"none", map[string]string{}, mirror.Policy{}, false},
		{"not a number", map[string]string{deleteRetention: "1d"}, mirror.Policy{}, true},
		{"negative", map[string]string{minCompactLag: "-1"}, mirror.Policy{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parsePolicy(test.settings)
			if (err != nil) != test.fails || !test.fails && got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	longest, err := parsePolicy(map[string]string{minCompactLag: "9223372036854775807", deleteRetention: "9223372036854775807"})
	if sum := longest.MinLag + longest.DeleteRetention; err != nil || sum < 50*365*24*time.Hour {
		t.Errorf("got %v, %v; want decades, without an overflow", sum, err)
	}
}
