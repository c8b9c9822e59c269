// Package externaltest stands in for an OAuth2 provider and the synchronisation service (external.md section 10). It is for
// tests.
package externaltest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Client is who the token end point believes to be asked by.
const (
	ClientID     = "a-client-id"
	ClientSecret = "a-client-secret-9f2c"
)

// Stub is both services on one address. Its fields may be changed while it runs, under Lock.
type Stub struct {
	*httptest.Server
	sync.Mutex
	// Answer, if not nil, is what the token end point answers instead of a token.
	Answer func(w http.ResponseWriter, form url.Values)
	// Lifetime of tokens in seconds; without one each is a second longer than the one before, beginning with 2.
	Lifetime int
	// NoRefresh leaves the refresh token out of answers to a renewal.
	NoRefresh bool

	sockets map[string]*websocket.Conn
	opened  int
	issued  int
	secrets []string
	grants  []url.Values
}

// New starts a stub, stopped after the test.
func New(t *testing.T) *Stub {
	t.Helper()
	s := &Stub{sockets: map[string]*websocket.Conn{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Server.Close)
	return s
}

// serve knows /ws/<state>, /<type>/authorize, /<type>/authorize/<state> and /<type>/token.
func (s *Stub) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, p := range parts {
		parts[i], _ = url.PathUnescape(p)
	}
	switch {
	case len(parts) == 2 && parts[0] == "ws":
		s.listen(w, r, parts[1])
	case len(parts) == 2 && parts[1] == "authorize":
		s.authorize(w, r, r.URL.Query().Get("state"))
	case len(parts) == 3 && parts[1] == "authorize":
		s.authorize(w, r, parts[2])
	case len(parts) == 2 && parts[1] == "token":
		s.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

// Websocket is the address of the synchronisation service's websockets.
func (s *Stub) Websocket() string { return "ws" + strings.TrimPrefix(s.URL, "http") }

func (s *Stub) listen(w http.ResponseWriter, r *http.Request, state string) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	s.Lock()
	s.sockets[state] = c
	s.opened++
	s.secrets = append(s.secrets, state)
	s.Unlock()
	_, _, _ = c.Read(context.Background()) // until it is closed
	s.Lock()
	if s.sockets[state] == c {
		delete(s.sockets, state)
	}
	s.Unlock()
}

// Opened is how often a websocket was opened.
func (s *Stub) Opened() int {
	s.Lock()
	defer s.Unlock()
	return s.opened
}

// Listening tells whether somebody listens for a state.
func (s *Stub) Listening(state string) bool {
	s.Lock()
	defer s.Unlock()
	return s.sockets[state] != nil
}

// Cut breaks the websocket of a state.
func (s *Stub) Cut(state string) {
	s.Lock()
	c := s.sockets[state]
	delete(s.sockets, state)
	s.Unlock()
	if c != nil {
		_ = c.CloseNow()
	}
}

// Push sends a text to whoever listens for a state; false if nobody does.
func (s *Stub) Push(state, text string) bool {
	s.Lock()
	c := s.sockets[state]
	s.Unlock()
	if c == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.Write(ctx, websocket.MessageText, []byte(text)) == nil
}

// Consent is what a person's browser does: it brings a state and a code.
func (s *Stub) Consent(state string) bool {
	return s.Push(state, fmt.Sprintf(`{"state": %q, "code": %q}`, state, s.Secret("code")))
}

func (s *Stub) authorize(w http.ResponseWriter, r *http.Request, state string) {
	message := map[string]string{}
	for k := range r.URL.Query() {
		message[k] = r.URL.Query().Get(k)
	}
	message["code"] = s.Secret("code")
	text, _ := json.Marshal(message)
	if !s.Push(state, string(text)) {
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Secret makes a text that must not be seen anywhere, and remembers it.
func (s *Stub) Secret(what string) string {
	text := what + "-" + rand.Text()
	s.Lock()
	defer s.Unlock()
	s.secrets = append(s.secrets, text)
	return text
}

// Secrets are all states, codes and tokens so far.
func (s *Stub) Secrets() []string {
	s.Lock()
	defer s.Unlock()
	return append([]string{ClientSecret}, s.secrets...)
}

// Grants are the forms that the token end point got.
func (s *Stub) Grants() []url.Values {
	s.Lock()
	defer s.Unlock()
	return append([]url.Values{}, s.grants...)
}

func (s *Stub) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	s.Lock()
	s.grants = append(s.grants, r.PostForm)
	answer, lifetime, noRefresh := s.Answer, s.Lifetime, s.NoRefresh
	s.issued++
	n := s.issued
	s.Unlock()
	if answer != nil {
		answer(w, r.PostForm)
		return
	}
	id, secret, basic := r.BasicAuth()
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		if !basic || id != ClientID || secret != ClientSecret || r.Header.Get("Accept") != "application/json" || r.PostForm.Get("code") == "" || r.PostForm.Get("redirect_uri") == "" {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
	case "refresh_token":
		if basic || r.PostForm.Get("client_id") != ClientID || r.PostForm.Get("client_secret") != ClientSecret || r.PostForm.Get("refresh_token") == "" {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
	default:
		http.Error(w, "refused", http.StatusBadRequest)
		return
	}
	if lifetime == 0 {
		lifetime = n + 1
	}
	body := map[string]any{"access_token": s.Secret("access"), "expires_in": lifetime, "scope": "one two"}
	if !noRefresh || r.PostForm.Get("grant_type") == "authorization_code" {
		body["refresh_token"] = s.Secret("refresh")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
