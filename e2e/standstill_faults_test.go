package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// away is a cluster that the mirror cannot reach.
func (s *standstills) away(r *route, name string, ways []*kafka.Proxy, fault func(*kafka.Proxy)) *standstill {
	done := func() int64 { return total(ways, func(p kafka.ProxyStats) int64 { return p.Cut + p.SwallowedUp }) }
	var before int64
	return &standstill{name: name, r: r, code: 2, says: r.topic, state: "waiting", ready: true, errors: 1,
		begin: func(*testing.T) { before = done(); each(ways, fault) },
		fired: func(context.Context) error {
			if done() == before {
				return errors.New("the proxies cut nothing and swallowed nothing")
			}
			return nil
		},
		end: func(t *testing.T) { must(t, heal(ways)) }}
}

// forbidden takes the right to write away from the mirror.
func (s *standstills) forbidden(r *route) *standstill {
	denial := func() *kadm.ACLBuilder {
		return kadm.NewACLs().Deny("User:" + securedUser).DenyHosts("*").Allow().AllowHosts().Topics("*").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite)
	}
	return &standstill{name: "ACL revoked", r: r, code: 2, says: r.topic, state: "waiting", ready: true, errors: 1,
		begin: func(t *testing.T) {
			answers, err := s.strict.Admin().CreateACLs(within(t, 30*time.Second), denial())
			must(t, err)
			for _, a := range answers {
				must(t, a.Err)
			}
		},
		fired: func(ctx context.Context) error { return r.host.waitsFor(ctx, r.topic, "auth") },
		end: func(t *testing.T) {
			answers, err := s.strict.Admin().DeleteACLs(within(t, 30*time.Second), denial())
			must(t, err)
			for _, a := range answers {
				must(t, a.Err)
			}
		}}
}

// withoutReplicas stops one of the two brokers that must both have what is acknowledged.
func (s *standstills) withoutReplicas(t *testing.T) *standstill {
	const name = "still-isr"
	must(t, s.to.CreateTopicOn(within(t, time.Minute), name, 1, []int32{1, 3}, map[string]string{"min.insync.replicas": "2"}))
	r := s.route(t, name, s.from.Direct(), s.to.Direct())
	return &standstill{name: "leader without ISR", r: r, code: 2, says: r.topic, state: "waiting", ready: true, errors: 1,
		begin: func(t *testing.T) { must(t, s.to.Node(3).Stop()) },
		fired: func(ctx context.Context) error {
			topics, err := s.to.Admin().ListTopics(ctx, name)
			if err != nil {
				return err
			}
			if p := topics[name].Partitions[0]; p.Leader != 1 || len(p.ISR) != 1 {
				return fmt.Errorf("broker %d leads, in sync are %v", p.Leader, p.ISR)
			}
			return nil
		},
		end: func(t *testing.T) { must(t, s.to.Node(3).Restart(within(t, time.Minute))) }}
}

// throttled lets the destination take less than comes in.
func (s *standstills) throttled(r *route) *standstill {
	var before, at int64
	var since time.Time
	set := func(t *testing.T, rate int) {
		must(t, s.strict.SetClientQuota(within(t, 30*time.Second), "mirror", rate, 0))
	}
	return &standstill{name: "quota", r: r, code: 2, says: r.topic, ready: true, errors: 1, wavers: true,
		begin: func(t *testing.T) {
			set(t, 200)
			since = time.Now()
			before, at = s.offered(t, r), s.taken(t, r)
		},
		fired: func(ctx context.Context) error {
			if time.Since(since) < 10*time.Second {
				return errors.New("too early to tell")
			}
			ends, err := s.from.EndOffsets(ctx, r.topic)
			if err != nil {
				return err
			}
			have, err := s.strict.EndOffsets(ctx, r.topic)
			if err != nil {
				return err
			}
			if in, out := ends[0]-before, have[0]-at; out*2 > in {
				return fmt.Errorf("%d records came in, %d were taken", in, out)
			}
			return nil
		},
		end: func(t *testing.T) { set(t, 0) }}
}

func (s *standstills) offered(t *testing.T, r *route) int64 {
	ends, err := s.from.EndOffsets(within(t, 30*time.Second), r.topic)
	must(t, err)
	return ends[0]
}

func (s *standstills) taken(t *testing.T, r *route) int64 {
	ends, err := s.strict.EndOffsets(within(t, 30*time.Second), r.topic)
	must(t, err)
	return ends[0]
}

// halted deletes at the source what the mirror has not read.
func (s *standstills) halted(r *route) *standstill {
	way := s.from.Node(1).Lane(2)
	return &standstill{name: "halted", r: r, code: 2, says: r.topic, state: "halted", ready: true, errors: 1,
		begin: func(t *testing.T) {
			way.Cut()
			end := s.offered(t, r)
			eventually(t, standsWithin, "more comes in", func(ctx context.Context) error {
				ends, err := s.from.EndOffsets(ctx, r.topic)
				if err == nil && ends[0] < end+4 {
					err = fmt.Errorf("ends are %v", ends)
				}
				return err
			})
			must(t, s.from.DeleteRecords(within(t, 30*time.Second), r.topic, 0, s.offered(t, r)))
			must(t, way.Heal())
		},
		fired: func(ctx context.Context) error { return r.host.expectState(ctx, r.topic, "halted") },
		end: func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), stage.binary, "skip", r.topic, r.topic+"/0", "--i-accept-loss", "-c", r.host.config).CombinedOutput()
			if err != nil {
				t.Fatalf("skip: %v: %s", err, out)
			}
		}}
}

