package e2e

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func configuration(t *testing.T, s *stack) {
	user, _ := s.addUser(t, "internal", "auth.config.#")
	tok := s.login(t, s.apis[0], user, nil).Token
	show := request{method: http.MethodGet, path: "/config", token: tok}
	change := func(body string) answer {
		return s.ask(t, s.apis[0], request{method: http.MethodPatch, path: "/config", token: tok, body: body})
	}
	first := s.ask(t, s.apis[0], show)
	require.Equal(t, http.StatusOK, first.status)
	require.Equal(t, first.body, s.ask(t, s.apis[0], show).body)
	var shown map[string]any
	first.into(t, &shown)
	for _, key := range []string{"rest_api", "amqp", "db_uri", "uuid", "loaded_plugins", "max_user_concurrent_sessions", "enabled_http_plugins"} {
		require.Contains(t, shown, key)
	}
	require.InDelta(t, 10, shown["log_level"], 0)
	require.Equal(t, "e2e", shown["uuid"])
	require.Equal(t, []any{"first:***"}, shown["sealing_keys"])

	status, err := s.status(s.apis[0].internal + "/debug/pprof/")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, status)
	a := change(`[{"op": "replace", "path": "/profiling_enabled", "value": true}]`)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, a.body, s.ask(t, s.apis[0], show).body)
	require.NoError(t, s.probe(s.apis[0].internal+"/debug/pprof/"))
	require.NotEqual(t, a.body, s.ask(t, s.apis[1], show).body, "the other process is not told")
	require.Equal(t, http.StatusBadRequest, change(`[{"op": "replace", "path": "/profiling_enabled", "value": false}, {"op": "replace", "path": "/uuid", "value": true}]`).status)
	require.NoError(t, s.probe(s.apis[0].internal+"/debug/pprof/"), "nothing changed")
	require.Equal(t, http.StatusOK, change(`[{"op": "replace", "path": "/profiling_enabled", "value": false}]`).status)
	require.Equal(t, first.body, s.ask(t, s.apis[0], show).body)
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/config"}).status)
}

func partsOff(t *testing.T, s *stack) {
	a := s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/users/" + uuid.NewString() + "/sessions"})
	require.Equal(t, http.StatusNotFound, a.status)
	require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/sessions"}).status)
}
