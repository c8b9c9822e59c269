package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/external/externaltest"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/seal"
)

// accounts is a bundle with external accounts, a provider, a synchronisation service, and somebody who waits for consents.
type accounts struct {
	*bundle
	stub    *externaltest.Stub
	service *external.Service
	token   string // of somebody of the top tenant with all accesses
	user    uuid.UUID
}

func setupAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{bundle: setup(t), stub: externaltest.New(t)}
	ring, err := seal.New([]seal.Key{{ID: "k1", Secret: [32]byte{1}}})
	require.NoError(t, err)
	due := make(chan struct{}, 1)
	provider := func(typ string, offline bool) external.Provider {
		return external.Provider{AuthorizationURL: "https://accounts.example.com/auth?fixed=1", RedirectURI: a.stub.URL + "/" + typ + "/authorize",
			TokenURL: a.stub.URL + "/" + typ + "/token", WebsocketHost: a.stub.Websocket(), Scope: []string{"configured", "scopes"}, Offline: offline}
	}
	a.service = external.New(external.Deps{Pool: a.pool, Sealer: ring, Events: outbox.NewEvents(true), Log: slog.New(slog.DiscardHandler),
		Wake: func() {
			select {
			case due <- struct{}{}:
			default:
			}
		},
		Enabled:        []string{"google", "microsoft", "mobile", "absent"},
		Providers:      map[string]external.Provider{"google": provider("google", true), "microsoft": provider("microsoft", false)},
		ConsentTimeout: time.Minute, MaxConsents: 100})
	require.NoError(t, a.service.KnowEnabled(t.Context()))
	a.deps.External = a.service
	a.server = httptest.NewServer(New(a.deps))
	t.Cleanup(a.server.Close)
	a.waitForConsents(t, due)
	user, login := a.bundle.user(t, a.top, "#")
	a.user, a.token = user, str(t, a.login(t, login, "{}", nil), "token")
	return a
}

// waitForConsents does what workers do.
func (a *accounts) waitForConsents(t *testing.T, due <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for {
			select {
			case <-due:
			case <-ctx.Done():
				return
			}
			rows, err := a.pool.Query(ctx, "UPDATE external_consents SET due_at = NULL WHERE due_at IS NOT NULL RETURNING uuid")
			if err != nil {
				return
			}
			for rows.Next() {
				var id uuid.UUID
				if rows.Scan(&id) == nil {
					waiting.Go(func() { _, _ = a.service.Await(ctx, id) })
				}
			}
		}
	})
	t.Cleanup(func() { cancel(); waiting.Wait() })
}

func (a *accounts) ask(t *testing.T, method, path, body string, more ...string) answer {
	t.Helper()
	h := headers{"X-Auth-Token": a.token}
	for i := 0; i+1 < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return a.do(t, method, "/0.1"+path, body, h)
}

// says wants a modern error.
func says(t *testing.T, a answer, status int, id, resource, message string, details map[string]any) {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	require.Equal(t, id, a.body["error_id"], a.text)
	require.Equal(t, resource, a.body["resource"])
	require.Equal(t, message, a.body["message"])
	require.Equal(t, details, a.body["details"])
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func (a *accounts) events(t *testing.T) (names []string) {
	t.Helper()
	rows, err := a.pool.Query(t.Context(), "SELECT name FROM event_outbox WHERE name LIKE 'auth_user_external%' ORDER BY id")
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, strings.TrimPrefix(name, "auth_user_external_auth_"))
	}
	return names
}

