package e2e

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// userBody is a user as the interface shows it.
type userBody struct {
	UUID     uuid.UUID `json:"uuid"`
	Tenant   uuid.UUID `json:"tenant_uuid"`
	Username *string   `json:"username"`
	Purpose  string    `json:"purpose"`
	Method   string    `json:"authentication_method"`
	Enabled  bool      `json:"enabled"`
	Emails   []struct {
		UUID      uuid.UUID `json:"uuid"`
		Address   string    `json:"address"`
		Main      bool      `json:"main"`
		Confirmed bool      `json:"confirmed"`
	} `json:"emails"`
}

// newUser makes a user over the interface, who has the password that every user has.
func (s *stack) newUser(t *testing.T, p *process, token string, more fields) userBody {
	t.Helper()
	body := fields{"username": "user-" + random(6), "password": s.password}
	for k, v := range more {
		body[k] = v
	}
	a := s.ask(t, p, request{method: http.MethodPost, path: "/users", token: token, body: body})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var u userBody
	a.into(t, &u)
	return u
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2, workers: 1})
	root := s.login(t, s.apis[0], s.root, nil).Token
	for name, part := range map[string]func(*testing.T, *stack, string){
		"a user is made on one API and logs in on the other": aUserLogsInAnywhere,
		"disabling ends tokens at once":                      disablingEndsTokens,
		"deleting ends tokens at once":                       deletingEndsTokens,
		"a new password ends tokens at once":                 aNewPasswordEndsTokens,
		"an address is a login while it is confirmed":        anAddressIsALogin,
		"a method decides who verifies the password":         aMethodDecides,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s, root)
		})
	}
}

func aUserLogsInAnywhere(t *testing.T, s *stack, root string) {
	u := s.newUser(t, s.apis[0], root, fields{"email_address": "Log.In@Example.com", "purpose": "internal"})
	require.Equal(t, "native", u.Method)
	for _, login := range []string{*u.Username, "log.in@example.COM"} {
		require.Equal(t, u.UUID.String(), s.login(t, s.apis[1], login, nil).AuthID)
	}
	var list struct {
		Items           []userBody
		Total, Filtered int
	}
	s.ask(t, s.apis[1], request{method: http.MethodGet, path: "/users?search=LOG.in%40&recurse=true&limit=10", token: root}).into(t, &list)
	require.Equal(t, []userBody{u}, list.Items)
	require.Equal(t, 1, list.Filtered)
	require.Greater(t, list.Total, 1)
	a := s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/users", token: root, body: fields{"username": "log.in@example.com"}})
	require.Equal(t, http.StatusConflict, a.status)
}

// ended is that a token is refused by both APIs and its lifetime has ended for this reason.
func ended(t *testing.T, s *stack, tok tokenBody, reason string) {
	t.Helper()
	for _, p := range s.apis {
		require.Equal(t, http.StatusNotFound, s.check(t, p, tok.Token, noScope), "at once")
	}
	o, _ := s.awaitOutcome(t, bearable, tok.Session)
	require.Equal(t, outcome{Outcome: "revoked", Reason: reason}, o)
}

func disablingEndsTokens(t *testing.T, s *stack, root string) {
	u := s.newUser(t, s.apis[0], root, nil)
	tok := s.login(t, s.apis[1], *u.Username, fields{"access_type": "offline", "client_id": "phone"})
	s.awaitRunning(t, tok.Session)
	path := "/users/" + u.UUID.String()
	put := func(enabled bool) {
		t.Helper()
		a := s.ask(t, s.apis[0], request{method: http.MethodPut, path: path, token: root, body: fields{"username": *u.Username, "enabled": enabled}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	}
	put(false)
	ended(t, s, tok, "user disabled")
	renew := request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": tok.RefreshToken, "client_id": "phone"}}
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[1], renew).status)
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[1], s.loginRequest(*u.Username, fields{})).status)
	put(true)
	s.ask(t, s.apis[1], renew).token(t)
}

func deletingEndsTokens(t *testing.T, s *stack, root string) {
	u := s.newUser(t, s.apis[0], root, fields{"email_address": "going@ex.com"})
	tok := s.login(t, s.apis[1], *u.Username, nil)
	s.awaitRunning(t, tok.Session)
	gone := request{method: http.MethodDelete, path: "/users/" + u.UUID.String(), token: root}
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], gone).status)
	ended(t, s, tok, "user deleted")
	require.Equal(t, http.StatusNotFound, s.ask(t, s.apis[1], gone).status)
	s.newUser(t, s.apis[1], root, fields{"username": "GOING@ex.com"}) // its logins are free
}

func aNewPasswordEndsTokens(t *testing.T, s *stack, root string) {
	u := s.newUser(t, s.apis[0], root, nil)
	tok := s.login(t, s.apis[1], *u.Username, nil)
	s.awaitRunning(t, tok.Session)
	fresh := "Neu-" + random(12)
	s.secret(fresh)
	change := request{method: http.MethodPut, path: "/users/" + u.UUID.String() + "/password", token: root,
		body: fields{"old_password": s.password, "new_password": fresh}}
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], change).status)
	ended(t, s, tok, "password changed")
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], change).status, "the old one is no longer right")
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[1], s.loginRequest(*u.Username, fields{})).status)
	again := s.loginRequest(*u.Username, fields{})
	again.password = fresh
	s.ask(t, s.apis[1], again).token(t)
}

func anAddressIsALogin(t *testing.T, s *stack, root string) {
	u := s.newUser(t, s.apis[0], root, nil)
	set := func(prefix string, confirmed any) {
		t.Helper()
		a := s.ask(t, s.apis[0], request{method: http.MethodPut, path: prefix + "/users/" + u.UUID.String() + "/emails", token: root,
			body: fields{"emails": []fields{{"address": "later@ex.com", "main": true, "confirmed": confirmed}}}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	}
	login := s.loginRequest("Later@ex.com", fields{})
	for _, c := range []struct {
		prefix    string
		confirmed any
		want      int
	}{{"", true, 401}, {"/admin", true, 200}, {"", false, 200}, {"/admin", false, 401}} {
		set(c.prefix, c.confirmed)
		require.Equal(t, c.want, s.ask(t, s.apis[1], login).status, "%v", c)
	}
}

func aMethodDecides(t *testing.T, s *stack, root string) {
	u := s.newUser(t, s.apis[0], root, nil)
	login := s.loginRequest(*u.Username, fields{})
	for _, c := range []struct {
		method, idp string
		want        int
	}{{http.MethodPut, "ldap", 401}, {http.MethodDelete, "saml", 401}, {http.MethodDelete, "ldap", 200}, {http.MethodPut, "saml", 401}, {http.MethodPut, "native", 200}} {
		a := s.ask(t, s.apis[0], request{method: c.method, path: "/idp/" + c.idp + "/users/" + u.UUID.String(), token: root})
		require.Equal(t, http.StatusNoContent, a.status, "%s", a.body)
		require.Equal(t, c.want, s.ask(t, s.apis[1], login).status, "%v", c)
	}
}
