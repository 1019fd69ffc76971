package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// maxTokenBytes bounds a file that holds a token and nothing else.
const maxTokenBytes = 4 << 10

// reach says how a command that changes something reaches the mirror: at the socket in its state directory, or elsewhere with its
// status_token.
type reach struct {
	stateDir  string
	address   string // "" the socket
	tokenFile string
}

// addReach gives a command the flags that say how it reaches the mirror.
func addReach(cmd *cobra.Command, r *reach) {
	addStateDir(cmd, &r.stateDir)
	cmd.Flags().StringVar(&r.address, "address", "", "ask the mirror at this `URL`, such as https://ad-17:9464, or at host:port, in place of its socket")
	cmd.Flags().StringVar(&r.tokenFile, "token-file", "", "`file` with the status_token of the mirror at --address")
	cmd.MarkFlagsMutuallyExclusive("address", "state-dir")
}

// control is how to ask the mirror. The configuration is at path.
func (r *reach) control(cmd *cobra.Command, path string) (*control, error) {
	switch {
	case r.address == "" && r.tokenFile != "":
		return nil, &exitError{exitUsage, errors.New("--token-file is for a mirror at an address: name that with --address; at the socket it takes no token")}
	case r.address == "":
		return newControl(r.stateDir, path, cmd.Flags().Changed("config"))
	}
	base, err := baseURL(r.address, r.tokenFile != "")
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	token, err := readToken(r.tokenFile)
	if err != nil {
		return nil, err
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the token is for who was named
	return &control{base: base, token: token, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: stay}}, nil
}

// baseURL is where a mirror is asked. Whoever sees the token may change things, so that without https it leaves this host only
// where http was written.
func baseURL(address string, token bool) (string, error) {
	if !strings.Contains(address, "://") {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return "", fmt.Errorf("--address is %q, and neither host:port nor a URL such as https://ad-17:9464", address)
		}
		if ip := net.ParseIP(host); token && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return "", fmt.Errorf("--address is %q, which is not this host: the token would cross the network in clear; write https://%s where TLS stands before the mirror, or http://%[1]s where nobody listens on the way", address, address)
		}
		return "http://" + address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("--address is no URL; write one such as https://ad-17:9464")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("--address is %q, and no URL such as https://ad-17:9464", u.Redacted())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// readToken reads what a file holds; without one there is no token, which is enough to look.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w; name the file with the status_token of the mirror with --token-file", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxTokenBytes+1))
	text = bytes.TrimSpace(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("read the token: %w", err)
	case len(text) == 0 || len(text) > maxTokenBytes || bytes.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("read the token: %s holds no single line; write the status_token of the mirror into it, and nothing else", path)
	}
	return string(text), nil
}

// explainAddress says what to do when an address cannot be reached.
func (c *control) explainAddress(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	return fmt.Errorf("ask the mirror at %s: %w; see whether it runs and listens there, and what stands before it", c.base, err)
}

// refusedAt says why a mirror at an address did nothing, where the mirror itself has no words for it.
func (c *control) refusedAt(response *http.Response) error {
	switch response.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("the mirror at %s does not take the token: name the file with its status_token with --token-file", c.base)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("nothing can be changed at %s: the mirror there has no status_token, or it is not its listen; set it, or ask on its host, at the socket", c.base)
	}
	return fmt.Errorf("%s answered %s; see what stands before the mirror, and its log", c.base, response.Status)
}