func TestExternalConfigIsAnyValueOfOneTenant(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	below := factory.Tenant(t.Context(), t, a.pool, a.top)
	of := map[string]any{"type": "z.z"}
	undefined := `Configuration for this external auth type "z.z" is not defined.`
	says(t, a.ask(t, "GET", "/external/z.z/config", ""), 404, "unknown-config", "z.z", undefined, of)
	says(t, a.ask(t, "PUT", "/external/z.z/config", "{}"), 404, "unknown-external-auth-type", "external", `No such auth type: "z.z"`, of)
	says(t, a.ask(t, "DELETE", "/external/z.z/config", ""), 404, "unknown-external-auth-type", "external", `No such auth type: "z.z"`, of)
	says(t, a.ask(t, "GET", "/external/z.z/users", ""), 404, "unknown-external-auth-type", "external", `No such auth type: "z.z"`, of)

	made := a.ask(t, "POST", "/external/z.z/config", `{"client_secret": "hidden", "n": 12345678901234567890.5, "deep": [null, {"é": "\u0000"}]}`)
	require.Equal(t, 201, made.status, made.text)
	require.Equal(t, "\"\"\n", made.text)
	says(t, a.ask(t, "POST", "/external/z.z/config", "{}"), 409, "conflict", "z.z", `This external authentication config has already been set: "z.z"`, of)
	got := a.ask(t, "GET", "/external/z.z/config", "")
	require.JSONEq(t, `{"client_secret": "hidden", "n": 12345678901234567890.5, "deep": [null, {"é": "\u0000"}]}`, got.text)
	require.Contains(t, got.text, "12345678901234567890.5", "the number as it was written")
	says(t, a.ask(t, "GET", "/external/z.z/config", "", "Wazo-Tenant", below.String()), 404, "unknown-external-auth", "z.z",
		`No config found for this external auth type: "z.z"`, of)
	require.Equal(t, 200, a.ask(t, "GET", "/external/z.z/users", "").status, "it has become known, not enabled")
	for _, v := range []string{"null", "[]", `"text"`, "0", "false", `{"a": 1}`} {
		require.Equal(t, 204, a.ask(t, "PUT", "/external/z.z/config", v).status, v)
		require.JSONEq(t, v, a.ask(t, "GET", "/external/z.z/config", "").text)
	}
	var plain int
	require.NoError(t, a.pool.QueryRow(t.Context(), "SELECT count(*) FROM external_configs WHERE position('hidden'::bytea IN sealed) > 0").Scan(&plain))
	require.Zero(t, plain)
	require.Equal(t, 204, a.ask(t, "DELETE", "/external/z.z/config", "").status)
	says(t, a.ask(t, "DELETE", "/external/z.z/config", ""), 404, "unknown-external-auth", "z.z", `No config found for this external auth type: "z.z"`, of)
	says(t, a.ask(t, "PUT", "/external/google/config", "{}"), 404, "unknown-external-auth", "google", `No config found for this external auth type: "google"`,
		map[string]any{"type": "google"})
	require.Empty(t, a.events(t))

	for _, bad := range []string{"", "{", "{} {}"} {
		r := a.ask(t, "POST", "/external/google/config", bad)
		require.Equal(t, 400, r.status, bad)
		require.NotContains(t, r.body, "error_id")
	}
	r := a.ask(t, "POST", "/external/google/config", "nonsense", "Wazo-Tenant", uuid.NewString())
	require.Equal(t, 400, r.status, "the body comes first")
	says(t, a.ask(t, "POST", "/external/"+strings.Repeat("x", 300)+"/config", "{}"), 404, "unknown-external-auth-type", "external",
		`No such auth type: "`+strings.Repeat("x", 300)+`"`, map[string]any{"type": strings.Repeat("x", 300)})
	said := a.ask(t, "GET", "/external/google/config", "", "Wazo-Tenant", uuid.NewString())
	require.Equal(t, 401, said.status)
	require.Equal(t, "unauthorized-tenant", said.body["error_id"])
	require.Equal(t, 404, a.ask(t, "GET", "/external", "").status)
}

