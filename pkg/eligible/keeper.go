package eligible

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tributary/pkg/lag"
	"tributary/pkg/mirror"
)

// EventEligible is the kind of the events of this package.
const EventEligible mirror.EventKind = "eligible"

// MaxFor is for how long an operator's word holds at most: it is forgotten sooner.
const MaxFor = 7 * 24 * time.Hour

// ErrMode says that a mode cannot be set so.
var ErrMode = errors.New("no such mode")

// lookEvery is how often the newest snapshot is looked at.
const lookEvery = time.Second

// Settings are all that a Keeper is told.
type Settings struct {
	Rules     *Config // nil: nothing but an operator decides
	Peers     []string
	Dir       string // the state directory, where an operator's word outlives the process
	Snapshots func() *lag.Snapshot
	Events    mirror.Events // takes note of changes
}

// Keeper keeps the answer to whether this host may take new traffic. Create with New.
type Keeper struct {
	cfg    Settings // set once
	client *http.Client
	log    *slog.Logger

	mu      sync.Mutex
	machine *machine           // guarded by mu
	counts  map[Transition]int // guarded by mu
	unsaved bool               // guarded by mu; the newest state is not on disk

	state atomic.Pointer[State]
}

// Transition is a change to a state for a reason.
type Transition struct {
	In     bool
	Reason Reason
}

// New returns a keeper in the state that the process before left, or else in. A state that cannot be read is said in the log, and
// the host takes traffic: that is the safer error.
func New(cfg Settings, log *slog.Logger) *Keeper {
	saved, err := load(cfg.Dir)
	if err != nil {
		log.Warn("whether the host takes traffic not known from before", "err", err)
	}
	rules := Config{}
	if cfg.Rules != nil {
		rules = *cfg.Rules
	}
	k := &Keeper{cfg: cfg, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, log: log, counts: map[Transition]int{}}
	k.machine = newMachine(rules, time.Now(), saved)
	if cfg.Rules == nil && !k.machine.own { // the rules that drained are gone
		k.machine.own = true
		if k.machine.state.Mode == ModeAuto {
			k.machine.turn(true, ReasonRecovered, "the configuration has no discovery", time.Now())
		}
	}
	k.publish()
	return k
}

// State returns the newest state. It may be called at any time from any goroutine.
func (k *Keeper) State() State { return *k.state.Load() }

// Transitions returns how often each change happened since the process began. It may be called at any time from any goroutine.
func (k *Keeper) Transitions() map[Transition]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := map[Transition]int{}
	for _, in := range []bool{true, false} {
		for _, r := range Reasons(in) {
			counts[Transition{in, r}] = 0
		}
	}
	maps.Copy(counts, k.counts)
	return counts
}

// Set takes a mode from an operator, for as long as that; auto has no time. It returns when the word is on disk, or ErrMode.
func (k *Keeper) Set(mode Mode, long time.Duration) (State, error) {
	switch {
	case mode != ModeAuto && mode != ModeIn && mode != ModeDrain:
		return k.State(), fmt.Errorf("%w: %q; want auto, in or drain", ErrMode, mode)
	case mode != ModeAuto && (long <= 0 || long > MaxFor):
		return k.State(), fmt.Errorf("%w: for %v; want above 0 and at most %v", ErrMode, long, MaxFor)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	changed := k.machine.set(mode, now.Add(long), now)
	k.note(changed)
	if k.unsaved = true; !k.saveLocked() {
		return k.State(), errors.New("it holds, but not beyond the end of this process, as it could not be saved; see to the disk of the state_dir")
	}
	return k.State(), nil
}

// Run looks at the newest snapshot every second until ctx ends, and returns nil. Call it once.
func (k *Keeper) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	var peers atomic.Pointer[Peers]
	peers.Store(&Peers{})
	if k.cfg.Rules != nil && len(k.cfg.Peers) > 0 {
		asking.Go(func() { k.ask(ctx, &peers) })
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		k.look(*peers.Load())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ask asks the peers again and again until ctx ends.
func (k *Keeper) ask(ctx context.Context, peers *atomic.Pointer[Peers]) {
	tick := time.NewTicker(peersEvery)
	defer tick.Stop()
	for {
		p := askPeers(ctx, k.client, k.cfg.Peers)
		peers.Store(&p)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *Keeper) look(peers Peers) {
	now := time.Now()
	var v verdict
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cfg.Rules != nil {
		v = k.machine.watch.judge(*k.cfg.Rules, k.cfg.Snapshots(), now, peers)
	}
	mode := k.machine.state.Mode
	changed := k.machine.observe(now, v)
	k.note(changed)
	if changed || mode != k.machine.state.Mode {
		k.unsaved = true
	}
	k.saveLocked()
}

// note publishes the state and tells of a change. It is called under mu.
func (k *Keeper) note(changed bool) {
	k.publish()
	if !changed {
		return
	}
	s := k.State()
	k.counts[Transition{s.In, s.Reason}]++
	word := "drained"
	if s.In {
		word = "in"
	}
	k.log.Warn("host changed over", "to", word, "reason", string(s.Reason), "why", s.Text)
	k.cfg.Events.Record(mirror.Event{Time: s.Since, Kind: EventEligible, Partition: -1, Text: fmt.Sprintf("%s (%s): %s", word, s.Reason, s.Text)})
}

func (k *Keeper) publish() {
	s := k.machine.state
	k.state.Store(&s)
}

// saveLocked saves what is not saved yet, and says whether all is. It is called under mu.
func (k *Keeper) saveLocked() bool {
	if !k.unsaved {
		return true
	}
	if err := save(k.cfg.Dir, k.machine.state); err != nil {
		k.log.Warn("whether the host takes traffic not saved", "err", err)
		return false
	}
	k.unsaved = false
	return true
}
