// Package kafka speaks to one Kafka cluster.
//
// It owns everything that is the same whatever is done with a cluster: how it is reached (names, TCP,
// TLS, SASL), who in it answers which question (any broker, the controller, a group's coordinator),
// and what its error codes mean. It knows nothing of mirroring.
//
// There are two ways in. The methods of Cluster are the control plane: each is one question with one
// answer, on connections that the Cluster keeps for itself. Cluster.Dial gives the caller a connection
// of its own, opened and authenticated by sarama and captured afterwards, on which the caller sends
// kmsg frames: through Do one at a time, or by driving the socket itself.
package kafka

import "time"

// ClientID is the client id of every request, the ones of captured connections included when they use
// it in their own frames, as they should: broker quotas are accounted by it.
const ClientID = "mirror"

const (
	dialTimeout      = 5 * time.Second  // name resolution and TCP connect
	handshakeTimeout = 10 * time.Second // TLS
	exchangeTimeout  = 10 * time.Second // each step of SASL
	userTimeout      = 20 * time.Second // sent and unacknowledged by the peer's kernel: the connection is dead
	answerTimeout    = 15 * time.Second // Do, on top of the time the request itself allows the broker
	controlTimeout   = 30 * time.Second // one control call with all its retries
	spreadTimeout    = 2 * time.Second  // until all brokers know what the controller decided
	adminTimeout     = 15 * time.Second // what an admin request allows the controller
)