func TestPushTokensOfAPhone(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	user, _ := a.bundle.user(t, a.top)
	path := "/users/" + user.String() + "/external/mobile"
	says(t, a.ask(t, "GET", path, ""), 404, "unknown-external-auth", "mobile", `No such external auth: "mobile"`, map[string]any{"type": "mobile"})
	says(t, a.ask(t, "DELETE", path, ""), 404, "unknown-external-auth", "mobile", `No such external auth: "mobile"`, map[string]any{"type": "mobile"})

	made := a.ask(t, "POST", path, `{"token": "T", "apns_token": "", "apns_call_topic": "topic", "more": 1}`, "Wazo-Tenant", "nonsense")
	require.Equal(t, 201, made.status, made.text)
	want := `{"token":"T","apns_token":"","apns_voip_token":null,"apns_notification_token":null,"apns_call_topic":"topic","apns_default_topic":null}` + "\n"
	require.Equal(t, want, made.text)
	require.Equal(t, want, a.ask(t, "GET", path, "").text)
	says(t, a.ask(t, "POST", path, "{}"), 409, "conflict", "mobile", `This external authentication method has already been set: "mobile"`, map[string]any{"type": "mobile"})
	for _, empty := range []string{"{}", "null", "[]"} {
		put := a.ask(t, "PUT", path, empty)
		require.Equal(t, 200, put.status)
		require.Len(t, put.body, 6)
		require.Nil(t, put.body["token"])
	}
	require.Equal(t, 204, a.ask(t, "DELETE", path, "").status)
	require.Equal(t, 200, a.ask(t, "PUT", path, `{"token": "other"}`).status, "it creates")
	require.Equal(t, []string{"added", "updated", "updated", "updated", "deleted", "added"}, a.events(t))

	text := map[string]any{"message": "Not a valid string.", "constraint_id": "type", "constraint": "string"}
	for body, want := range map[string]map[string]any{
		`{"token": 1, "apns_token": 2}`: {"token": text},
		`{"token": ""}`: {"token": map[string]any{"message": "Length must be between 1 and 512.", "constraint_id": "length",
			"constraint": map[string]any{"min": 1.0, "max": 512.0}}},
		`{"apns_voip_token": "` + strings.Repeat("é", 513) + `"}`: {"apns_voip_token": map[string]any{"message": "Longer than maximum length 512.",
			"constraint_id": "length", "constraint": map[string]any{"min": nil, "max": 512.0}}},
		`[1]`: {"_schema": map[string]any{"message": "Invalid input type."}},
		`"x"`: {"_schema": map[string]any{"message": "Invalid input type."}},
	} {
		bad := a.ask(t, "PUT", path, body)
		require.Equal(t, 400, bad.status, bad.text)
		require.Equal(t, "invalid-data", bad.body["error_id"])
		require.Equal(t, "users", bad.body["resource"])
		require.Equal(t, want, bad.body["details"])
	}
	require.Equal(t, "other", a.ask(t, "GET", path, "").body["token"], "a refused request changes nothing")

	nobody := uuid.NewString()
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		body := ""
		if method == "POST" || method == "PUT" {
			body = "{}"
		}
		says(t, a.ask(t, method, "/users/"+nobody+"/external/mobile", body), 404, "unknown-user", "users", `No such user: "`+nobody+`"`, map[string]any{"uuid": nobody})
	}
	says(t, a.ask(t, "GET", path+"/sender_id", ""), 404, "unknown-external-auth", "mobile", `No config found for this external auth type: "mobile"`, map[string]any{"type": "mobile"})
	require.Equal(t, 201, a.ask(t, "POST", "/external/mobile/config", "{}").status)
	require.JSONEq(t, `{"sender_id": null}`, a.ask(t, "GET", path+"/sender_id", "").text)
	require.Equal(t, 204, a.ask(t, "PUT", "/external/mobile/config", `{"fcm_sender_id": "12"}`).status)
	require.JSONEq(t, `{"sender_id": "12"}`, a.ask(t, "GET", "/users/"+nobody+"/external/mobile/sender_id", "").text, "nobody is looked up")
	var stored []byte
	require.NoError(t, a.pool.QueryRow(t.Context(), "SELECT sealed FROM external_accounts WHERE user_uuid = $1", user).Scan(&stored))
	require.NotContains(t, string(stored), "other")
}

