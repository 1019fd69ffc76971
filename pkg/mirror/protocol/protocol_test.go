package protocol

import "testing"

// The four states of a run, by position of Hot and Dirty.
func runs() (cold, hot, dirty, hotDirty Run) {
	return Run{}, Run{Hot: true}, Run{Dirty: true}, Run{Hot: true, Dirty: true}
}

// everyAge are the four ways in which a batch can make the broker forget.
func everyAge() map[string]Ages {
	return map[string]Ages{
		"last acked old": {LastAcked: true},
		"in flight old":  {InFlight: true},
		"batch old":      {Batch: true},
		"first old":      {First: true},
	}
}

func TestNextYoung(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	tests := map[string]struct {
		run      Run
		inFlight int
		want     Step
	}{
		"cold, nothing in flight":          {cold, 0, Send},
		"cold, one in flight":              {cold, 1, Wait},
		"cold, more than allowed":          {cold, 3, Wait},
		"dirty but young":                  {dirty, 0, Send},
		"dirty and cold, one in flight":    {dirty, 1, Wait},
		"hot":                              {hot, 0, Send},
		"hot, window not full":             {hot, Window - 1, Send},
		"hot, window full":                 {hot, Window, Wait},
		"hot, above the window":            {hot, Window + 1, Wait},
		"hot and dirty, window not full":   {hotDirty, Window - 1, Send},
		"hot and dirty, window full":       {hotDirty, Window, Wait},
		"a run that starts sends at once":  {Start(), 0, Send},
		"a run that starts sends one only": {Start(), 1, Wait},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Next(tt.run, Ages{}, tt.inFlight); got != tt.want {
				t.Errorf("Next(%+v, young, %d): got %d, want %d", tt.run, tt.inFlight, got, tt.want)
			}
		})
	}
}

func TestNextAged(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	tests := []struct {
		run      Run
		inFlight int
		want     Step
	}{
		{cold, 0, Send},
		{cold, 1, Wait},
		{hot, 0, Send},
		{hot, 1, Wait},
		{hot, Window, Wait},
		{dirty, 0, Calm},
		{dirty, 1, Wait},
		{hotDirty, 0, Calm},
		{hotDirty, 1, Wait},
	}
	for name, ages := range everyAge() {
		t.Run(name, func(t *testing.T) {
			for _, tt := range tests {
				if got := Next(tt.run, ages, tt.inFlight); got != tt.want {
					t.Errorf("Next(%+v, %+v, %d): got %d, want %d", tt.run, ages, tt.inFlight, got, tt.want)
				}
			}
		})
	}
}

func TestLimit(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	for run, want := range map[Run]int{cold: 1, dirty: 1, hot: Window, hotDirty: Window} {
		if got := Limit(run, Ages{}); got != want {
			t.Errorf("Limit(%+v, young): got %d, want %d", run, got, want)
		}
		for name, ages := range everyAge() {
			if got := Limit(run, ages); got != 1 {
				t.Errorf("Limit(%+v, %s): got %d, want 1", run, name, got)
			}
		}
	}
}

