package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

func items(t *testing.T, a answer) []map[string]any {
	t.Helper()
	require.Equal(t, 200, a.status, a.text)
	list, ok := a.body["items"].([]any)
	require.True(t, ok, a.text)
	out := make([]map[string]any, len(list))
	for i, x := range list {
		out[i], _ = x.(map[string]any)
	}
	return out
}

func TestSessionsAreListedByTenantAndEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	admin, adminLogin := b.user(t, b.top, "#")
	user, login := b.user(t, child)
	_, otherLogin := b.user(t, child)
	secret := str(t, b.login(t, adminLogin, "{}", nil), "token")
	h := headers{"X-Auth-Token": secret}
	first := b.login(t, login, "{}", headers{"Wazo-Session-Type": "mobile"})
	second := b.login(t, login, "{}", nil)
	other := b.login(t, otherLogin, "{}", nil)

	require.Len(t, items(t, b.do(t, "GET", "/0.1/sessions", "", h)), 1)
	all := b.do(t, "GET", "/0.1/sessions?recurse=True&search=ignored", "", h)
	require.Len(t, items(t, all), 4)
	require.EqualValues(t, 4, all.body["total"])
	require.EqualValues(t, 4, all.body["filtered"])
	inChild := headers{"X-Auth-Token": secret, "Wazo-Tenant": child.String()}
	mobileFirst := items(t, b.do(t, "GET", "/0.1/sessions?order=mobile&direction=desc", "", inChild))
	require.Len(t, mobileFirst, 3)
	require.Equal(t, map[string]any{"uuid": first["session_uuid"], "mobile": true, "tenant_uuid": child.String(), "user_uuid": user.String()}, mobileFirst[0])
	require.Len(t, items(t, b.do(t, "GET", "/0.1/sessions?limit=1&offset=1", "", inChild)), 1)
	require.Empty(t, items(t, b.do(t, "GET", "/0.1/sessions?limit=0", "", inChild)))
	require.Len(t, items(t, b.do(t, "GET", "/0.1/users/"+user.String()+"/sessions", "", h)), 2)
	require.Len(t, items(t, b.do(t, "GET", "/0.1/users/"+admin.String()+"/sessions", "", h)), 1)
	require.Equal(t, 404, b.do(t, "GET", "/0.1/users/"+admin.String()+"/sessions?limit=x", "", inChild).status, "404 before the query is validated")

	for range 2 { // a session of another user is left alone, still 204
		require.Equal(t, 204, b.do(t, "DELETE", "/0.1/users/"+user.String()+"/sessions/"+str(t, other, "session_uuid"), "", h).status)
	}
	require.Equal(t, 204, b.do(t, "HEAD", "/0.1/token/"+str(t, other, "token"), "", nil).status)
	a := b.do(t, "DELETE", "/0.1/users/"+user.String()+"/sessions/"+str(t, first, "session_uuid"), "", h)
	require.Equal(t, 204, a.status)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/sessions/"+str(t, second, "session_uuid"), "", h).status)
	for _, x := range []map[string]any{first, second} {
		require.Equal(t, 404, b.do(t, "HEAD", "/0.1/token/"+str(t, x, "token"), "", nil).status)
	}
	require.Empty(t, items(t, b.do(t, "GET", "/0.1/users/"+user.String()+"/sessions", "", h)))
}

func TestRefreshTokensAreListedAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, login := b.user(t, b.top, "#")
	secret := ""
	for _, client := range []string{"phone a", "desk_b", "desk%c"} {
		h := headers{}
		if client == "phone a" {
			h["Wazo-Session-Type"] = "mobile"
		}
		secret = str(t, b.login(t, login, `{"access_type": "offline", "client_id": "`+client+`"}`, h), "token")
	}
	h := headers{"X-Auth-Token": secret}
	clients := func(query string) (out []any) {
		t.Helper()
		for _, x := range items(t, b.do(t, "GET", "/0.1/users/me/tokens"+query, "", h)) {
			out = append(out, x["client_id"])
		}
		return out
	}
	require.Equal(t, []any{"phone a", "desk_b", "desk%c"}, clients(""), "in the order of creation")
	require.Equal(t, []any{"desk%c", "desk_b", "phone a"}, clients("?order=client_id"))
	require.Equal(t, []any{"phone a"}, clients("?mobile=True"))
	require.Equal(t, []any{"phone a"}, clients("?order=mobile&direction=desc&limit=1"))
	require.Equal(t, []any{"desk_b"}, clients("?client_id=desk_b"))
	require.Equal(t, []any{"desk%c"}, clients("?search=K%25"), "wildcards of SQL are plain characters")
	require.Equal(t, []any{"phone a"}, clients("?search=PH+A"))
	mine := b.do(t, "GET", "/0.1/users/me/tokens?search=desk", "", h)
	require.EqualValues(t, 3, mine.body["total"])
	require.EqualValues(t, 2, mine.body["filtered"])
	one := items(t, mine)[0]
	require.ElementsMatch(t, []string{"client_id", "created_at", "mobile", "user_uuid", "tenant_uuid", "metadata"}, keys(one))
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$`, one["created_at"])
	same := items(t, b.do(t, "GET", "/0.1/users/me/tokens?created_at="+str(t, one, "created_at"), "", h))
	require.Len(t, same, 1)
	require.Equal(t, b.do(t, "GET", "/0.1/users/me/tokens", "", h).text, b.do(t, "GET", "/0.1/users/"+id.String()+"/tokens", "", h).text)
	require.Len(t, items(t, b.do(t, "GET", "/0.1/tokens?recurse=true", "", h)), 3)

	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/users/"+id.String()+"/tokens/desk_b", "", h).status)
	a := b.do(t, "DELETE", "/0.1/users/me/tokens/desk_b", "", h)
	require.Equal(t, 404, a.status)
	require.Equal(t, "cannot-find-refresh-token-matching-client-id", a.body["error_id"])
	require.Equal(t, `unknown refresh_token for client_id "desk_b"`, a.body["message"])
	require.Equal(t, "tokens", a.body["resource"])
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/users/me/tokens/desk%25c", "", h).status)
	require.Equal(t, 404, b.do(t, "DELETE", "/0.1/users/me/tokens/a%2Fb", "", h).status)
}

func keys(m map[string]any) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestBadListParametersAreNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top, "#")
	h := headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}
	integer := map[string]any{"message": "Not a valid integer.", "constraint_id": "type", "constraint": "integer"}
	for query, want := range map[string]any{
		"limit=x":                    map[string]any{"limit": integer},
		"limit=":                     map[string]any{"limit": integer},
		"limit=1.5":                  map[string]any{"limit": integer},
		"limit=true":                 map[string]any{"limit": integer},
		"limit=99999999999999999999": map[string]any{"limit": integer},
		"offset=-1": map[string]any{"offset": []any{map[string]any{"message": "Must be greater than or equal to 0.", "constraint_id": "range",
			"constraint": map[string]any{"min": 0.0}}}},
		"order=nope": map[string]any{"order": []any{map[string]any{"message": "Must be one of: created_at, client_id, mobile.", "constraint_id": "enum",
			"constraint": map[string]any{"choices": []any{"created_at", "client_id", "mobile"}}}}},
		"direction=": map[string]any{"direction": []any{map[string]any{"message": "Must be one of: asc, desc.", "constraint_id": "enum",
			"constraint": map[string]any{"choices": []any{"asc", "desc"}}}}},
		"recurse=maybe": map[string]any{"recurse": map[string]any{"message": "Not a valid boolean.", "constraint_id": "type", "constraint": "boolean"}},
		"mobile=banana": map[string]any{"mobile": map[string]any{"message": "Not a valid boolean.", "constraint_id": "type", "constraint": "boolean"}},
		"created_at=x":  map[string]any{"created_at": map[string]any{"message": "Not a valid datetime.", "constraint_id": "type", "constraint": "datetime"}},
	} {
		a := b.do(t, "GET", "/0.1/tokens?"+query, "", h)
		require.Equal(t, 400, a.status, query)
		require.Equal(t, want, a.body["message"], query)
		require.Equal(t, "invalid-list-param", a.body["error_id"])
		require.Equal(t, map[string]any{}, a.body["details"])
		require.Equal(t, "users", a.body["resource"])
	}
	require.Equal(t, 200, b.do(t, "GET", "/0.1/tokens?limit=1&limit=x&tenant_uuid=anything", "", h).status, "the first counts, unknown ones are ignored")
}
