package status

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// remoteKey is the key of an operator's address in a request's context.
type remoteKey struct{}

// authorized lets those through who have the token. Pages of other sites are refused in any case: that a browser has the
// token does not mean that its user wants this.
func (s *Server) authorized(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.cfg.Token))
	checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(token))) // of equal length, so that the time tells nothing
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			s.log.Warn("command without the token was refused", "path", r.URL.Path, "remote", host(r.RemoteAddr))
			w.Header().Set("WWW-Authenticate", `Bearer realm="mirror"`)
			http.Error(w, "a command to this address has the header Authorization: Bearer with the status_token of the configuration", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), remoteKey{}, host(r.RemoteAddr))))
	})
	return http.NewCrossOriginProtection().Handler(checked)
}

// host is an address without its port.
func host(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}