func TestListOfExternalTypes(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	user, _ := a.bundle.user(t, a.top)
	path := "/users/" + user.String() + "/external"
	require.Equal(t, 201, a.ask(t, "POST", path+"/mobile", `{"token": "SECRET"}`).status)
	all := a.ask(t, "GET", path, "")
	require.JSONEq(t, `{"total": 4, "filtered": 4, "items": [
		{"type": "absent", "data": {}, "enabled": false, "plugin_info": {}},
		{"type": "google", "data": {}, "enabled": false, "plugin_info": {}},
		{"type": "microsoft", "data": {}, "enabled": false, "plugin_info": {}},
		{"type": "mobile", "data": {}, "enabled": true, "plugin_info": {}}]}`, all.text)
	types := func(query string) (names []string, total, filtered float64) {
		r := a.ask(t, "GET", path+"?"+query, "")
		require.Equal(t, 200, r.status, r.text)
		items, _ := r.body["items"].([]any)
		for _, x := range items {
			item, _ := x.(map[string]any)
			names = append(names, str(t, item, "type"))
		}
		total, _ = r.body["total"].(float64)
		filtered, _ = r.body["filtered"].(float64)
		return names, total, filtered
	}
	for query, want := range map[string][]string{
		"type=mobile": {"mobile"}, "type=Mobile": nil, "search=O": {"google", "microsoft", "mobile"}, "search=m%20o%20t": {"microsoft"}, "search=": {"absent", "google", "microsoft", "mobile"},
		"search=mo&type=mobile": {"mobile"}, "direction=desc&limit=2": {"mobile", "microsoft"}, "limit=1&offset=1&order=type": {"google"}, "offset=9": nil, "limit=0": nil,
		"recurse=yes&nonsense=1&search=gle": {"google"},
	} {
		names, total, _ := types(query)
		require.Equal(t, want, names, query)
		require.InDelta(t, 4, total, 0)
	}
	_, _, filtered := types("search=o&limit=1")
	require.InDelta(t, 3, filtered, 0)
	for query, want := range map[string]string{
		"limit=x":    `{"limit": {"message": "Not a valid integer.", "constraint_id": "type", "constraint": "integer"}}`,
		"limit=-1":   `{"limit": [{"constraint_id": "range", "constraint": {"min": 0}, "message": "Must be greater than or equal to 0."}]}`,
		"order=data": `{"order": [{"constraint_id": "enum", "constraint": {"choices": ["type"]}, "message": "Must be one of: type."}]}`,
	} {
		r := a.ask(t, "GET", path+"?"+query, "")
		require.Equal(t, 400, r.status)
		require.Equal(t, "invalid-list-param", r.body["error_id"])
		require.Equal(t, "users", r.body["resource"])
		require.Equal(t, map[string]any{}, r.body["details"])
		require.Contains(t, r.text, "message")
		require.JSONEq(t, want, mustJSON(t, r.body["message"]))
	}
	unknown := a.ask(t, "GET", "/users/"+uuid.NewString()+"/external", "")
	require.Equal(t, 200, unknown.status)
	require.NotContains(t, unknown.text, "true")

	below := factory.Tenant(t.Context(), t, a.pool, a.top)
	other, _ := a.bundle.user(t, below)
	require.Equal(t, 200, a.ask(t, "PUT", "/users/"+other.String()+"/external/mobile", "{}").status)
	one := a.ask(t, "GET", "/external/mobile/users", "")
	require.JSONEq(t, fmt.Sprintf(`{"total": 1, "filtered": 1, "items": [{"uuid": %q}]}`, user), one.text)
	both := a.ask(t, "GET", "/external/mobile/users?recurse=true&limit=1&search=x&direction=desc", "")
	require.InDelta(t, 2, both.body["total"], 0)
	require.Len(t, both.body["items"], 1)
	require.JSONEq(t, fmt.Sprintf(`{"total": 1, "filtered": 1, "items": [{"uuid": %q}]}`, other), a.ask(t, "GET", "/external/mobile/users", "", "Wazo-Tenant", below.String()).text)
	r := a.ask(t, "GET", "/external/mobile/users?order=uuid", "", "Wazo-Tenant", "nonsense")
	require.Equal(t, 400, r.status, "parameters come before the tenant")
	require.JSONEq(t, `{"order": [{"constraint_id": "enum", "constraint": {"choices": []}, "message": "Must be one of: ."}]}`, mustJSON(t, r.body["message"]))
	require.Equal(t, 401, a.ask(t, "GET", "/external/zz/users", "", "Wazo-Tenant", "nonsense").status, "and the tenant before the type")
}

