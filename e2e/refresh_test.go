package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func offlineLogin(t *testing.T, s *stack) {
	user, id := s.addUser(t, "user", "auth.users.me.tokens.#", "confd.#")
	offline := fields{"access_type": "offline", "client_id": "desk phone"}
	first := s.login(t, s.apis[0], user, offline)
	again := s.login(t, s.apis[1], user, offline)
	require.NotEmpty(t, first.RefreshToken)
	require.Equal(t, first.RefreshToken, again.RefreshToken, "the same client gets the same one")
	other := s.login(t, s.apis[1], user, fields{"access_type": "offline", "client_id": "another"})
	require.NotEqual(t, first.RefreshToken, other.RefreshToken)
	require.Empty(t, s.login(t, s.apis[0], user, nil).RefreshToken)

	buy := fields{"refresh_token": first.RefreshToken, "client_id": "desk phone", "expiration": 60}
	bought := s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token", user: ":", body: buy}).token(t)
	require.Empty(t, bought.RefreshToken)
	require.Equal(t, id.String(), bought.AuthID)
	require.ElementsMatch(t, []string{"auth.users.me.tokens.#", "confd.#"}, bought.ACL)
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[0], bought.Token, "confd.read"))
	s.awaitRunning(t, bought.Session)

	for name, body := range map[string]fields{
		"the client of another": {"refresh_token": first.RefreshToken, "client_id": "another"},
		"another spelling":      {"refresh_token": first.RefreshToken, "client_id": "Desk phone"},
		"unknown":               {"refresh_token": unknown, "client_id": "desk phone"},
		"empty":                 {"refresh_token": "", "client_id": "desk phone"},
	} {
		r := s.loginRequest(user, body) // correct credentials beside it are ignored
		require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], r).status, name)
	}

	var list struct {
		Items []struct {
			ClientID string `json:"client_id"`
			Mobile   bool   `json:"mobile"`
		}
		Total, Filtered int
	}
	a := s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/users/me/tokens?search=desk", token: bought.Token})
	a.into(t, &list)
	require.Equal(t, 2, list.Total)
	require.Equal(t, 1, list.Filtered)
	require.Equal(t, "desk phone", list.Items[0].ClientID)
	require.NotContains(t, string(a.body), first.RefreshToken)

	gone := request{method: http.MethodDelete, path: "/users/me/tokens/desk%20phone", token: bought.Token}
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], gone).status)
	require.Equal(t, http.StatusNotFound, s.ask(t, s.apis[1], gone).status)
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token", body: buy}).status)
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[1], bought.Token, noScope), "a token bought before lives on")
	require.NotEqual(t, first.RefreshToken, s.login(t, s.apis[0], user, offline).RefreshToken)
}

var mobile = http.Header{"Wazo-Session-Type": {"Mobile"}}

func (s *stack) mobileLogin(user, client string) request {
	r := s.loginRequest(user, fields{"access_type": "offline", "client_id": client})
	r.header = mobile
	return r
}

func mobileReplacement(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "user", "#")
	revoked := func(a answer) string { return a.header.Get("Wazo-Sessions-Revoked") }
	desk := s.login(t, s.apis[0], user, fields{"access_type": "offline", "client_id": "desk"})
	online := s.loginRequest(user, fields{})
	online.header = mobile
	unlinked := s.ask(t, s.apis[0], online)

	a := s.ask(t, s.apis[0], s.mobileLogin(user, "phone one"))
	first := a.token(t)
	require.Equal(t, "0", revoked(a))
	bought := s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token",
		body: fields{"refresh_token": first.RefreshToken, "client_id": "phone one"}})
	require.Equal(t, "0", revoked(bought))

	a = s.ask(t, s.apis[1], s.mobileLogin(user, "phone two"))
	second := a.token(t)
	require.Equal(t, "2", revoked(a), "the session of the first login and the bought one")
	for _, gone := range []string{first.Token, bought.token(t).Token} {
		require.Equal(t, http.StatusNotFound, s.check(t, s.apis[0], gone, noScope))
	}
	for _, kept := range []string{desk.Token, second.Token, unlinked.token(t).Token} {
		require.Equal(t, http.StatusNoContent, s.check(t, s.apis[0], kept, noScope))
	}
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/token",
		body: fields{"refresh_token": first.RefreshToken, "client_id": "phone one"}}).status)

	a = s.ask(t, s.apis[0], s.mobileLogin(user, "phone two"))
	require.Equal(t, "1", revoked(a))
	require.NotEqual(t, second.RefreshToken, a.token(t).RefreshToken, "the same mobile client gets a fresh one")

	wrong := s.mobileLogin(user, "phone two")
	wrong.password = s.wrong
	require.Empty(t, s.ask(t, s.apis[0], wrong).header.Values("Wazo-Sessions-Revoked"), "errors do not carry it")
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[1], a.token(t).Token, noScope))
}

func mobileRace(t *testing.T, s *stack) {
	user, id := s.addUser(t, "user", "#")
	parallel(t, 16, func(n int) error { // all are answered 200
		_, err := s.expect(http.StatusOK, s.apis[n%2], s.mobileLogin(user, []string{"a", "b", "c", "d"}[n%4]))
		return err
	})
	require.Equal(t, 1, s.count(t, "SELECT count(*) FROM refresh_tokens WHERE user_uuid = $1 AND mobile", id))
	require.Equal(t, 1, s.count(t, "SELECT count(*) FROM tokens WHERE user_uuid = $1", id))
}