// frozen stops the whole process.
func (s *standstills) frozen(r *route) *standstill {
	return &standstill{name: "frozen", r: r, check: []string{"check", "daemon"}, code: 2, says: "did not answer in time: it hangs", mute: true,
		begin: func(t *testing.T) { must(t, r.host.run.freeze(t.Context())) },
		fired: func(context.Context) error {
			if !isStopped(r.host.run.pid()) {
				return errors.New("the mirror runs")
			}
			return nil
		},
		end: func(t *testing.T) { must(t, r.host.run.thaw()) }}
}

// headroom is a check of what is known of it: a machine whose disk is filled by much else is no trouble of these tests.
func headroom() []string { return []string{"check", "headroom", "-w", "2s", "-c", "1s"} }

// deaf takes away what the prober alone uses: its connections are black holes from its first question about disks on. Records
// flow on, and how long until a loss is no longer known.
func (s *standstills) deaf(r *route) *standstill {
	ways := lane(s.from, 3)
	var before int64
	silenced := func() int64 { return total(ways, func(p kafka.ProxyStats) int64 { return p.Silenced }) }
	return &standstill{name: "prober frozen", r: r, check: headroom(), code: 3, says: "the source has not told what is left for", flows: true, ready: true,
		begin: func(*testing.T) {
			before = silenced()
			each(ways, func(p *kafka.Proxy) { p.SilenceOn(int16(kmsg.DescribeLogDirs)) })
		},
		fired: func(context.Context) error {
			if silenced() == before {
				return errors.New("no connection fell silent")
			}
			return nil
		},
		end: func(t *testing.T) {
			r.awaitMore(t, 10, 30*time.Second)
			must(t, heal(ways))
		}}
}

// alone takes ZooKeeper away from a pool: young records flow on, which the check says is no better than a warning, and old
// ones stand.
func (s *standstills) alone(t *testing.T) *standstill {
	ways := proxiesTo(t, s.zk.Direct())
	r := s.route(t, "still-pool", s.from.Direct(), s.to.Direct(), func(c *settings) {
		c.link().Topics.Include = []string{"still-pool*"}
		c.link().Ownership = &ownershipSettings{ZooKeeper: &zooKeeperSettings{Servers: addresses(ways), SessionTimeout: "4s", Peer: "127.0.0.1:0"}}
	})
	must(t, s.from.CreateTopic(within(t, time.Minute), "still-pool-old", 1, 1, nil))
	old := &route{from: s.from, to: s.to, topic: "still-pool-old", host: r.host}
	var before int64
	return &standstill{name: "ZooKeeper gone", r: r, code: 1, says: "its pool is suspended", flows: true,
		begin: func(*testing.T) {
			before = total(ways, func(p kafka.ProxyStats) int64 { return p.Cut })
			each(ways, (*kafka.Proxy).Cut)
		},
		fired: func(context.Context) error {
			if total(ways, func(p kafka.ProxyStats) int64 { return p.Cut }) == before {
				return errors.New("no connection was cut")
			}
			return nil
		},
		end: func(t *testing.T) {
			r.awaitMore(t, 10, 30*time.Second) // young ones flow
			old.produce(t, load.Spec{Partitions: 1, Records: 50, Seed: 6, Age: 48 * time.Hour})
			eventually(t, standsWithin, "old records stand, and the check tells", func(ctx context.Context) error {
				if code, text := r.host.judge(ctx, "check", "lag", "-w", "5s", "-c", "10s"); code != 2 {
					return fmt.Errorf("exit %d: %s", code, text)
				}
				return nil
			})
			must(t, heal(ways))
			old.awaitCopied(t, healsWithin)
		}}
}

// waitsFor returns an error unless a partition of a topic waits, and says of what.
func (h *host) waitsFor(ctx context.Context, topic, what string) error {
	got, err := h.topic(ctx, topic)
	if err != nil {
		return err
	}
	for _, p := range got.Partitions {
		if p.State == "waiting" && containsFold(p.Error, what) {
			return nil
		}
	}
	return fmt.Errorf("no partition waits because of %q: %+v", what, got.Partitions)
}

// logSince returns the lines of a level since then: message and error without digits.
func (p *process) logSince(since time.Time, level string) []string {
	text, err := os.ReadFile(p.log)
	if err != nil || int64(len(text)) < p.from {
		return nil
	}
	var lines []string
	in := bufio.NewScanner(bytes.NewReader(text[p.from:]))
	in.Buffer(nil, len(text)+1)
	for in.Scan() {
		var line struct {
			Time       time.Time
			Level, Msg string
			Err        string
		}
		if json.Unmarshal(in.Bytes(), &line) == nil && line.Level == level && line.Time.After(since) {
			lines = append(lines, line.Msg+": "+withoutDigits(line.Err))
		}
	}
	return lines
}

func withoutDigits(text string) string {
	return string(bytes.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, []byte(text)))
}

// drained reads an answer that says enough by its code.
func drained(body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}
