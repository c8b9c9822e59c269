package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
)

// TestRequestsCostAFixedNumberOfStatements counts what a request sends to the database, the check of its caller's token
// included, without what begins and ends transactions. docs/performance.md has the numbers.
func TestRequestsCostAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	pool, journal := dbtest.Noted(t)
	b := setupOn(t, pool)
	_, admin := b.user(t, b.top, "#")
	h := headers{"X-Auth-Token": str(t, b.login(t, admin, "{}", nil), "token"), "Content-Type": "application/json"}
	create := func(path, body string) string {
		t.Helper()
		a := b.do(t, "POST", path, body, h)
		require.Equal(t, 200, a.status, a.text)
		return str(t, a.body, "uuid")
	}
	// More of everything than one, so that a statement for each would be seen.
	var user, group, policy string
	for i := range 3 {
		user = create("/0.1/users", fmt.Sprintf(`{"username": "user-%d", "email_address": "user-%d@example.org"}`, i, i))
		group = create("/0.1/groups", fmt.Sprintf(`{"name": "group %d"}`, i))
		policy = create("/0.1/policies", fmt.Sprintf(`{"name": "policy-%d", "acl": ["a", "b.%d"]}`, i, i))
		create("/0.1/tenants", fmt.Sprintf(`{"name": "tenant %d", "slug": "t%d"}`, i, i))
		for _, path := range []string{"/0.1/groups/" + group + "/users/" + user, "/0.1/users/" + user + "/policies/" + policy, "/0.1/groups/" + group + "/policies/" + policy} {
			require.Equal(t, 204, b.do(t, "PUT", path, "", h).status)
		}
	}
	other := create("/0.1/policies", `{"name": "another", "acl": ["c"]}`)
	checked := str(t, b.login(t, admin, "{}", nil), "token")
	for _, tc := range []struct {
		method, path, body string
		h                  headers
		statements         int
	}{
		{"HEAD", "/0.1/token/" + checked + "?scope=a", "", nil, 1},
		{"GET", "/0.1/token/" + checked, "", nil, 2},
		{"POST", "/0.1/token", "{}", headers{"Authorization": basic(admin, goodPassword)}, 5},
		{"DELETE", "/0.1/token/" + checked, "", nil, 4},
		{"GET", "/0.1/sessions", "", h, 4},
		{"GET", "/0.1/users/" + user, "", h, 3},
		{"GET", "/0.1/users?search=user&recurse=true&limit=100", "", h, 4},
		{"GET", "/0.1/users/" + user + "/policies", "", h, 4},
		{"GET", "/0.1/users/" + user + "/groups", "", h, 3},
		{"POST", "/0.1/users", fmt.Sprintf(`{"username": %q, "email_address": "x@example.org"}`, uuid.NewString()), h, 7},
		{"PUT", "/0.1/users/" + user, `{"username": "renamed"}`, h, 7},
		{"DELETE", "/0.1/users/" + user, "", h, 7},
		{"GET", "/0.1/groups?limit=100", "", h, 3},
		{"GET", "/0.1/groups/" + group + "/users", "", h, 4},
		{"GET", "/0.1/policies?limit=100", "", h, 4},
		{"GET", "/0.1/policies/" + policy, "", h, 3},
		{"POST", "/0.1/policies", `{"name": "one more", "acl": ["a", "d"]}`, h, 7},
		{"PUT", "/0.1/groups/" + group + "/policies/" + other, "", h, 7},
		{"GET", "/0.1/tenants?limit=100", "", h, 3},
		{"POST", "/0.1/tenants", `{"name": "one more"}`, h, 6},
	} {
		journal.Take()
		a := b.do(t, tc.method, tc.path, tc.body, tc.h)
		require.Less(t, a.status, 300, "%s: %s", tc.method, a.text) // the path may hold a token
		var names []string
		for _, sent := range journal.Take() {
			name, _, _ := strings.Cut(strings.TrimPrefix(sent.SQL, "-- name: "), " ")
			names = append(names, name)
		}
		require.Len(t, names, tc.statements, "%s: %v", tc.method, names)
	}
}
