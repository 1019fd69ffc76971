package kafka

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// The listeners of a broker. Several for clients, because a broker advertises one address for each listener.
const (
	directListener     = "DIRECT"
	proxiedListener    = "PROXIED"
	controllerListener = "CONTROLLER"
	laneListener       = "LANE" // and the number of the lane, from 1
)

// layout is the addresses and the common settings of one cluster.
type layout struct {
	options   Options
	clusterID string
	brokers   []broker
}

// broker is the addresses of one node, all host:port.
type broker struct {
	id         int32
	direct     string
	controller string
	proxied    string // what the proxy dials
	proxy      string // what clients dial, and the broker advertises for it
	lanes      []lane
}

// lane is one of the further listeners: what its proxy dials, and what clients dial.
type lane struct{ proxied, proxy string }

func newLayout(o Options, ports *portLease) *layout {
	l := &layout{options: o, clusterID: newUUID()}
	for id := range int32(o.Nodes) {
		b := broker{
			id:         id + 1,
			direct:     loopback(ports.next()),
			controller: loopback(ports.next()),
			proxied:    loopback(ports.next()),
			proxy:      loopback(ports.next()),
		}
		for range o.Lanes {
			b.lanes = append(b.lanes, lane{proxied: loopback(ports.next()), proxy: loopback(ports.next())})
		}
		l.brokers = append(l.brokers, b)
	}
	return l
}

// properties returns the server properties of one broker whose directory is dir.
func (l *layout) properties(b *broker, dir string, ensemble *ZooKeeper) map[string]string {
	listen := []string{directListener + "://" + b.direct}
	advertise := []string{directListener + "://" + b.direct}
	security := []string{directListener + ":PLAINTEXT"}
	if l.options.Proxy {
		listen = append(listen, proxiedListener+"://"+b.proxied)
		advertise = append(advertise, proxiedListener+"://"+renamed(b.proxy, l.options.ProxyHost))
		security = append(security, proxiedListener+":PLAINTEXT")
	}
	for i, lane := range b.lanes {
		name := laneListener + strconv.Itoa(i+1)
		listen = append(listen, name+"://"+lane.proxied)
		advertise = append(advertise, name+"://"+lane.proxy)
		security = append(security, name+":PLAINTEXT")
	}
	id := strconv.Itoa(int(b.id))
	p := fastProperties(len(l.brokers))
	if l.options.Version.usesZooKeeper() {
		p["broker.id"] = id
		p["zookeeper.connect"] = strings.Join(ensemble.Direct(), ",")
		p["zookeeper.session.timeout.ms"] = "4000"
	} else {
		listen = append(listen, controllerListener+"://"+b.controller)
		security = append(security, controllerListener+":PLAINTEXT")
		p["process.roles"] = "broker,controller"
		p["node.id"] = id
		p["controller.listener.names"] = controllerListener
		p["controller.quorum.voters"] = l.voters()
		maps.Copy(p, fastKRaftProperties())
	}
	p["listeners"] = strings.Join(listen, ",")
	p["advertised.listeners"] = strings.Join(advertise, ",")
	p["listener.security.protocol.map"] = strings.Join(security, ",")
	p["inter.broker.listener.name"] = directListener
	p["log.dirs"] = filepath.Join(dir, dataName)
	maps.Copy(p, l.options.Properties)
	return p
}

// renamed returns an address with another host, or as it is where that is empty.
func renamed(address, host string) string {
	_, port, err := net.SplitHostPort(address)
	if host == "" || err != nil {
		return address
	}
	return net.JoinHostPort(host, port)
}

func (l *layout) voters() string {
	voters := make([]string, len(l.brokers))
	for i, b := range l.brokers {
		voters[i] = fmt.Sprintf("%d@%s", b.id, b.controller)
	}
	return strings.Join(voters, ",")
}

// fastProperties keep brokers small and quick, and internal topics replicated as widely as nodes allow.
func fastProperties(nodes int) map[string]string {
	replicas, insync := strconv.Itoa(min(nodes, 3)), strconv.Itoa(min(max(nodes-1, 1), 2))
	return map[string]string{
		"auto.create.topics.enable":                "false",
		"background.threads":                       "2",
		"default.replication.factor":               replicas,
		"group.initial.rebalance.delay.ms":         "0",
		"log.cleaner.dedupe.buffer.size":           "33554432", // of the heap; the default is 128 MiB
		"min.insync.replicas":                      insync,
		"num.io.threads":                           "4",
		"num.network.threads":                      "2",
		"offsets.topic.num.partitions":             "3",
		"offsets.topic.replication.factor":         replicas,
		"replica.lag.time.max.ms":                  "4000",
		"transaction.state.log.min.isr":            insync,
		"transaction.state.log.num.partitions":     "3",
		"transaction.state.log.replication.factor": replicas,
	}
}

// fastKRaftProperties make a failover take seconds: a dead broker is fenced after 3 s, a dead controller replaced after 1 s.
func fastKRaftProperties() map[string]string {
	return map[string]string{
		"broker.heartbeat.interval.ms":          "500",
		"broker.session.timeout.ms":             "3000",
		"controller.quorum.election.timeout.ms": "500",
		"controller.quorum.fetch.timeout.ms":    "1000",
	}
}

// newUUID returns a random id in Kafka's form: 22 characters of URL-safe base64. One that starts with a dash would
// read as an option on a command line.
func newUUID() string {
	var id [16]byte
	for {
		_, _ = rand.Read(id[:]) // never fails
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return text
		}
	}
}
