package e2e

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type trailEntry struct {
	Action     string         `json:"action"`
	Subject    *string        `json:"subject_uuid"`
	Tenant     *string        `json:"tenant_uuid"`
	Actor      string         `json:"actor"`
	Session    *string        `json:"actor_session_uuid"`
	RemoteAddr string         `json:"remote_addr"`
	RequestID  string         `json:"request_id"`
	Details    map[string]any `json:"details"`
}

// trail runs the operator's command.
func (s *stack) trail(t *testing.T, args ...string) string {
	t.Helper()
	settings := map[string]string{"log_level": "error"}
	for k, v := range s.common {
		if k != "log_level" {
			settings[k] = v
		}
	}
	out, code := command(t, env(settings), program(t, "xivo-auth"), append([]string{"trail"}, args...)...)
	require.Zero(t, code, out)
	return out
}

func trailOfLogins(t *testing.T, s *stack) {
	user, id := s.addUser(t, "user", "auth.users.me.tokens.#")
	tok := s.ask(t, s.apis[0], from(s.loginRequest(user, fields{"access_type": "offline", "client_id": "phone"}), "192.0.2.7")).token(t)
	wrong := s.loginRequest(user, fields{})
	wrong.password = s.wrong
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[1], from(wrong, "192.0.2.8")).status)
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[1], request{method: http.MethodDelete, path: "/users/me/tokens/phone", token: tok.Token}).status)
	s.revoke(t, s.apis[1], tok.Token)

	var entries []trailEntry
	require.NoError(t, json.Unmarshal([]byte(s.trail(t, "--user", id.String(), "-f", "json")), &entries))
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
		require.Equal(t, id.String(), *e.Subject)
		require.NotNil(t, e.Tenant)
		require.NotEmpty(t, e.RequestID)
	}
	require.Equal(t, []string{"login accepted", "login refused", "refresh_token deleted", "token deleted"}, actions, "the newest last")
	require.Equal(t, []string{"192.0.2.7", "192.0.2.8"}, []string{entries[0].RemoteAddr, entries[1].RemoteAddr})
	require.Equal(t, tok.Session.String(), *entries[0].Session)
	require.Empty(t, entries[1].Actor)
	require.Equal(t, id.String(), entries[2].Actor)
	require.Equal(t, tok.Session.String(), *entries[2].Session)
	require.Equal(t, "phone", entries[2].Details["client_id"])

	table := s.trail(t, "--user", id.String(), "--action", "login", "--since", "1h")
	require.Len(t, strings.Split(strings.TrimSpace(table), "\n"), 3, table)
	rows, err := csv.NewReader(strings.NewReader(s.trail(t, "--user", id.String(), "--limit", "1", "-f", "csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Contains(t, rows[1], "token deleted")
	for _, secret := range []string{tok.Token, tok.RefreshToken, s.password, s.wrong} {
		require.NotContains(t, s.trail(t, "--limit", "10000", "-f", "json"), secret)
	}
	for _, bad := range [][]string{{"--since", "yesterday"}, {"--user", "alice"}, {"--limit", "0"}, {"--limit", "10001"}, {"-f", "xml"}} {
		_, code := command(t, env(s.common), program(t, "xivo-auth"), append([]string{"trail"}, bad...)...)
		require.NotZero(t, code, bad)
	}
}
