package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tributary/e2e/load"
)

func mirrorFaults() []trial {
	return []trial{
		{id: "M1", fault: "kill -9 at random moments", expected: "nothing lost or doubled", run: killedAnywhere},
		{id: "M2", fault: "SIGTERM", expected: "drains, saves, exit 0 within 10 s; 0 doubled by the restart", run: terminated},
		{id: "M3", fault: "frozen, as a suspended machine is", expected: "goes on within 30 s of waking", fast: true, run: suspended},
		{id: "M4", fault: "killed by the kernel for its memory", expected: "as M1", run: outOfMemory},
		{id: "M5", fault: "5 % of a core; no file descriptors; read-only state directory", expected: "slow, not wrong; a clear error", run: starved},
		{id: "M6", fault: "started twice", expected: "the second exits with an error; 0 doubled", fast: true, run: startedTwice},
		{id: "M7", fault: "the monotonic clock jumps by a day between two starts", expected: "no effect", run: clockJumps},
		{id: "M8", fault: "death by SIGABRT, which ends the process as a panic does", expected: "after the supervisor's restart all links go on within 15 s", run: panics},
		{id: "M9", fault: "upgrade and downgrade under load", expected: "state and positions are read by both versions", run: versionsSwapped},
	}
}

func killedAnywhere(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-m1", stage.edge.get(t), stage.region.get(t), 4)
	kills := whole(10, 60)
	e.count(crashLoop(t, r, crashes{mirror: kills, lifeMax: 2500 * time.Millisecond, seed: 11,
		load: load.Spec{Partitions: 4, Rate: 2000, BatchRecords: []int{0, 10}, Producers: 2, Shapes: load.Everything &^ load.OddTimes}}))
	e.fired("%d mirrors killed", kills)
}

