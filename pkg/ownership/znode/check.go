package znode

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTopicBytes    = 249
	maxInstanceBytes = 255
	maxPeerBytes     = 300
	maxCapacity      = 1000
	maxRate          = 1e15 // bytes per second
	maxPartitions    = 1 << 20
)

// ValidTopic says whether a name is one that Kafka allows for a topic. Only such may be put into a path or a content.
func ValidTopic(name string) bool { return checkTopic(name) == nil }

// checkTopic holds a name to Kafka's rule.
func checkTopic(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxTopicBytes || strings.ContainsFunc(name, notPlain) {
		return fmt.Errorf("%.300q is not the name of a topic", name)
	}
	return nil
}

// notPlain tells the characters that are in no topic's name, and in no part of a node's name that this package makes.
func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}

// checkText holds what people chose, such as an instance or a zone, to one line.
func checkText(what, text string) error {
	if len(text) > maxInstanceBytes || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%s %.300q has control characters, or more than %d bytes", what, text, maxInstanceBytes)
	}
	return nil
}

func checkInstance(instance string) error {
	if instance == "" {
		return errors.New("instance is empty")
	}
	return checkText("instance", instance)
}

// checkPeer holds an address to host:port, or nothing.
func checkPeer(peer string) error {
	if peer == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(peer)
	n, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil || n == 0 || host == "" || len(peer) > maxPeerBytes || strings.ContainsFunc(host, unicode.IsControl) || !utf8.ValidString(host) {
		return fmt.Errorf("peer %.300q is not host:port", peer)
	}
	return nil
}

func checkNumber(what string, n, least, most float64) error {
	if math.IsNaN(n) || n < least || n > most {
		return fmt.Errorf("%s %g is not from %g to %g", what, n, least, most)
	}
	return nil
}

func checkPartitions(topic string, n int) error {
	if n < 1 || n > maxPartitions {
		return fmt.Errorf("topic %s has %d partitions, not 1 to %d", topic, n, maxPartitions)
	}
	return nil
}