func TestExternalAccountsOfOtherTenantsAreOutOfSight(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	left, right := factory.Tenant(t.Context(), t, a.pool, a.top), factory.Tenant(t.Context(), t, a.pool, a.top)
	victim, _ := a.bundle.user(t, left)
	_, login := a.bundle.user(t, right, "#")
	stranger := *a
	stranger.token = str(t, a.login(t, login, "{}", nil), "token")
	path := "/users/" + victim.String() + "/external"
	require.Equal(t, 200, a.ask(t, "PUT", path+"/mobile", "{}").status)
	require.Equal(t, 201, stranger.ask(t, "POST", "/external/google/config", `{"client_id": "x"}`).status)
	require.Equal(t, 201, stranger.ask(t, "POST", "/external/mobile/config", `{}`).status)
	for _, r := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"GET", "/mobile", ""}, {"PUT", "/mobile", "{}"}, {"POST", "/mobile", "{}"}, {"DELETE", "/mobile", ""}, {"GET", "/mobile/sender_id", ""},
		{"POST", "/google", "{}"}, {"GET", "/google", ""}, {"DELETE", "/google", ""}, {"GET", "/microsoft", ""},
	} {
		got := stranger.ask(t, r.method, path+r.path, r.body)
		require.Equal(t, 404, got.status, "%s %s: %s", r.method, r.path, got.text)
		require.Equal(t, "unknown-user", got.body["error_id"])
	}
	require.Equal(t, 200, a.ask(t, "GET", path+"/mobile", "").status)
}

func TestRoutesOfTypesThatAreNotThere(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	path := "/users/" + a.user.String() + "/external/"
	for _, typ := range []string{"absent", "zz", "foo"} {
		r := a.ask(t, "GET", path+typ, "")
		require.Equal(t, 404, r.status)
		require.Nil(t, r.body, "a page")
	}
	require.Equal(t, 405, a.ask(t, "PUT", path+"google", "{}").status)
	require.Equal(t, 405, a.ask(t, "PUT", path+"microsoft", "{}").status)
	require.Nil(t, a.ask(t, "GET", "/users/x/external", "").body)
	require.Nil(t, a.ask(t, "GET", "/users/me/external", "").body)
}

