package status

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/pkg/mirror"
)

const testToken = "0123456789abcdef"

// tokenServer returns a server without a socket that knows the token; it does not run.
func tokenServer(t *testing.T, listen, token string, link Link, events Journal) *Server {
	t.Helper()
	s, err := New(Config{Listen: listen, Token: token, Links: map[string]Link{"up": link}, Journal: events}, freshly(full()), prometheus.NewRegistry(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.doors[0].listener.Close() })
	return s
}

// command gives a skip to the handler of listen.
func command(s *Server, header map[string]string) (code int, answer http.Header, body string) {
	request := httptest.NewRequest(http.MethodPost, skipPath, strings.NewReader(`{"accept_loss":true}`))
	request.Host = "localhost:9464"
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if name := header["Host"]; name != "" {
		request.Host = name
	}
	recorder := httptest.NewRecorder()
	s.doors[0].server.Handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Header(), recorder.Body.String()
}

func TestCommandsWithAToken(t *testing.T) {
	const bearer = "Bearer " + testToken
	for _, test := range []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"the token", map[string]string{"Authorization": bearer}, 200},
		{"the scheme in other letters", map[string]string{"Authorization": "bearer " + testToken}, 200},
		{"from our own page", map[string]string{"Authorization": bearer, "Origin": "http://localhost:9464", "Sec-Fetch-Site": "same-origin"}, 200},
		{"none", nil, 401},
		{"another", map[string]string{"Authorization": "Bearer 0123456789abcdeX"}, 401},
		{"a part", map[string]string{"Authorization": "Bearer 0123456789abcde"}, 401},
		{"more", map[string]string{"Authorization": bearer + "0"}, 401},
		{"empty", map[string]string{"Authorization": "Bearer "}, 401},
		{"another scheme", map[string]string{"Authorization": "Basic " + testToken}, 401},
		{"bare", map[string]string{"Authorization": testToken}, 401},
		{"from a page elsewhere", map[string]string{"Authorization": bearer, "Origin": "http://evil.example"}, 403},
		{"from a page elsewhere, as the browser says", map[string]string{"Authorization": bearer, "Sec-Fetch-Site": "cross-site"}, 403},
		{"from a form", map[string]string{"Authorization": bearer, "Content-Type": "application/x-www-form-urlencoded"}, 415},
		{"under another name", map[string]string{"Authorization": bearer, "Host": "evil.example"}, 421},
	} {
		t.Run(test.name, func(t *testing.T) {
			link, events := &skipper{answer: mirror.Skipped{Topic: "clicks", Partition: 3}}, &diary{}
			code, header, body := command(tokenServer(t, "127.0.0.1:0", testToken, link, events), test.header)
			if code != test.want {
				t.Errorf("%d, want %d: %s", code, test.want, body)
			}
			if asked := link.calls() != ""; asked != (test.want == 200) {
				t.Errorf("the link was asked: %v", asked)
			}
			if challenge := header.Get("WWW-Authenticate"); (challenge != "") != (test.want == 401) {
				t.Errorf("challenge %q", challenge)
			}
			if strings.Contains(body, testToken) {
				t.Errorf("the answer tells the token: %s", body)
			}
			if test.want == 200 && (len(events.events) != 2 || events.events[0].Remote != "192.0.2.1" || events.events[0].UID != nil) {
				t.Errorf("the journal has %+v; want the operator's address", events.events)
			}
		})
	}
}

func TestATokenGivesNothingElse(t *testing.T) {
	s := tokenServer(t, "127.0.0.1:0", testToken, &skipper{}, noJournal{})
	for path, want := range map[string]int{"/debug/pprof/": 404, "/api/v1/status": 200, "/metrics": 200} {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.Host = "localhost"
		request.Header.Set("Authorization", "Bearer "+testToken)
		recorder := httptest.NewRecorder()
		s.doors[0].server.Handler.ServeHTTP(recorder, request)
		if recorder.Code != want {
			t.Errorf("%s: %d, want %d", path, recorder.Code, want)
		}
	}
	for path, want := range map[string]int{"/api/v1/nothing": 404, "/metrics": 405} {
		request := httptest.NewRequest(http.MethodPost, path, nil)
		request.Host = "localhost"
		request.Header.Set("Authorization", "Bearer "+testToken)
		recorder := httptest.NewRecorder()
		s.doors[0].server.Handler.ServeHTTP(recorder, request)
		if recorder.Code != want {
			t.Errorf("POST %s: %d, want %d", path, recorder.Code, want)
		}
	}
}

// TestWithoutATokenNothingChanges: neither does an empty token let anybody in.
func TestWithoutATokenNothingChanges(t *testing.T) {
	link := &skipper{}
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		s := tokenServer(t, listen, "", link, noJournal{})
		for _, authorization := range []string{"", "Bearer ", "Bearer " + testToken} {
			if code, _, body := command(s, map[string]string{"Authorization": authorization}); code != http.StatusNotFound {
				t.Errorf("%s with %q: %d, want 404: %s", listen, authorization, code, body)
			}
		}
	}
	if got := link.calls(); got != "" {
		t.Errorf("the link was asked: %s", got)
	}
}

func TestACommandIsBounded(t *testing.T) {
	s := tokenServer(t, "127.0.0.1:0", testToken, &skipper{}, noJournal{})
	request := httptest.NewRequest(http.MethodPost, skipPath, strings.NewReader(`{"accept_loss":true,"where":"`+strings.Repeat("x", maxBodyBytes)+`"}`))
	request.Host = "localhost"
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+testToken)
	recorder := httptest.NewRecorder()
	s.doors[0].server.Handler.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusBadRequest || !strings.Contains(recorder.Body.String(), "too large") {
		t.Errorf("%d: %s", recorder.Code, recorder.Body)
	}
}
