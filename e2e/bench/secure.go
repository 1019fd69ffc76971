package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tributary/e2e/kafka"
)

// The second listener of the brokers, which speaks TLS here. It has that name because e2e/kafka puts a proxy in front.
const secureListener = "PROXIED"

// secureProperties make the second listener one with TLS, and leave plaintext to the first.
func secureProperties(c certificates) map[string]string {
	return map[string]string{
		"listener.security.protocol.map": "DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT," + secureListener + ":SSL",
		"ssl.keystore.type":              "PEM",
		"ssl.keystore.location":          c.keystore,
	}
}

// bypassProxy lets the broker of a cluster advertise the second listener itself instead of the proxy in front of it,
// whose copying would take part in the measurement. It returns the listener's address.
func bypassProxy(ctx context.Context, c *kafka.Cluster) (address string, err error) {
	path := filepath.Join(c.Dir(), "broker-1", "server.properties")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the broker's settings: %w", err)
	}
	changed, address, err := advertiseListeners(string(text))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		return "", fmt.Errorf("write the broker's settings: %w", err)
	}
	if err := c.Node(1).Restart(ctx); err != nil {
		return "", err
	}
	return address, nil
}

// advertiseListeners sets advertised.listeners to listeners, without the controller's, which is never advertised.
func advertiseListeners(properties string) (changed, secure string, err error) {
	var advertised []string
	for line := range strings.Lines(properties) {
		list, found := strings.CutPrefix(strings.TrimSpace(line), "listeners=")
		if !found {
			continue
		}
		for listener := range strings.SplitSeq(list, ",") {
			name, address, _ := strings.Cut(listener, "://")
			if name == secureListener {
				secure = address
			}
			if name != "CONTROLLER" {
				advertised = append(advertised, listener)
			}
		}
	}
	if secure == "" {
		return "", "", errors.New("the broker has no listener " + secureListener)
	}
	var out strings.Builder
	for line := range strings.Lines(properties) {
		if strings.HasPrefix(line, "advertised.listeners=") {
			line = "advertised.listeners=" + strings.Join(advertised, ",") + "\n"
		}
		out.WriteString(line)
	}
	return out.String(), secure, nil
}
