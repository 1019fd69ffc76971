package zookeeper

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"tributary/e2e/kafka"
	"tributary/pkg/ownership/coord"
)

func strangers(t *testing.T, z *kafka.ZooKeeper) {
	root := path(t)
	r := newRelay(t, z.Direct())
	owner := connect(t, Config{Servers: r.addrs, SessionTimeout: timeout, Auth: &Auth{"mirror", "hush"}})
	write(t, owner, coord.Op{Kind: coord.OpCreate, Path: root, Data: []byte("ours")}, ephemeral(root+"/a"))
	for name, auth := range map[string]*Auth{"nobody": nil, "another password": {"mirror", "guess"}, "another name": {"mirrors", "hush"}} {
		stranger := connect(t, Config{Servers: z.Direct(), SessionTimeout: timeout, Auth: auth})
		if _, err := get(t, stranger, root); !errors.Is(err, coord.ErrNoAuth) {
			t.Errorf("%s reads: got %v", name, err)
		}
		for what, op := range map[string]coord.Op{"sets": {Kind: coord.OpSet, Path: root, Version: coord.AnyVersion}, "creates": ephemeral(root + "/b"),
			"deletes": {Kind: coord.OpDelete, Path: root + "/a", Version: coord.AnyVersion}} {
			var at *coord.OpError
			if _, err := stranger.Write(t.Context(), op); !errors.Is(err, coord.ErrNoAuth) || !errors.As(err, &at) {
				t.Errorf("%s %s: got %v", name, what, err)
			}
		}
	}
	before := connected(t, owner)
	r.Reset()
	until(t, owner, "connected again", func(s coord.Session) bool { return s.Phase == coord.Connected && s.Since.After(before.Since) })
	if n, err := get(t, owner, root); err != nil || string(n.Data) != "ours" {
		t.Errorf("after a reset the owner gets %q, %v", n.Data, err)
	}
	acl, _, err := owner.library.GetACL(root + "/a")
	if err != nil || len(acl) != 1 || acl[0].Scheme != "digest" || acl[0].Perms != zk.PermAll || !strings.HasPrefix(acl[0].ID, "mirror:") || strings.Contains(acl[0].ID, "hush") {
		t.Errorf("got %+v, %v", acl, err)
	}
}

func mutualTLS(t *testing.T, ca *authority, server string) {
	ca.issue(t, "client", ca.cert)
	stranger := newAuthority(t)
	stranger.issue(t, "client", stranger.cert)
	good := TLS{CA: ca.path("ca.pem"), Cert: ca.path("client.pem"), Key: ca.path("client.key")}
	for name, test := range map[string]struct {
		tls  TLS
		want string // in the error; "" for none
	}{
		"both sides known":          {good, ""},
		"no certificate of ours":    {TLS{CA: good.CA}, "closed the connection"},
		"a certificate of others":   {TLS{CA: good.CA, Cert: stranger.path("client.pem"), Key: stranger.path("client.key")}, "closed the connection"},
		"a server of others":        {TLS{CA: stranger.path("ca.pem"), Cert: good.Cert, Key: good.Key}, "unknown authority"},
		"a server of another name":  {TLS{CA: good.CA, Cert: good.Cert, Key: good.Key, ServerName: "zk.example"}, "zk.example"},
		"a file that is not there":  {TLS{CA: ca.path("no.pem")}, "read tls.ca"},
		"a file that is no PEM":     {TLS{CA: ca.path("client.key")}, "no PEM certificate"},
		"a key of another's":        {TLS{CA: good.CA, Cert: good.Cert, Key: stranger.path("client.key")}, "tls.cert and tls.key"},
		"plaintext to a secure one": {TLS{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Servers: []string{server}, SessionTimeout: timeout, TLS: &test.tls}
			if test.tls == (TLS{}) {
				cfg.TLS, test.want = nil, "closed the connection"
			}
			c := connect(t, cfg)
			if test.want == "" {
				at := path(t)
				write(t, c, ephemeral(at))
				if _, err := get(t, c, at); err != nil {
					t.Error(err)
				}
				return
			}
			var err error
			for begin := time.Now(); time.Since(begin) < patience; { // until it was tried
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				_, _, err = c.Get(ctx, "/", false)
				cancel()
				if err == nil || strings.Contains(err.Error(), test.want) {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
