package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"tributary/e2e/kafka"
)

// member is one mirror of a pool: a host with ways of its own to both clusters.
type member struct {
	*host
	lane int            // 1 to poolLanes
	zk   []*kafka.Proxy // to each server of ZooKeeper; none where it goes there directly
	ways []*kafka.Proxy // to each broker of both clusters
}

// name is the instance.
func (m *member) name() string { return m.settings.Instance }

// start starts a further member, under a name that there never was, with the ways of that lane. It ends with the pool.
func (p *pool) start(t *testing.T, lane int) *member {
	t.Helper()
	m := p.newMember(p.test, lane)
	p.members = append(p.members, m)
	m.start(t)
	return m
}

func (p *pool) newMember(t *testing.T, lane int) *member {
	t.Helper()
	p.made++
	m := &member{lane: lane}
	s := between(p.link, p.from, p.to, p.link+"-*")
	s.Instance, s.Zone = fmt.Sprintf("%s-m%d", p.link, p.made), string(rune('a'+lane-1))
	s.Clusters = map[string]clusterSettings{fromName: {Brokers: p.from.Lane(lane)}, toName: {Brokers: p.to.Lane(lane)}}
	for _, c := range []*kafka.Cluster{p.from, p.to} {
		for _, n := range c.Nodes() {
			m.ways = append(m.ways, n.Lane(lane))
		}
	}
	s.link().Topics.ReplicationFactor = len(p.to.Nodes())
	zk := &zooKeeperSettings{Servers: p.zk.Direct(), Root: p.root, SessionTimeout: p.session.String(), Peer: "127.0.0.1:0"}
	s.link().Ownership = &ownershipSettings{ZooKeeper: zk}
	if p.noEvict {
		zk.Evict = new(bool)
	}
	if p.viaZK {
		m.zk = proxiesTo(t, p.zk.Direct())
		zk.Servers = addresses(m.zk)
	}
	if p.viaPeers {
		zk.Peer = p.peers.address(lane)
		p.peers.mislead(t, lane, m.zk)
	}
	m.host = newHost(t, s)
	return m
}

// gone forgets a member whose process has ended.
func (p *pool) gone(m *member) {
	for i, other := range p.members {
		if other == m {
			p.members = append(p.members[:i:i], p.members[i+1:]...)
			return
		}
	}
}

// proxiesTo puts a proxy before each address.
func proxiesTo(t *testing.T, targets []string) []*kafka.Proxy {
	t.Helper()
	var all []*kafka.Proxy
	for _, target := range targets {
		proxy, err := kafka.NewProxy("127.0.0.1:0", target)
		must(t, err)
		t.Cleanup(proxy.Close)
		all = append(all, proxy)
	}
	return all
}

func addresses(proxies []*kafka.Proxy) []string {
	var all []string
	for _, p := range proxies {
		all = append(all, p.Addr())
	}
	return all
}

// each does something at all proxies.
func each(proxies []*kafka.Proxy, do func(*kafka.Proxy)) {
	for _, p := range proxies {
		do(p)
	}
}

// heal ends all faults of the proxies.
func heal(proxies []*kafka.Proxy) error {
	var errs []error
	for _, p := range proxies {
		errs = append(errs, p.Heal())
	}
	return errors.Join(errs...)
}

// total adds a counter over proxies.
func total(proxies []*kafka.Proxy, count func(kafka.ProxyStats) int64) (n int64) {
	for _, p := range proxies {
		n += count(p.Stats())
	}
	return n
}

// peerNet is the network between members: each reaches each other over a proxy that nobody else uses, so that one can be cut
// off from the others. What a member announces in ZooKeeper is where it listens; on the way to the others its address becomes
// that of the proxy.
type peerNet struct {
	ports []string // by lane, from 1
	ways  [poolLanes + 1][poolLanes + 1]*kafka.Proxy
}

// peerHome is where a member listens, peerWay where member i finds the proxy before member j: texts of one length.
func peerHome(lane int) string { return peerWay(0, lane) }

func peerWay(i, j int) string { return fmt.Sprintf("127.0.%d.%d", 10+i, 10+j) }

func newPeerNet(t *testing.T) *peerNet {
	t.Helper()
	n := &peerNet{ports: []string{""}}
	for lane := 1; lane <= poolLanes; lane++ {
		listener, err := net.Listen("tcp", net.JoinHostPort(peerHome(lane), "0"))
		must(t, err)
		_, port, err := net.SplitHostPort(listener.Addr().String())
		must(t, errors.Join(err, listener.Close()))
		n.ports = append(n.ports, port)
	}
	for i := 1; i <= poolLanes; i++ {
		for j := 1; j <= poolLanes; j++ {
			if i == j {
				continue
			}
			proxy, err := kafka.NewProxy(net.JoinHostPort(peerWay(i, j), n.ports[j]), n.address(j))
			must(t, err)
			t.Cleanup(proxy.Close)
			n.ways[i][j] = proxy
		}
	}
	return n
}

// address is where a member listens.
func (n *peerNet) address(lane int) string { return net.JoinHostPort(peerHome(lane), n.ports[lane]) }

// mislead lets a member that reads from ZooKeeper over these proxies find the others at the proxies before them.
func (n *peerNet) mislead(t *testing.T, lane int, proxies []*kafka.Proxy) {
	t.Helper()
	words := map[string]string{}
	for other := 1; other <= poolLanes; other++ {
		if other != lane {
			words[n.address(other)] = net.JoinHostPort(peerWay(lane, other), n.ports[other])
		}
	}
	for _, proxy := range proxies {
		must(t, proxy.Translate(words))
	}
}

// around returns the proxies between a member and all others, in both directions.
func (n *peerNet) around(lane int) []*kafka.Proxy {
	var all []*kafka.Proxy
	for other := 1; other <= poolLanes; other++ {
		if other != lane {
			all = append(all, n.ways[lane][other], n.ways[other][lane])
		}
	}
	return all
}

// live returns the members whose process runs, by instance.
func (p *pool) live() map[string]*member {
	all := map[string]*member{}
	for _, m := range p.members {
		if m.run != nil && !m.run.ended() {
			all[m.name()] = m
		}
	}
	return all
}

// ownedBy returns the topics of an instance.
func (p *pool) ownedBy(ctx context.Context, instance string) ([]string, error) {
	owners, err := p.tree.owners(ctx)
	var mine []string
	for topic, o := range owners {
		if o.instance == instance {
			mine = append(mine, topic)
		}
	}
	return mine, err
}
