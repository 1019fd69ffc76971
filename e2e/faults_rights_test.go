package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tributary/e2e/kafka"
	"tributary/e2e/load"
)

// rightsRevoked takes the destination's rights away from the mirror, gives them back, and does the same with its password.
func rightsRevoked(t *testing.T, e *evidence) {
	to := newSecured(t, time.Hour)
	r := newRoute(t, "fault-r6", stage.edge.get(t), to.Cluster, 3, func(s *settings) { s.Clusters[toName] = to.settings() })
	e.endure(t, r, ordinaryTraffic,
		to.revoked(t, r, "all rights at the destination revoked", to.forbid, to.allow),
		to.revoked(t, r, "password at the destination revoked", to.dropPassword, func(t *testing.T) { to.setPassword(t, securedPassword) }))
}

// readRightRevoked does the same at the source.
func readRightRevoked(t *testing.T, e *evidence) {
	from := newSecured(t, time.Hour)
	r := newRoute(t, "fault-e20b", from.Cluster, stage.home.get(t), 3, func(s *settings) { s.Clusters[fromName] = from.settings() })
	e.endure(t, r, ordinaryTraffic,
		from.revoked(t, r, "all rights at the source revoked", from.forbid, from.allow),
		from.revoked(t, r, "password at the source revoked", from.dropPassword, func(t *testing.T) { from.setPassword(t, securedPassword) }))
}

// revoked is a strike whose end gives back what its begin takes. The connections are reset meanwhile, as a password is
// asked for at their beginning only.
func (s *secured) revoked(t *testing.T, r *route, name string, take, give func(t *testing.T)) strike {
	return strike{name: name, hold: 5 * time.Second, visible: noticeWithin, recovers: time.Minute,
		begin: func(ctx context.Context) error {
			take(t)
			return s.reset(ctx)
		},
		proof: func(context.Context) (string, error) {
			why := r.reason(t)
			if !containsFold(why, "auth") && !containsFold(why, "right to DESCRIBE") {
				return "", fmt.Errorf("status does not say that the mirror may not: %s", why)
			}
			return why, nil
		},
		end: func(context.Context) error {
			give(t)
			return nil
		},
	}
}

// certificateRotated lets the destination's certificate expire, which must be said, and renews it, which must be enough.
func certificateRotated(t *testing.T, e *evidence) {
	to := newSecured(t, time.Hour)
	r := newRoute(t, "fault-n7", stage.edge.get(t), to.Cluster, 3, func(s *settings) { s.Clusters[toName] = to.settings() })
	certify := func(validity time.Duration) func(context.Context) error {
		return func(ctx context.Context) error {
			to.authority.issue(t, to.keystore, validity)
			to.reloadCertificate(t)
			return to.reset(ctx)
		}
	}
	expired := certify(-time.Minute)
	e.endure(t, r, ordinaryTraffic,
		strike{name: "certificate expired", visible: noticeWithin, begin: expired, end: certify(time.Hour), hold: 5 * time.Second,
			proof: func(context.Context) (string, error) {
				if !containsFold(r.host.logTail(200), "certificate has expired") {
					return "", errors.New("the log does not say so")
				}
				return "the log says so; the broker got another, the mirror ran on", nil
			}},
		strike{name: "authority changed", visible: noticeWithin, hold: 5 * time.Second,
			begin: func(ctx context.Context) error {
				to.authority = newAuthority(t, t.TempDir()) // the mirror still trusts the file of the old one
				return certify(time.Hour)(ctx)
			},
			proof: func(context.Context) (string, error) {
				if !containsFold(r.host.logTail(200), "unknown authority") {
					return "", errors.New("the log does not say so")
				}
				return "the log says so; the file was replaced, the mirror ran on", nil
			},
			end: func(context.Context) error {
				return copyFile(to.authority.path, r.host.settings.Clusters[toName].TLS.CA)
			}},
		atTheHandshake(to.Cluster))
}

// atTheHandshake lets connections die in the middle of the TLS handshake.
func atTheHandshake(c *kafka.Cluster) strike {
	return seen(atProxies("silence in the middle of the TLS handshake", 0, c, func(p *kafka.Proxy) {
		p.SilenceAfter(600)
		p.Reset()
	}, silenced, "connections fell silent"), 45*time.Second)
}

// tooLarge sends a batch that the destination's limit does not allow, and lets the operator raise the limit.
func tooLarge(t *testing.T, e *evidence) {
	e.refused(t, "fault-e15", "too_large", map[string]string{"max.message.bytes": "100000"}, map[string]string{"max.message.bytes": "2000000"},
		recordOf(300_000, time.Now()))
}

// inTheFuture sends records whose timestamps the destination refuses.
func inTheFuture(t *testing.T, e *evidence) {
	for i, ahead := range []time.Duration{2 * time.Hour, 10 * 365 * 24 * time.Hour} {
		e.refused(t, fmt.Sprintf("fault-e18-%d", i), "rejected", nil, map[string]string{"message.timestamp.after.max.ms": anyTime},
			recordOf(100, time.Now().Add(ahead)))
	}
	r := newRoute(t, "fault-e18-odd", stage.edge.get(t), stage.home.get(t), 2)
	r.host.start(t)
	report := r.produce(t, load.Spec{Partitions: 2, Records: 3000, Shapes: load.OddTimes, Seed: 18, Age: time.Hour})
	r.awaitCopied(t, time.Minute)
	r.host.stop(t)
	e.exact(t, r, report)
	e.fired("timestamps -1, 0, 1970, 30 days ago and 30 minutes ahead are kept")
}
