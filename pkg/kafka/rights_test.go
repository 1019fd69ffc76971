package kafka

import "testing"

func TestRightsThatAreLacking(t *testing.T) {
	for _, test := range []struct {
		name   string
		rights Rights
		want   bool // WRITE is lacking
	}{
		{"has it", 1<<RightDescribe | 1<<RightWrite, false},
		{"has it not", 1<<RightDescribe | 1<<RightRead, true},
		{"the broker does not tell", -1 << 31, false},
		{"a broker that tells nothing", 0, false},
	} {
		if got := test.rights.Lacks(RightWrite); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
