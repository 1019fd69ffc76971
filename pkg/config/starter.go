package config

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
)

// Tier is where a mirror stands on the way of the records.
type Tier string

// Tiers.
const (
	TierEdge   Tier = "edge"   // beside a Kafka of one host, up to its region
	TierRegion Tier = "region" // from a region to the home cluster
)

// Starter is what a first configuration is made of.
type Starter struct {
	Tier Tier
	// From and To are host:port addresses of brokers to start from. At least one each.
	From, To []string
	// FromCA and ToCA are PEM files of the authorities that brokers are trusted by. Empty: no TLS.
	FromCA, ToCA string
	// Include and Exclude are patterns of topics. Include has at least one.
	Include, Exclude []string
	// Rename is the name of a topic at the destination. Empty: the same.
	Rename string
	// ZooKeeper are host:port addresses of the ensemble by which several mirrors share the topics. Empty: one process has all.
	ZooKeeper []string
}

// Text returns the configuration with comments. It is not checked: Parse says whether what was asked for makes sense.
func (s Starter) Text() (string, error) {
	if s.Tier != TierEdge && s.Tier != TierRegion {
		return "", fmt.Errorf("%s is no tier; use %s or %s%s", shorten(string(s.Tier)), TierEdge, TierRegion, DidYouMean(string(s.Tier), []string{string(TierEdge), string(TierRegion)}))
	}
	page, err := template.New("starter").Funcs(template.FuncMap{"quote": doubleQuoted, "list": list}).Parse(starterText)
	if err != nil {
		return "", fmt.Errorf("read the template of a configuration: %w", err)
	}
	var out strings.Builder
	if err := page.Execute(&out, s); err != nil {
		return "", fmt.Errorf("write a configuration: %w", err)
	}
	return out.String(), nil
}

// Edge says that it is for an edge.
func (s Starter) Edge() bool { return s.Tier == TierEdge }

// Source and Destination are the names of the clusters.
func (s Starter) Source() string {
	if s.Edge() {
		return "edge"
	}
	return "region"
}

// Destination is the name of the cluster that is written.
func (s Starter) Destination() string {
	if s.Edge() {
		return "region"
	}
	return "home"
}

// Topics are the patterns of the first link. Heartbeats go with it where topics keep their names.
func (s Starter) Topics() []string {
	if s.Rename != "" || slices.Contains(s.Include, "*") || slices.Contains(s.Include, HeartbeatTopic) {
		return s.Include
	}
	return append(slices.Clone(s.Include), HeartbeatTopic)
}

// doubleQuoted writes a word as YAML does in double quotes.
func doubleQuoted(text string) string { return fmt.Sprintf("%q", text) }

// list writes words as a YAML list on one line.
func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = doubleQuoted(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// starterText is the template of Starter.Text. What stands behind # is for people.
const starterText = `# The mirror of {{if .Edge}}an edge host: it copies the topics of the host's own Kafka up to its region.{{else}}a region: it copies the topics of the region's Kafka to the home cluster.{{end}}
#
#   mirror validate -c FILE   checks this file and touches no cluster
#   mirror run -c FILE        mirrors; SIGTERM drains and saves the positions
#
# Every key with its meaning and default is in configs/reference.yaml. Values may be ${VAR}, ${VAR:-default}, ${file:/path} or
# ${cred:name}, a credential of the systemd unit: no password has to stand here.

# instance: ad-17           # default: the host name
# zone: us-east-1a          # availability zone
listen: {{if .Edge}}127.0.0.1:9464{{else}}0.0.0.0:9464{{end}}      # metrics, health, status page
memory: {{if .Edge}}64MiB{{else}}256MiB{{end}}               # for records on their way; the process needs about 48 MiB beside it

clusters:
  {{.Source}}:
    brokers: {{list .From}}
{{- if .FromCA}}
    tls: {ca: {{quote .FromCA}}}
{{- end}}
    # sasl: {mechanism: SCRAM-SHA-512, username: mirror, password: "${cred:{{.Source}}-password}"}
  {{.Destination}}:
    brokers: {{list .To}}
{{- if .ToCA}}
    tls: {ca: {{quote .ToCA}}}
{{- end}}
    # sasl: {mechanism: SCRAM-SHA-512, username: mirror, password: "${cred:{{.Destination}}-password}"}

links:
  # The name is that of the group with the positions, mirror.{{.Source}}-{{.Destination}}: to rename the link is to start anew.
  - name: {{.Source}}-{{.Destination}}
    from: {{.Source}}
    to: {{.Destination}}
    topics:
      include: {{list .Topics}}   # names, globs, /regular expressions/
      exclude: {{list .Exclude}}
{{- if .Rename}}
      rename: {{quote .Rename}}
{{- end}}
      create: true              # make and grow topics at the destination
{{- if .Edge}}
    # Hundreds of edges with one partition per topic fill all partitions of the region's topic, each in order.
    partitions: spread
    # Small fresh batches of uncompressed traffic cost bandwidth on the way up. source sends them as they are.
    compression: zstd
{{- else}}
    partitions: same
{{- end}}
    start: earliest             # of partitions that have no position yet
    # rate: 20MB                # bytes per second to the destination
{{- template "pool" .}}
{{- if and .Rename (not .Edge)}}

  # The heartbeats of the edges keep their name, so that all regions' are in one topic.
  - name: {{.Source}}-{{.Destination}}-heartbeats
    from: {{.Source}}
    to: {{.Destination}}
    topics:
      include: ["mirror.heartbeats"]
{{- template "pool" .}}
{{- end}}
{{- if not (and .Rename .Edge)}}

# A record every ten seconds that says how this mirror fares, and goes up with the rest.
heartbeat:
  produce: [{{.Source}}]
{{- if not .Edge}}
  read: [{{.Source}}]           # shows the edges of this region
{{- end}}
{{- end}}

# Who has to look after this mirror, each at least so often: one that does not is told of by the other.
# watchers: {prometheus: 5m, sensu: 10m}
{{- if .Edge}}

# /poolz keeps new traffic away while this host's Kafka may not keep it.
discovery: {}
{{- end}}
{{define "pool"}}
{{- if .ZooKeeper}}
    # Several mirrors share the topics: each with this file, and an instance name of its own.
    ownership:
      zookeeper:
        servers: {{list .ZooKeeper}}
{{- end}}
{{- end}}`
