// Package systemd tells the service manager how this process is: that it works, what it does, that it ends, and again and
// again that it does not hang. Without a service manager, which names its socket in NOTIFY_SOCKET, it says nothing.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusInterval is how often the one line that `systemctl status` shows is looked at. It is sent when it has changed.
const statusInterval = 5 * time.Second

// Config is what is told. The functions are called by Run alone and must answer from memory.
type Config struct {
	// Alive says whether the process works: nil, or what is wrong. The watchdog is fed only while it is nil, so it must never
	// depend on another host: a restart cures no outage.
	Alive func() error
	// Status is what the process does, in one line.
	Status func() string
}

// Notifier tells the service manager of one process. Create with New.
type Notifier struct {
	cfg   Config                   // set once
	feed  time.Duration            // set once: how often the watchdog is fed; 0 = there is none
	send  func(state string) error // set once
	log   *slog.Logger
	told  string // owned by Run: the status that was sent last
	stuck bool   // owned by Run: the watchdog is not being fed
}

// New reads from the environment whether there is a watchdog. It says nothing yet. An error means that WATCHDOG_USEC makes no sense.
func New(cfg Config, log *slog.Logger) (*Notifier, error) {
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("read WATCHDOG_USEC, which systemd sets: %w; set WatchdogSec= of the unit to a time like 60", err)
	}
	return &Notifier{cfg: cfg, feed: patience / 2, send: notify, log: log}, nil
}

func notify(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// Run says that the process is ready, goes on telling how it is until ctx ends, and says when it begins to stop, which is
// when stopping is closed. It returns nil; what could not be sent is logged.
func (n *Notifier) Run(ctx context.Context, stopping <-chan struct{}) error {
	n.say(daemon.SdNotifyReady, n.status())
	status := time.NewTicker(statusInterval)
	defer status.Stop()
	var feeding <-chan time.Time // nil without a watchdog: never
	if n.feed > 0 {
		ticker := time.NewTicker(n.feed)
		defer ticker.Stop()
		feeding = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stopping:
			n.say(daemon.SdNotifyStopping)
			stopping = nil
		case <-status.C:
			if n.cfg.Status() != n.told {
				n.say(n.status())
			}
		case <-feeding:
			n.watchdog()
		}
	}
}

// watchdog feeds the watchdog, unless the process hangs: then it says so once and lets itself be killed.
func (n *Notifier) watchdog() {
	err := n.cfg.Alive()
	switch {
	case err == nil:
		n.say(daemon.SdNotifyWatchdog)
	case !n.stuck:
		n.log.Error("watchdog not fed; systemd will restart this process", "err", err)
	}
	n.stuck = err != nil
}

// Reload tells the service manager of a reload while apply makes it. It returns what apply does. It may be called from any
// goroutine while Run runs, by one at a time.
func (n *Notifier) Reload(apply func() error) error {
	n.say(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()) // without the time, Type=notify-reload waits for ever
	err := apply()
	n.say(daemon.SdNotifyReady)
	return err
}

func (n *Notifier) status() string {
	n.told = n.cfg.Status()
	return "STATUS=" + strings.ReplaceAll(n.told, "\n", " ")
}

// say sends assignments as one message. A service manager that cannot be reached must not end the mirror: it kills it, or not,
// by its own rules.
func (n *Notifier) say(assignments ...string) {
	if err := n.send(strings.Join(assignments, "\n")); err != nil {
		n.log.Warn("service manager not notified", "err", err)
	}
}
