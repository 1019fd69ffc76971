package eligible

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// notes are the events that were told.
type notes struct {
	mu   sync.Mutex
	told []string // guarded by mu
}

func (n *notes) Record(e mirror.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, fmt.Sprintf("%s %s", e.Kind, e.Text))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run runs a keeper for so long.
func run(t *testing.T, k *Keeper, long time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	if err := k.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestKeeperDwells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		faults := []fault{diskFull(time.Minute)}
		told := &notes{}
		cfg := rules()
		k := New(Settings{Rules: &cfg, Dir: t.TempDir(), Events: told, Snapshots: func() *lag.Snapshot {
			mu.Lock()
			defer mu.Unlock()
			return seen(time.Now(), faults...)
		}}, quiet())
		if !k.State().In {
			t.Error("it does not begin in")
		}
		begun := time.Now()
		time.AfterFunc(time.Minute, func() { mu.Lock(); faults = nil; mu.Unlock() })
		run(t, k, 10*time.Minute+30*time.Second)
		if s := k.State(); s.In || s.Reason != ReasonDiskFull || s.Since.Sub(begun) > lookEvery {
			t.Errorf("before the dwell is over: %+v", s)
		}
		run(t, k, time.Minute)
		if s := k.State(); !s.In || s.Reason != ReasonRecovered {
			t.Errorf("after it: %+v", s)
		}
		if len(told.told) != 2 || !strings.HasPrefix(told.told[0], "eligible drained (disk_full): /kafka of broker 1 is full at ") || told.told[1] != "eligible in (recovered): all is well" {
			t.Errorf("events %q", told.told)
		}
		counts := k.Transitions()
		if counts[Transition{false, ReasonDiskFull}] != 1 || counts[Transition{true, ReasonRecovered}] != 1 || counts[Transition{false, ReasonOutage}] != 0 || len(counts) != 7 {
			t.Errorf("transitions %v", counts)
		}
	})
}

func TestAnOperatorsWordEndsAndOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := Settings{Dir: t.TempDir(), Events: &notes{}, Snapshots: func() *lag.Snapshot { return nil }}
		k := New(settings, quiet())
		if s, err := k.Set(ModeDrain, time.Hour); err != nil || s.In || s.Mode != ModeDrain || s.Reason != ReasonOperator {
			t.Fatalf("drain: %+v, %v", s, err)
		}
		run(t, k, 30*time.Minute)
		k = New(settings, quiet())
		if s := k.State(); s.In || s.Mode != ModeDrain {
			t.Errorf("after a restart: %+v", s)
		}
		run(t, k, 31*time.Minute)
		if s := k.State(); !s.In || s.Mode != ModeAuto {
			t.Errorf("after its time: %+v", s)
		}
		if s := New(settings, quiet()).State(); !s.In || s.Mode != ModeAuto {
			t.Errorf("after another restart: %+v", s)
		}
	})
}

func TestModesThatThereAreNot(t *testing.T) {
	k := New(Settings{Dir: t.TempDir(), Events: &notes{}}, quiet())
	for _, test := range []struct {
		mode Mode
		long time.Duration
	}{{"out", time.Hour}, {ModeDrain, 0}, {ModeIn, -time.Second}, {ModeDrain, MaxFor + 1}} {
		if s, err := k.Set(test.mode, test.long); !errors.Is(err, ErrMode) || !s.In || s.Mode != ModeAuto {
			t.Errorf("%s for %v: %+v, %v", test.mode, test.long, s, err)
		}
	}
}

func TestAWordThatCannotBeSavedHoldsAndSaysSo(t *testing.T) {
	k := New(Settings{Dir: filepath.Join(t.TempDir(), "none"), Events: &notes{}}, quiet())
	if s, err := k.Set(ModeDrain, time.Hour); err == nil || s.In {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestADamagedFileFailsOpen(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := New(Settings{Dir: dir, Events: &notes{}}, quiet()).State(); !s.In || s.Mode != ModeAuto {
		t.Errorf("got %+v", s)
	}
}

func TestRulesThatAreGoneDrainNoLonger(t *testing.T) {
	dir := t.TempDir()
	if err := save(dir, State{In: false, Reason: ReasonDiskFull, Mode: ModeAuto, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if s := New(Settings{Dir: dir, Events: &notes{}}, quiet()).State(); !s.In {
		t.Errorf("got %+v", s)
	}
}

func TestAskPeers(t *testing.T) {
	var addresses []string
	for _, answer := range []string{`{"in":true,"cut":false}`, `{"in":true,"cut":true}`, `{"in":false}`, `<html>`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/poolz" || r.Header.Get(PeerHeader) == "" {
				t.Errorf("asked for %s with %v", r.URL.Path, r.Header)
			}
			_, _ = w.Write([]byte(answer))
		}))
		t.Cleanup(server.Close)
		addresses = append(addresses, server.Listener.Addr().String())
	}
	got := askPeers(t.Context(), http.DefaultClient, append(addresses, "127.0.0.1:1"))
	if got != (Peers{Asked: 5, Fine: 1}) || got.fine() {
		t.Errorf("got %+v", got)
	}
	if got := askPeers(t.Context(), http.DefaultClient, addresses[:1]); !got.fine() {
		t.Errorf("one that is fine: %+v", got)
	}
}