func terminated(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-m2", stage.edge.get(t), stage.home.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 3000, Seed: 6})
	n, slowest := whole(3, 30), time.Duration(0)
	for range n {
		r.host.start(t)
		r.awaitMore(t, 500, 30*time.Second)
		begun := time.Now()
		r.host.stop(t)
		slowest = max(slowest, time.Since(begun))
		requirePositionsAtEnd(t, r)
	}
	if slowest > 10*time.Second {
		t.Errorf("the slowest stop took %v, want at most 10 s", slowest)
	}
	e.fired("stopped %d times with exit code 0, in %v at most, each with all it sent below its positions", n, slowest.Round(time.Millisecond))
	report := generator.end(t)
	r.host.start(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
}

func suspended(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-m3", stage.edge.get(t), stage.region.get(t), 3)
	e.endure(t, r, ordinaryTraffic, repeated(whole(1, 2), func(int) strike {
		hold := whole(3*time.Second, 70*time.Second)
		return strike{name: "frozen", hold: hold,
			begin: func(ctx context.Context) error { return r.host.run.freeze(ctx) },
			proof: func(context.Context) (string, error) {
				if !isStopped(r.host.run.pid()) {
					return "", errors.New("the mirror ran")
				}
				return fmt.Sprintf("stood still for %v", hold), nil
			},
			end: func(context.Context) error { return r.host.run.thaw() },
		}
	})...)
}

// outOfMemory gives the mirror a control group with less memory than its budget, and restarts it until it has done its
// work in a larger one.
func outOfMemory(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-m4", stage.edge.get(t), stage.region.get(t), 3, func(s *settings) { s.Memory = "256MiB" })
	group := newControlGroup(t, "memory")
	r.host.wrap = group.wrap()
	_, err := load.Fill(within(t, time.Minute), r.from.Direct(), load.FillSpec{Topic: r.topic, Partitions: 3, Records: 300_000, ValueBytes: 1024, Seed: 4})
	must(t, err)
	deaths := whole(1, 3)
	for i := range deaths {
		group.set(t, "memory.limit_in_bytes", fmt.Sprint(48<<20))
		must(t, r.host.launch())
		if _, err := r.host.run.exitCode(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		if !r.host.run.killed() {
			t.Fatalf("death %d: the mirror ended by itself: %v", i+1, r.host.run.exit)
		}
	}
	e.fired("%d deaths; memory.oom_control says %s", deaths, group.line(t, "memory.oom_control", "oom_kill "))
	group.set(t, "memory.limit_in_bytes", "-1")
	r.host.start(t)
	e.recovered = r.awaitMore(t, 1, noticeWithin)
	r.awaitCopied(t, 2*time.Minute)
	r.host.stop(t)
	e.exact(t, r)
}

func starved(t *testing.T, e *evidence) {
	t.Run("cpu", func(t *testing.T) {
		r := newRoute(t, "fault-m5-cpu", stage.edge.get(t), stage.home.get(t), 3)
		group := newControlGroup(t, "cpu")
		group.set(t, "cpu.cfs_quota_us", "5000")
		r.host.wrap = group.wrap()
		must(t, r.host.launch())
		must(t, r.host.awaitStarted(within(t, time.Minute)))
		generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 1000, Seed: 5})
		r.awaitMore(t, 5000, 2*time.Minute)
		must(t, pause(t.Context(), whole(5*time.Second, 30*time.Second)))
		report := generator.end(t)
		e.fired("5 %% of a core: %s", group.line(t, "cpu.stat", "nr_throttled"))
		group.set(t, "cpu.cfs_quota_us", "-1")
		r.awaitCopied(t, time.Minute)
		r.host.stop(t)
		e.exact(t, r, report)
	})
	t.Run("descriptors", func(t *testing.T) {
		r := newRoute(t, "fault-m5-fds", stage.edge.get(t), stage.region.get(t), 3)
		r.host.wrap = []string{"sh", "-c", `ulimit -n 12 && exec "$@"`, "sh"}
		report := r.produce(t, load.Spec{Partitions: 3, Records: 3000, Seed: 5})
		must(t, r.host.launch())
		eventually(t, noticeWithin, "the log says that there are no file descriptors", func(context.Context) error {
			if !containsFold(r.host.logTail(50), "too many open files") {
				return errors.New("the log does not say so")
			}
			return nil
		})
		e.fired("12 file descriptors: the log says too many open files")
		must(t, r.host.run.kill())
		r.host.wrap = nil
		r.host.start(t)
		r.awaitCopied(t, time.Minute)
		r.host.stop(t)
		e.exact(t, r, report)
	})
	t.Run("read-only", func(t *testing.T) {
		requireRoot(t)
		r := newRoute(t, "fault-m5-ro", stage.edge.get(t), stage.home.get(t), 3)
		must(t, os.MkdirAll(r.host.settings.StateDir, 0o700))
		r.host.wrap = []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`, r.host.settings.StateDir}
		report := r.produce(t, load.Spec{Partitions: 3, Records: 3000, Seed: 5})
		must(t, r.host.launch())
		eventually(t, noticeWithin, "the log says that the directory is read-only", func(context.Context) error {
			if !containsFold(r.host.logTail(50), "read-only file system") {
				return errors.New("the log does not say so")
			}
			return nil
		})
		if n, err := r.arrived(t.Context()); err == nil && n != 0 {
			t.Errorf("records sent without an identity on disk: got %d, want 0", n)
		}
		e.fired("read-only state directory: the log says so, nothing was sent")
		must(t, r.host.run.kill())
		r.host.wrap = nil
		r.host.start(t)
		r.awaitCopied(t, time.Minute)
		r.host.stop(t)
		e.exact(t, r, report)
	})
}

func startedTwice(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-m6", stage.edge.get(t), stage.home.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 3000, Seed: 6})
	r.host.start(t)
	r.awaitMore(t, 500, 30*time.Second)
	for range whole(2, 10) {
		second := *r.host // the same configuration and directories
		must(t, second.launch())
		code, err := second.run.exitCode(10 * time.Second)
		must(t, err)
		if code == 0 || !containsFold(second.logTail(5), "in use by another mirror") {
			t.Fatalf("a second mirror ended with code %d: %s", code, second.logTail(5))
		}
		e.fired("the second exits with %d", code)
		r.awaitMore(t, 500, 30*time.Second)
	}
	report := generator.end(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
}

// clockJumps restarts the mirror in time namespaces that are a day apart.
func clockJumps(t *testing.T, e *evidence) {
	requireRoot(t)
	r := newRoute(t, "fault-m7", stage.edge.get(t), stage.home.get(t), 3)
	generator := r.startTraffic(t, load.Spec{Partitions: 3, Rate: 2000, Seed: 7})
	for i := range whole(3, 12) {
		ahead := fmt.Sprint(i % 3 * 86_400)
		r.host.wrap = []string{"unshare", "--time", "--monotonic", ahead, "--boottime", ahead}
		r.host.start(t)
		r.awaitMore(t, 2000, 30*time.Second)
		offsets, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", r.host.run.pid()))
		must(t, err)
		if i%3 > 0 && !containsFold(string(offsets), ahead) {
			t.Fatalf("the clock of the mirror is not %s s ahead: %s", ahead, offsets)
		}
		if rand.IntN(2) == 0 {
			r.host.stop(t)
		} else {
			must(t, r.host.run.kill())
		}
		e.fired("monotonic clock %s s ahead", ahead)
	}
	e.note("steps of the wall clock: make sim")
	r.host.wrap = nil
	r.host.start(t)
	report := generator.end(t)
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
}

// panics ends the process as a panic would, with a trace of its goroutines, and starts it again as a supervisor does.
func panics(t *testing.T, e *evidence) {
	r := newRoute(t, "fault-m8", stage.edge.get(t), stage.region.get(t), 3)
	e.endure(t, r, ordinaryTraffic, repeated(whole(1, 5), func(int) strike {
		return strike{name: "SIGABRT", recovers: 15 * time.Second,
			begin: func(context.Context) error {
				if err := r.host.run.signal(syscall.SIGABRT); err != nil {
					return err
				}
				_, err := r.host.run.exitCode(10 * time.Second)
				return err
			},
			proof: func(context.Context) (string, error) {
				if !containsFold(r.host.logTail(2000), "goroutine ") {
					return "", errors.New("the log has no trace")
				}
				return "exit " + r.host.run.exit.Error() + ", with a trace", nil
			},
			end: func(ctx context.Context) error {
				return errors.Join(r.host.launch(), r.host.awaitStarted(ctx))
			},
		}
	})...)
}

func versionsSwapped(t *testing.T, e *evidence) {
	previous, revision := buildPrevious(t)
	r := newRoute(t, "fault-m9", stage.edge.get(t), stage.region.get(t), 3)
	current := stage.binary
	var strikes []strike
	for i := range whole(2, 10) {
		binary := []string{previous, current}[i%2]
		strikes = append(strikes, strike{name: "swapped",
			begin: func(context.Context) error {
				if i%4 < 2 {
					return r.host.run.kill()
				}
				code, err := r.host.run.terminate(stopTimeout)
				if err == nil && code != 0 {
					err = fmt.Errorf("exit code %d", code)
				}
				return err
			},
			proof: func(context.Context) (string, error) { return filepath.Base(binary), nil },
			end: func(ctx context.Context) error {
				r.host.binary = binary
				return errors.Join(r.host.launch(), r.host.awaitStarted(ctx))
			},
		})
	}
	e.note("the previous version is commit %s", revision)
	e.endure(t, r, ordinaryTraffic, strikes...)
}
