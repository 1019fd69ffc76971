package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// maxName is the longest name of an instance, zone, cluster or link: they become parts of group and topic names,
// which Kafka limits to 249 characters.
const maxName = 100

// maxStateDir is the longest path of the state directory: the address of the socket in it has little room.
const maxStateDir = 90

// minToken is the least length of the token: 16 random letters are beyond guessing.
const minToken = 16

// maxTopicSeries is the most topics with series of their own: 40 series each are 4 million.
const maxTopicSeries = 100_000

// Validate reports everything that is wrong with c as a *Problems without lines. Parse and Load already did it.
func (c *Config) Validate(further ...Check) error {
	problems := &Problems{}
	for _, p := range c.check(further) {
		problems.add(0, p.Key, "%s", p.Text)
	}
	return problems.err()
}

// checker collects problems by key path.
type checker struct{ problems []Problem }

func (k *checker) add(key, format string, args ...any) {
	k.problems = append(k.problems, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (c *Config) check(further []Check) []Problem {
	k := &checker{}
	if c.Instance != "" {
		k.name("instance", c.Instance)
	}
	if c.Zone != "" {
		k.name("zone", c.Zone)
	}
	k.address("listen", c.Listen, 0)
	if n := len(c.StatusToken); n > 0 && n < minToken {
		k.add("status_token", "has %d bytes; use at least %d that nobody can guess, such as of: openssl rand -hex 24", n, minToken)
	}
	if c.Memory < MinMemory {
		k.add("memory", "%s is too little to copy with; use at least %s", c.Memory, MinMemory)
	}
	if len(c.StateDir) > maxStateDir {
		k.add("state_dir", "has %d bytes, and the socket in it allows %d; choose a shorter path", len(c.StateDir), maxStateDir)
	}
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "auto", "text", "json")
	k.oneOf("metrics.granularity", c.Metrics.Granularity, GranularityTopic, GranularityPartition)
	if c.Metrics.MaxTopics < 1 || c.Metrics.MaxTopics > maxTopicSeries {
		k.add("metrics.max_topics", "%d is not between 1 and %d", c.Metrics.MaxTopics, maxTopicSeries)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		path := join("clusters", name)
		k.name(path, name)
		k.cluster(path, c.Clusters[name])
	}
	k.links(c)
	k.watch(c)
	k.heartbeat(c)
	for _, find := range further {
		k.problems = append(k.problems, find(c)...)
	}
	return k.problems
}

func (k *checker) cluster(path string, c Cluster) {
	k.addresses(path+".brokers", c.Brokers)
	k.tls(path+".tls", c.TLS)
	if c.SASL == nil {
		return
	}
	k.oneOf(path+".sasl.mechanism", c.SASL.Mechanism, MechanismPlain, MechanismScramSHA256, MechanismScramSHA512)
	if c.SASL.Username == "" {
		k.add(path+".sasl.username", "is missing")
	}
	k.password(path+".sasl.password", c.SASL.Password)
	if c.SASL.Mechanism == MechanismPlain && c.TLS == nil && !c.SASL.AllowPlaintext {
		k.add(path+".sasl.mechanism", "PLAIN without tls sends the password readably; add tls, use SCRAM, or set allow_plaintext: true")
	}
}

func (k *checker) tls(path string, tls *TLS) {
	if tls != nil && (tls.Cert == "") != (tls.Key == "") {
		k.add(path, "cert and key go together; give both or none")
	}
}

func (k *checker) password(path string, password Secret) {
	if password == "" {
		k.add(path, "is missing; use ${file:PATH}, ${cred:NAME} or ${VAR} to keep it out of this file")
	}
}

// addresses checks a list of host:port that must not be empty.
func (k *checker) addresses(path string, list []string) {
	if len(list) == 0 {
		k.add(path, "names no address; give at least one host:port")
	}
	first := make(map[string]int, len(list))
	for i, address := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		k.address(at, address, 1)
		if j, twice := first[normalAddress(address)]; twice {
			k.add(at, "%s is listed twice, first at %s[%d]", shorten(address), path, j)
			continue
		}
		first[normalAddress(address)] = i
	}
}

// address checks one host:port. From port 1 up it is one to connect to and needs a host; from 0 one to listen on.
func (k *checker) address(path, address string, leastPort int) {
	if strings.Contains(address, "://") {
		k.add(path, "%s has a scheme; write host:port alone", shorten(address))
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		k.add(path, "%s is not host:port", shorten(address))
		return
	}
	if leastPort > 0 && strings.Contains(port, "/") {
		k.add(path, "%s has a path; write host:port alone", shorten(address))
		return
	}
	if number, err := strconv.Atoi(port); err != nil || !isWhole(port) || number < leastPort || number > 65535 {
		k.add(path, "%s has no port between %d and 65535", shorten(address), leastPort)
	}
	if host == "" && leastPort > 0 {
		k.add(path, "%s has no host", shorten(address))
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/,;"'@\`, r) }) {
		k.add(path, "%s has a host with an illegal character", shorten(address))
	}
}

// normalAddress makes two ways to write one address equal.
func normalAddress(address string) string { return strings.ToLower(address) }

// name checks what becomes part of group names, topic names and paths.
func (k *checker) name(path, name string) {
	if !isName(name) || len(name) > maxName {
		k.add(path, "%s is no name; use 1 to %d letters, digits, '.', '_' and '-'", shorten(name), maxName)
	}
}

// oneOf checks a word against the words that mean something.
func (k *checker) oneOf(path, word string, known ...string) {
	if slices.Contains(known, word) {
		return
	}
	if word == "" {
		k.add(path, "is missing; use %s", strings.Join(known, ", "))
		return
	}
	k.add(path, "%s is not known%s (%s)", shorten(word), DidYouMean(word, known), strings.Join(known, ", "))
}

// isName accepts what Kafka accepts in a name, except "." and "..".
func isName(name string) bool {
	for _, c := range []byte(name) {
		if !isNameByte(c) {
			return false
		}
	}
	return name != "" && name != "." && name != ".."
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}