func TestConsentLinksAnAccount(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"google", "microsoft"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			a := setupAccounts(t)
			path := "/users/" + a.user.String() + "/external/" + typ
			of := map[string]any{"type": typ}
			says(t, a.ask(t, "POST", path, "{}"), 404, "unknown-external-auth", typ, `No config found for this external auth type: "`+typ+`"`, of)
			require.Equal(t, 201, a.ask(t, "POST", "/external/"+typ+"/config", fmt.Sprintf(`{"client_id": %q, "client_secret": %q}`, externaltest.ClientID, externaltest.ClientSecret)).status)
			nobody := uuid.NewString()
			says(t, a.ask(t, "POST", "/users/"+nobody+"/external/"+typ, "{}"), 404, "unknown-user", "users", `No such user: "`+nobody+`"`, map[string]any{"uuid": nobody})
			says(t, a.ask(t, "GET", path, ""), 404, "unknown-external-auth", typ, `No such external auth: "`+typ+`"`, of)

			began := time.Now()
			started := a.ask(t, "POST", path, `{"scope": ["a", "b c"]}`)
			require.Equal(t, 201, started.status, started.text)
			require.Less(t, time.Since(began), 2*time.Second)
			state := str(t, started.body, "state")
			require.Regexp(t, `^[A-Za-z0-9]{30}$`, state)
			require.True(t, a.stub.Listening(state), "before the answer")
			u, err := url.Parse(str(t, started.body, "authorization_url"))
			require.NoError(t, err)
			want := url.Values{"fixed": {"1"}, "response_type": {"code"}, "client_id": {externaltest.ClientID}, "state": {state}, "scope": {"a b c"},
				"redirect_uri": {a.stub.URL + "/" + typ + "/authorize"}}
			if typ == "google" {
				want.Set("access_type", "offline")
				want.Set("prompt", "consent")
			}
			require.Equal(t, want, u.Query())
			require.Equal(t, 404, a.ask(t, "GET", path, "").status, "nothing is stored yet")

			a.stub.Lock()
			a.stub.Lifetime = 3600
			a.stub.Unlock()
			require.True(t, a.stub.Push(state, "not JSON"))
			require.True(t, a.stub.Consent(state))
			first := a.linked(t, path)
			require.Equal(t, []any{"one", "two"}, first.body["scope"])
			require.InDelta(t, time.Now().Unix()+3600, first.body["token_expiration"], 30)
			require.Len(t, first.body, 3)
			require.Equal(t, []string{"added"}, a.events(t))
			require.Equal(t, first.text, a.ask(t, "GET", path, "", "Wazo-Tenant", "nonsense").text, "the header counts for a renewal only")

			// Two more that are pending: the last one to arrive wins.
			one, two := str(t, a.ask(t, "POST", path, "null").body, "state"), str(t, a.ask(t, "POST", path, "[]").body, "state")
			require.NotEqual(t, one, two)
			require.True(t, a.stub.Consent(two))
			a.await(t, func() bool { return len(a.events(t)) == 2 })
			require.True(t, a.stub.Consent(one))
			a.await(t, func() bool { return len(a.events(t)) == 3 })
			require.Equal(t, []string{"added", "updated", "updated"}, a.events(t))
			require.Equal(t, 204, a.ask(t, "DELETE", path, "").status)
			says(t, a.ask(t, "DELETE", path, ""), 404, "unknown-external-auth", typ, `No such external auth: "`+typ+`"`, of)
		})
	}
}

func (a *accounts) await(t *testing.T, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 20*time.Second, 10*time.Millisecond)
}

func (a *accounts) linked(t *testing.T, path string) (r answer) {
	t.Helper()
	a.await(t, func() bool { r = a.ask(t, "GET", path, ""); return r.status == 200 })
	return r
}

func TestBodiesOfAConsent(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	path := "/users/" + a.user.String() + "/external/google"
	text := map[string]any{"message": "Not a valid string.", "constraint_id": "type", "constraint": "string"}
	for body, want := range map[string]map[string]any{
		`{"scope": "x"}`:      {"scope": map[string]any{"message": "Not a valid list.", "constraint_id": "type", "constraint": "list"}},
		`{"scope": null}`:     {"scope": map[string]any{"message": "Field may not be null.", "constraint_id": "not_null", "constraint": "not_null"}},
		`{"scope": [1, "a"]}`: {"scope": map[string]any{"0": text}},
		`{"scope": ["a", ""]}`: {"scope": map[string]any{"1": map[string]any{"message": "Length must be between 1 and 512.", "constraint_id": "length",
			"constraint": map[string]any{"min": 1.0, "max": 512.0}}}},
		`7`: {"_schema": map[string]any{"message": "Invalid input type."}},
	} {
		r := a.ask(t, "POST", path, body, "Wazo-Tenant", "nonsense")
		require.Equal(t, 400, r.status, "%s: %s", body, r.text)
		require.Equal(t, want, r.body["details"])
		require.Equal(t, "users", r.body["resource"])
	}
	require.Equal(t, 401, a.ask(t, "POST", path, "{}", "Wazo-Tenant", "nonsense").status)
	require.Equal(t, 201, a.ask(t, "POST", "/external/google/config", `"no object"`).status)
	require.Equal(t, 500, a.ask(t, "POST", path, "{}").status)
}