func TestNeedsLease(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	tests := map[string]struct {
		run           Run
		ages          Ages
		opening, idle bool
		want          bool
	}{
		"young on a busy connection":           {run: hot, want: false},
		"dirty alone does not ask":             {run: hotDirty, want: false},
		"first batch on a connection":          {run: hot, opening: true, want: true},
		"after idling":                         {run: hot, idle: true, want: true},
		"before the first ack":                 {run: cold, want: true},
		"last acked old":                       {run: hot, ages: Ages{LastAcked: true}, want: true},
		"in flight old":                        {run: hot, ages: Ages{InFlight: true}, want: true},
		"batch old":                            {run: hot, ages: Ages{Batch: true}, want: true},
		"first record old, batch young":        {run: hot, ages: Ages{First: true}, want: true},
		"everything at once":                   {run: dirty, ages: Ages{true, true, true, true}, opening: true, idle: true, want: true},
		"a run that starts, opening or not":    {run: Start(), want: true},
		"acknowledged after the start: no ask": {run: Acked(Start()), want: false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := NeedsLease(tt.run, tt.ages, tt.opening, tt.idle); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	tests := map[string]struct {
		run       Run
		ages      Ages
		compacted bool
		want      Recovery
		wantRun   Run
	}{
		"hot and young":                   {hot, Ages{}, false, Resend, hotDirty},
		"hot, dirty, and young":           {hotDirty, Ages{}, false, Resend, hotDirty},
		"cold and young":                  {cold, Ages{}, false, ScanFast, dirty},
		"hot, last acked old":             {hot, Ages{LastAcked: true}, false, ScanCalm, dirty},
		"hot, in flight old":              {hot, Ages{InFlight: true}, false, ScanCalm, dirty},
		"cold and old":                    {cold, Ages{InFlight: true}, false, ScanCalm, dirty},
		"compacted, hot and young":        {hot, Ages{}, true, Resend, hotDirty},
		"compacted, cold and young":       {cold, Ages{}, true, Resend, dirty},
		"compacted, last acked old":       {hot, Ages{LastAcked: true}, true, Restart, dirty},
		"compacted, cold, in flight old":  {cold, Ages{InFlight: true}, true, Restart, dirty},
		"compacted, dirty, in flight old": {hotDirty, Ages{InFlight: true}, true, Restart, dirty},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, run := Unknown(tt.run, tt.ages, tt.compacted)
			if got != tt.want || run != tt.wantRun {
				t.Errorf("got %d, %+v, want %d, %+v", got, run, tt.want, tt.wantRun)
			}
		})
	}
}

func TestOutOfOrder(t *testing.T) {
	_, _, dirty, _ := runs()
	tests := map[string]struct {
		ages      Ages
		compacted bool
		want      Recovery
	}{
		"young":                {Ages{}, false, ScanFast},
		"last acked old":       {Ages{LastAcked: true}, false, ScanCalm},
		"in flight old":        {Ages{InFlight: true}, false, ScanCalm},
		"compacted":            {Ages{}, true, Restart},
		"compacted, in flight": {Ages{InFlight: true}, true, Restart},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, run := OutOfOrder(tt.ages, tt.compacted)
			if got != tt.want || run != dirty {
				t.Errorf("got %d, %+v, want %d, %+v", got, run, tt.want, dirty)
			}
		})
	}
}

func TestScanned(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	tests := map[string]struct {
		run  Run
		kind Recovery
		want Run
	}{
		"fast leaves dirt":       {dirty, ScanFast, dirty},
		"resend leaves dirt":     {hotDirty, Resend, hotDirty},
		"restart leaves dirt":    {dirty, Restart, dirty},
		"calm cleans":            {dirty, ScanCalm, cold},
		"calm does not warm":     {cold, ScanCalm, cold},
		"calm does not cool":     {hotDirty, ScanCalm, hot},
		"fast does not soil":     {hot, ScanFast, hot},
		"fast does not cool off": {hotDirty, ScanFast, hotDirty},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Scanned(tt.run, tt.kind); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAcked(t *testing.T) {
	cold, hot, dirty, hotDirty := runs()
	for run, want := range map[Run]Run{cold: hot, hot: hot, dirty: hotDirty, hotDirty: hotDirty} {
		if got := Acked(run); got != want {
			t.Errorf("Acked(%+v): got %+v, want %+v", run, got, want)
		}
	}
}

// TestRecoveryOrder holds what callers rely on when they keep the stronger of two needs.
func TestRecoveryOrder(t *testing.T) {
	if !(Resend < ScanFast && ScanFast < ScanCalm && ScanCalm < Restart) {
		t.Errorf("got %d, %d, %d, %d, want them rising", Resend, ScanFast, ScanCalm, Restart)
	}
}
