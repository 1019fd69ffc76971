package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

// nameMoves lets the name of a broker be unknown for a while, and then mean another address.
func nameMoves(t *testing.T, e *evidence) {
	requireRoot(t)
	const name = "broker.tributary.test"
	to := kafka.New(t, kafka.Options{Proxy: true, ProxyHost: name, Properties: map[string]string{"log.retention.ms": "-1"}})
	node := to.Node(1)
	_, port, err := net.SplitHostPort(node.Proxy().Addr())
	must(t, err)
	elsewhere, err := kafka.NewProxy(net.JoinHostPort("127.0.0.2", port), node.Proxy().Target())
	must(t, err)
	t.Cleanup(elsewhere.Close)

	hosts := filepath.Join(t.TempDir(), "hosts")
	say := func(text string) error { return os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"+text+"\n"), 0o644) }
	must(t, say("127.0.0.1 "+name))
	r := newRoute(t, "fault-n6", stage.edge.get(t), to, 3, func(s *settings) {
		s.Clusters[toName] = clusterSettings{Brokers: []string{net.JoinHostPort(name, port)}}
	})
	r.host.wrap = []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts}
	e.endure(t, r, ordinaryTraffic,
		strike{name: "name unknown", hold: 10 * time.Second, visible: noticeWithin,
			begin: func(context.Context) error {
				if err := say(""); err != nil {
					return err
				}
				node.Proxy().Cut() // the name is asked for when a connection is made
				return nil
			},
			proof: func(context.Context) (string, error) {
				if !containsFold(r.host.logTail(200), "lookup "+name) {
					return "", fmt.Errorf("the log does not name the lookup")
				}
				return "the log names the lookup", nil
			},
			end: func(context.Context) error {
				if err := say("127.0.0.1 " + name); err != nil {
					return err
				}
				return node.Proxy().Heal()
			},
		},
		strike{name: "name means another address", visible: noticeWithin, recovers: time.Minute,
			begin: func(context.Context) error {
				node.Proxy().Cut()
				return nil
			},
			proof: func(context.Context) (string, error) {
				if s := node.Proxy().Stats(); s.Cut == 0 || s.Open > 0 {
					return "", fmt.Errorf("the old address has cut %d connections and has %d", s.Cut, s.Open)
				}
				return "the old address refuses connections", nil
			},
			end: func(context.Context) error { return say("127.0.0.2 " + name) },
		})
	if s := elsewhere.Stats(); s.Accepted == 0 {
		t.Error("nothing came to the new address")
	} else {
		e.fired("%d connections came to the new address", s.Accepted)
	}
}