func TestTokensAreRenewedOnce(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	path := "/users/" + a.user.String() + "/external/google"
	require.Equal(t, 201, a.ask(t, "POST", "/external/google/config", fmt.Sprintf(`{"client_id": %q, "client_secret": %q}`, externaltest.ClientID, externaltest.ClientSecret)).status)
	require.True(t, a.stub.Consent(str(t, a.ask(t, "POST", path, "{}").body, "state")))
	a.await(t, func() bool { return len(a.events(t)) == 1 })
	require.Len(t, a.stub.Grants(), 1)

	// Its lifetime is a few seconds: each GET renews, together they renew once.
	a.stub.Lock()
	a.stub.NoRefresh = true
	a.stub.Answer = nil
	a.stub.Unlock()
	first := a.ask(t, "GET", path, "")
	require.Equal(t, 200, first.status, first.text)
	require.Equal(t, []string{"added", "updated"}, a.events(t))
	require.Len(t, a.stub.Grants(), 2)
	kept := a.stub.Grants()[1].Get("refresh_token")

	release := make(chan struct{})
	a.stub.Lock()
	a.stub.Answer = func(w http.ResponseWriter, _ url.Values) {
		<-release
		_, _ = w.Write([]byte(`{"access_token": "slow", "expires_in": 7200, "scope": ""}`))
	}
	a.stub.Unlock()
	var together sync.WaitGroup
	texts := make([]string, 8)
	for i := range texts {
		together.Go(func() { texts[i] = a.ask(t, "GET", path, "").text })
	}
	a.await(t, func() bool { return len(a.stub.Grants()) == 3 })
	close(release)
	together.Wait()
	require.Len(t, a.stub.Grants(), 3, "one of eight renewed")
	require.Equal(t, kept, a.stub.Grants()[2].Get("refresh_token"), "one that was not replaced stays")
	for _, text := range texts {
		require.Equal(t, texts[0], text)
		require.Contains(t, text, `"slow"`)
	}
	require.Equal(t, []string{"added", "updated", "updated"}, a.events(t))
}

func TestFailedRenewalsChangeNothing(t *testing.T) {
	t.Parallel()
	a := setupAccounts(t)
	path := "/users/" + a.user.String() + "/external/microsoft"
	require.Equal(t, 201, a.ask(t, "POST", "/external/microsoft/config", fmt.Sprintf(`{"client_id": %q, "client_secret": %q}`, externaltest.ClientID, externaltest.ClientSecret)).status)
	require.True(t, a.stub.Consent(str(t, a.ask(t, "POST", path, "{}").body, "state")))
	a.await(t, func() bool { return len(a.events(t)) == 1 })
	before := a.stored(t)
	for name, reply := range map[string]func(w http.ResponseWriter){
		"an error":      func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"error": "invalid_grant"}`)) },
		"no scope":      func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"access_token": "x", "expires_in": 3600}`)) },
		"no expires_in": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"access_token": "x", "scope": "a"}`)) },
		"no JSON":       func(w http.ResponseWriter) { _, _ = w.Write([]byte(`<html>`)) },
		"a status": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"access_token": "x", "scope": "a", "expires_in": 1}`))
		},
	} {
		a.stub.Lock()
		a.stub.Answer = func(w http.ResponseWriter, _ url.Values) { reply(w) }
		a.stub.Unlock()
		r := a.ask(t, "GET", path, "")
		require.Equal(t, 500, r.status, "%s: %s", name, r.text)
		require.Equal(t, map[string]any{"message": "Internal Server Error"}, r.body)
		require.Equal(t, before, a.stored(t), name)
	}
	a.stub.Server.Close()
	require.Equal(t, 500, a.ask(t, "GET", path, "").status, "no provider at all")
	require.Equal(t, before, a.stored(t))
	require.Equal(t, 204, a.ask(t, "DELETE", "/external/microsoft/config", "").status)
	says(t, a.ask(t, "GET", path, ""), 404, "unknown-external-auth", "microsoft", `No config found for this external auth type: "microsoft"`, map[string]any{"type": "microsoft"})
	require.Equal(t, []string{"added"}, a.events(t))
	for _, secret := range a.stub.Secrets() {
		require.NotContains(t, a.log.String(), secret)
	}
}

func (a *accounts) stored(t *testing.T) (sealed []byte) {
	t.Helper()
	require.NoError(t, a.pool.QueryRow(t.Context(), "SELECT sealed FROM external_accounts").Scan(&sealed))
	return sealed
}
