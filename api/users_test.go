package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// estate is three tenants, one below the other, and an administrator of the middle one.
type estate struct {
	*bundle
	middle, below uuid.UUID
	admin         headers
	adminID       uuid.UUID
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{bundle: setup(t)}
	e.middle = factory.Tenant(t.Context(), t, e.pool, e.top)
	e.below = factory.Tenant(t.Context(), t, e.pool, e.middle)
	var login string
	e.adminID, login = e.user(t, e.middle, "#")
	e.admin = headers{"X-Auth-Token": str(t, e.login(t, login, "{}", nil), "token")}
	return e
}

// in is the administrator with a Wazo-Tenant header.
func (e *estate) in(tenant string) headers {
	return headers{"X-Auth-Token": e.admin["X-Auth-Token"], "Wazo-Tenant": tenant}
}

// create makes a user over the interface and gives the answer's object.
func (e *estate) create(t *testing.T, h headers, body string) map[string]any {
	t.Helper()
	a := e.do(t, "POST", "/0.1/users", body, h)
	require.Equal(t, 200, a.status, a.text)
	return a.body
}

// fault checks an answer of the modern shape.
func (a answer) fault(t *testing.T, status int, id, resource string, message, details any) {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	require.Equal(t, id, a.body["error_id"], a.text)
	require.Equal(t, message, a.body["message"], a.text)
	require.Equal(t, details, a.body["details"], a.text)
	if resource == "" {
		require.NotContains(t, a.body, "resource")
	} else {
		require.Equal(t, resource, a.body["resource"], a.text)
	}
	require.IsType(t, 0.0, a.body["timestamp"])
}

func unknownUser(t *testing.T, a answer, id string) {
	t.Helper()
	a.fault(t, 404, "unknown-user", "users", `No such user: "`+id+`"`, map[string]any{"uuid": id})
}

func object1(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	return m
}

func TestAUserIsCreatedReadReplacedAndDeleted(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	u := e.create(t, e.admin, `{"username": "alice", "firstname": "Al", "password": "`+goodPassword+`", "email_address": "Alice@Example.com", "tenant_uuid": "ignored"}`)
	id := str(t, u, "uuid")
	path := "/0.1/users/" + id
	emails, _ := u["emails"].([]any)
	require.Len(t, emails, 1)
	email, _ := emails[0].(map[string]any)
	require.Equal(t, map[string]any{"uuid": id, "username": "alice", "firstname": "Al", "lastname": nil, "purpose": "user", "enabled": true,
		"authentication_method": "default", "tenant_uuid": e.middle.String(),
		"emails": []any{map[string]any{"uuid": email["uuid"], "address": "Alice@Example.com", "main": true, "confirmed": true}}}, u)
	require.Equal(t, u, e.do(t, "GET", path, "", e.admin).body)
	require.Equal(t, u, e.do(t, "GET", "/0.1/users/"+strings.ToUpper(id), "", e.admin).body, "any case of the uuid")
	head := e.do(t, "HEAD", path, "", e.admin)
	require.Equal(t, 200, head.status)
	require.Empty(t, head.text)
	for _, login := range []string{"ALICE", "alice@example.com"} {
		e.login(t, login, "{}", nil)
	}

	require.Equal(t, e.below.String(), e.create(t, e.in(e.below.String()), "{}")["tenant_uuid"])
	bare := e.create(t, e.admin, "[]")
	require.Equal(t, []any{}, bare["emails"])
	own := e.create(t, e.admin, `{"uuid": "{0A0B0C0D-0000-4000-8000-00000000000A}", "purpose": "external_api", "enabled": "No", "password": null}`)
	require.Equal(t, "0a0b0c0d-0000-4000-8000-00000000000a", own["uuid"])
	require.Equal(t, "native", own["authentication_method"])
	require.Equal(t, false, own["enabled"])

	a := e.do(t, "PUT", path, `{"username": "foobaz", "purpose": "internal", "lastname": "", "password": "ignored", "email_address": 5}`, e.admin)
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, map[string]any{"uuid": id, "username": "foobaz", "firstname": nil, "lastname": "", "purpose": "internal", "enabled": true,
		"authentication_method": "native", "tenant_uuid": e.middle.String(), "emails": u["emails"]}, a.body)
	e.login(t, "FOOBAZ", "{}", nil)
	require.Equal(t, 401, e.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic("alice", goodPassword)}).status)
	a = e.do(t, "PUT", path, "{}", e.admin)
	require.Equal(t, []any{nil, "user", "default", true}, []any{a.body["username"], a.body["purpose"], a.body["authentication_method"], a.body["enabled"]})

	gone := e.do(t, "DELETE", path, "", e.admin)
	require.Equal(t, 204, gone.status)
	require.Equal(t, "application/json", gone.header.Get("Content-Type"))
	for _, method := range []string{"GET", "DELETE"} {
		unknownUser(t, e.do(t, method, path, "", e.admin), id)
	}
	unknownUser(t, e.do(t, "PUT", path, "{}", e.admin), id)
}

func TestFaultsOfAUserAreToldOneAtATimeInOrder(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	taken := e.create(t, e.admin, `{"username": "taken", "email_address": "taken@ex.com"}`)
	id := str(t, taken, "uuid")
	const length = `{"message": "Length must be between 1 and 256.", "constraint_id": "length", "constraint": {"min": 1, "max": 256}}`
	const notString = `{"message": "Not a valid string.", "constraint_id": "type", "constraint": "string"}`
	const null = `{"message": "Field may not be null.", "constraint_id": "not_null", "constraint": "not_null"}`
	const purpose = `{"message": "Must be one of: user, internal, external_api.", "constraint_id": "enum", "constraint": {"choices": ["user", "internal", "external_api"]}}`
	const boolean = `{"message": "Not a valid boolean.", "constraint_id": "type", "constraint": "boolean"}`
	const isUUID = `{"message": "Not a valid UUID.", "constraint_id": "type", "constraint": "uuid"}`
	const shorter = `{"message": "Shorter than minimum length 1.", "constraint_id": "length", "constraint": {"min": 1, "max": null}}`
	const email = `{"message": "Not a valid email address.", "constraint_id": "type", "constraint": "email"}`
	const nul = `{"message": "String does not match expected pattern.", "constraint_id": "regex", "constraint": "^[^\\x00]*$"}`
	longer := func(n int) string {
		return fmt.Sprintf(`{"message": "Longer than maximum length %d.", "constraint_id": "length", "constraint": {"min": null, "max": %d}}`, n, n)
	}
	for _, c := range []struct{ body, field, want string }{
		{`{"username": "", "firstname": 5}`, "username", length},
		{`{"username": "` + strings.Repeat("é", 257) + `"}`, "username", length},
		{`{"username": 5}`, "username", notString},
		{`{"username": "a\u0000"}`, "username", nul},
		{`{"firstname": false, "purpose": "x"}`, "firstname", notString},
		{`{"lastname": "` + strings.Repeat("x", 64<<10+1) + `"}`, "lastname", longer(64 << 10)},
		{`{"purpose": "x", "enabled": null}`, "purpose", purpose},
		{`{"purpose": null}`, "purpose", null},
		{`{"authentication_method": null, "enabled": null}`, "authentication_method", null},
		{`{"authentication_method": ["native"]}`, "authentication_method", notString},
		{`{"enabled": null, "uuid": "x"}`, "enabled", null},
		{`{"enabled": "maybe"}`, "enabled", boolean},
		{`{"uuid": "x", "password": ""}`, "uuid", isUUID},
		{`{"uuid": null}`, "uuid", null},
		{`{"password": "", "email_address": "x"}`, "password", shorter},
		{`{"password": "` + strings.Repeat("x", 4097) + `"}`, "password", longer(4096)},
		{`{"email_address": "a@b"}`, "email_address", email},
		{`{"email_address": 5}`, "email_address", email},
		{`{"email_address": "` + strings.Repeat("x", 1020) + `@b.co"}`, "email_address", longer(1024)},
		{`[1]`, "_schema", `{"message": "Invalid input type."}`},
	} {
		want := object1(t, c.want)
		a := e.do(t, "POST", "/0.1/users", c.body, e.admin)
		a.fault(t, 400, "invalid-data", "users", want["message"], map[string]any{c.field: want})
		if c.field != "uuid" && c.field != "password" && c.field != "email_address" {
			a = e.do(t, "PUT", "/0.1/users/"+uuid.NewString(), c.body, e.admin)
			a.fault(t, 400, "invalid-data", "users", want["message"], map[string]any{c.field: want})
		}
	}
	for _, method := range []string{"POST", "PUT"} {
		path := "/0.1/users"
		if method == "PUT" {
			path += "/" + uuid.NewString()
		}
		for _, body := range []string{"", "{", `{"a": 1} x`} {
			a := e.do(t, method, path, body, e.admin)
			require.Equal(t, 400, a.status)
			require.Equal(t, map[string]any{"message": "The browser (or proxy) sent a request that this server could not understand."}, a.body)
		}
		for _, m := range []string{"zz", "", "LDAP"} {
			e.do(t, method, path, `{"username": "TAKEN", "authentication_method": "`+m+`"}`, e.admin).
				fault(t, 400, "invalid-data", "users", "Invalid authentication method "+m, map[string]any{"authentication_method": m})
		}
		e.do(t, method, path, "{", e.in(e.top.String())).fault(t, 401, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": e.top.String()})
	}
	conflict := func(a answer, field, message string) {
		t.Helper()
		a.fault(t, 409, "conflict", "users", "Conflict detected", map[string]any{field: map[string]any{"constraint_id": "unique", "message": message}})
	}
	conflict(e.do(t, "POST", "/0.1/users", `{"username": "TAKEN", "email_address": "taken@ex.com", "uuid": "`+id+`"}`, e.admin), "username", `The login "TAKEN" is already used`)
	conflict(e.do(t, "POST", "/0.1/users", `{"email_address": "Taken@ex.com", "uuid": "`+id+`"}`, e.admin), "email_address", `The login "Taken@ex.com" is already used`)
	conflict(e.do(t, "POST", "/0.1/users", `{"uuid": "`+strings.ToUpper(id)+`"}`, e.admin), "uuid", `The uuid "`+id+`" is already used`)
	other := str(t, e.create(t, e.in(e.below.String()), "{}"), "uuid")
	conflict(e.do(t, "PUT", "/0.1/users/"+other, `{"username": "taken@EX.com"}`, e.admin), "username", `The login "taken@EX.com" is already used`)
	unknownUser(t, e.do(t, "PUT", "/0.1/users/"+e.adminID.String(), `{"username": "taken"}`, e.in(e.below.String())), e.adminID.String())
	require.Equal(t, 200, e.do(t, "PUT", "/0.1/users/"+id, `{"username": "Taken"}`, e.admin).status, "one's own in another case")
}

func TestUsersOfOtherTenantsAreNotThere(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	above, _ := e.user(t, e.top)
	below := str(t, e.create(t, e.in(e.below.String()), `{"username": "deep", "password": "s1"}`), "uuid")
	routes := []struct{ method, path, body string }{
		{"GET", "/0.1/users/%s", ""}, {"PUT", "/0.1/users/%s", "{}"}, {"DELETE", "/0.1/users/%s", ""},
		{"PUT", "/0.1/users/%s/password", `{"old_password": "s1", "new_password": "s2"}`},
		{"PUT", "/0.1/users/%s/emails", `{"emails": []}`}, {"PUT", "/0.1/admin/users/%s/emails", `{"emails": []}`},
		{"PUT", "/0.1/idp/ldap/users/%s", ""}, {"DELETE", "/0.1/idp/ldap/users/%s", ""},
	}
	for _, r := range routes {
		for _, id := range []string{above.String(), uuid.NewString()} {
			unknownUser(t, e.do(t, r.method, fmt.Sprintf(r.path, id), r.body, e.admin), id)
		}
		require.Equal(t, 404, e.do(t, r.method, fmt.Sprintf(r.path, "x"), r.body, e.admin).status, "no uuid, no route")
		a := e.do(t, r.method, fmt.Sprintf(r.path, below), r.body, nil)
		require.Equal(t, 401, a.status, a.text)
	}
	_, login := e.user(t, e.middle, "auth.users.read")
	weak := headers{"X-Auth-Token": str(t, e.login(t, login, "{}", nil), "token")}
	for _, r := range routes {
		a := e.do(t, r.method, fmt.Sprintf(r.path, below), r.body, weak)
		require.Equal(t, 401, a.status, a.text)
		details, _ := a.body["details"].(map[string]any)
		require.Equal(t, "missing_permission_or_invalid_tenant", details["reason"])
		require.Contains(t, details["required_access"], below)
	}
	var still int
	require.NoError(t, e.pool.QueryRow(t.Context(), "SELECT count(*) FROM users WHERE uuid = $1 AND password_hash = $2 AND authentication_method = 'default'", above, e.hash).Scan(&still))
	require.Equal(t, 1, still, "nothing was changed")
	for _, r := range []int{6, 7, 3, 4, 5, 1, 2} { // the same, where it is allowed
		a := e.do(t, routes[r].method, fmt.Sprintf(routes[r].path, strings.ToUpper(below)), routes[r].body, e.admin)
		require.Less(t, a.status, 300, a.text)
	}
	for _, path := range []string{"/0.1/users/" + below + "/password", "/0.1/users/" + below + "/emails"} {
		require.Equal(t, 405, e.do(t, "GET", path, "", nil).status)
	}
}

func TestListsOfUsersKnowTenantsFiltersAndBadParameters(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	bob := e.create(t, e.admin, `{"username": "bob", "firstname": "Robert", "lastname": "Jones", "email_address": "bob@ex.com"}`)
	carol := e.create(t, e.in(e.below.String()), `{"username": "carol", "lastname": "Jones", "purpose": "internal"}`)
	_, err := e.pool.Exec(t.Context(), `WITH g AS (INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES ($1, $1, 'team', 'team'))
		INSERT INTO user_groups (user_uuid, group_uuid) VALUES ($2, $1)`, e.middle, bob["uuid"])
	require.NoError(t, err)
	a := e.do(t, "GET", "/0.1/users?lastname=Jones", "", e.admin)
	require.Equal(t, map[string]any{"items": []any{bob}, "total": 2.0, "filtered": 1.0}, a.body)
	a = e.do(t, "GET", "/0.1/users?recurse=yes&search=jones&order=lastname&direction=desc&limit=1&offset=0", "", e.admin)
	require.Len(t, items(t, a), 1)
	require.Equal(t, []any{3.0, 2.0}, []any{a.body["total"], a.body["filtered"]})
	for query, want := range map[string][]any{
		"search=ROB": {bob}, "search=bob@": {bob}, "search=rob+jon": {}, "username=carol": {}, "recurse=true&username=carol": {carol}, "uuid=" + str(t, bob, "uuid"): {bob},
		"uuid=x": {}, "uuid=": {}, "purpose=internal&recurse=1": {carol}, "email_address=bob@ex.com": {bob}, "email_address=BOB@ex.com": {},
		"group_uuid=" + e.middle.String(): {bob}, "group_uuid=zz": {}, "username=bob&username=x&policy_uuid=&policy_slug=&has_policy_uuid=&has_policy_slug=": {bob},
		"username=bob&policy_uuid=zz": {}, "username=bob&has_policy_slug=zz": {}, "username=bob&enabled=false&tenant_uuid=x": {bob}, "limit=0": {}, "offset=9": {},
	} {
		a := e.do(t, "GET", "/0.1/users?"+query, "", e.admin)
		require.Equal(t, 200, a.status, query)
		require.Equal(t, want, a.body["items"], query)
	}
	group := "/0.1/groups/" + e.middle.String() + "/users"
	require.Equal(t, map[string]any{"items": []any{bob}, "total": 1.0, "filtered": 1.0}, e.do(t, "GET", group+"?order=username", "", headers{"X-Auth-Token": e.admin["X-Auth-Token"], "Wazo-Tenant": "nonsense"}).body)
	require.Equal(t, map[string]any{"items": []any{}, "total": 1.0, "filtered": 0.0}, e.do(t, "GET", group+"?search=nobody&group_uuid=x", "", e.admin).body)
	_, login := e.user(t, e.below, "#")
	foreign := headers{"X-Auth-Token": str(t, e.login(t, login, "{}", nil), "token")}
	for _, a := range []answer{e.do(t, "GET", "/0.1/groups/"+uuid.NewString()+"/users", "", e.admin), e.do(t, "GET", group, "", foreign)} {
		require.Equal(t, map[string]any{"items": []any{}, "total": 0.0, "filtered": 0.0}, a.body, "not there, or not to be seen")
	}
	for _, c := range []struct{ path, choices string }{{"/0.1/users", "username, firstname, lastname"}, {group, "username"}} {
		a := e.do(t, "GET", c.path+"?limit=x&order=nope&search=%00&username=%00", "", e.admin)
		message, _ := a.body["message"].(map[string]any)
		a.fault(t, 400, "invalid-list-param", "users", message, map[string]any{})
		require.Equal(t, object1(t, `{"message": "Not a valid integer.", "constraint_id": "type", "constraint": "integer"}`), message["limit"])
		order, _ := message["order"].([]any)
		require.Len(t, order, 1)
		first, _ := order[0].(map[string]any)
		require.Equal(t, "Must be one of: "+c.choices+".", first["message"])
		require.Contains(t, message, "search")
		require.Contains(t, message, "username")
	}
	e.do(t, "GET", "/0.1/users?limit=x", "", e.in("nonsense")).fault(t, 401, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": "nonsense"})
}

func TestDisablingAUserEndsSessionsAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	user, login := e.user(t, e.middle)
	data := e.login(t, login, `{"access_type": "offline", "client_id": "phone"}`, nil)
	path := "/0.1/users/" + user.String()
	require.Equal(t, 200, e.do(t, "PUT", path, `{"username": "`+login+`"}`, e.admin).status)
	require.Equal(t, 204, e.do(t, "HEAD", "/0.1/token/"+str(t, data, "token"), "", nil).status, "other edits end nothing")
	off := `{"username": "` + login + `", "enabled": false}`
	for range 2 {
		require.Equal(t, 200, e.do(t, "PUT", path, off, e.admin).status)
	}
	require.Equal(t, 404, e.do(t, "HEAD", "/0.1/token/"+str(t, data, "token"), "", nil).status)
	refresh := `{"refresh_token": "` + str(t, data, "refresh_token") + `", "client_id": "phone"}`
	for _, h := range []headers{{"Authorization": basic(login, goodPassword)}, nil} {
		body := "{}"
		if h == nil {
			body = refresh
		}
		require.Equal(t, 401, e.do(t, "POST", "/0.1/token", body, h).status)
	}
	a := e.do(t, "PUT", path+"/password", `{"old_password": "`+goodPassword+`", "new_password": "x"}`, e.admin)
	require.Equal(t, 401, a.status)
	require.Equal(t, "Authentication Failed", reason(a))
	require.Equal(t, 200, e.do(t, "PUT", path, `{"username": "`+login+`"}`, e.admin).status)
	require.Equal(t, 200, e.do(t, "POST", "/0.1/token", refresh, nil).status, "refresh tokens work again")

	var reasons []string
	require.NoError(t, e.pool.QueryRow(t.Context(), "SELECT array_agg(reason) FROM lifetime_due WHERE wanted = 'end'").Scan(&reasons))
	require.Subset(t, []string{"user disabled"}, reasons)
}

func TestAUserMayDeleteItself(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	require.Equal(t, 204, e.do(t, "DELETE", "/0.1/users/"+e.adminID.String(), "", e.admin).status)
	require.Equal(t, 401, e.do(t, "GET", "/0.1/users", "", e.admin).status, "the token went too")
}

func TestThePasswordIsChangedInTheOrderOfTheContract(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	u := e.create(t, e.admin, `{"username": "alice", "password": "s1"}`)
	path := "/0.1/users/" + str(t, u, "uuid") + "/password"
	unknown := "/0.1/users/" + uuid.NewString() + "/password"
	required := object1(t, `{"message": "Missing data for required field.", "constraint_id": "required", "constraint": "required"}`)
	shorter := object1(t, `{"message": "Shorter than minimum length 1.", "constraint_id": "length", "constraint": {"min": 1, "max": null}}`)
	null := object1(t, `{"message": "Field may not be null.", "constraint_id": "not_null", "constraint": "not_null"}`)
	for _, c := range []struct {
		body, field string
		want        map[string]any
	}{
		{`{}`, "old_password", required}, {`{"old_password": "", "new_password": ""}`, "old_password", shorter}, {`{"old_password": "x"}`, "new_password", required},
		{`{"old_password": "x", "new_password": ""}`, "new_password", shorter}, {`{"old_password": null}`, "old_password", null},
	} {
		e.do(t, "PUT", unknown, c.body, e.admin).fault(t, 400, "invalid-data", "users", c.want["message"], map[string]any{c.field: c.want})
	}
	require.Equal(t, 400, e.do(t, "PUT", unknown, "", e.admin).status)
	require.Equal(t, 404, e.do(t, "PUT", unknown, `{"old_password": "x", "new_password": "y"}`, e.admin).status)
	for _, old := range []string{"wrong", "S1", strings.Repeat("x", 5000)} {
		a := e.do(t, "PUT", path, `{"old_password": "`+old+`", "new_password": "y"}`, e.admin)
		require.Equal(t, 401, a.status)
		require.Equal(t, "Authentication Failed", reason(a))
	}
	a := e.do(t, "PUT", path, `{"old_password": "s1", "new_password": "pässwörd"}`, headers{"X-Auth-Token": e.admin["X-Auth-Token"], "Wazo-Tenant": "nonsense"})
	require.Equal(t, 204, a.status, a.text)
	require.Equal(t, 200, e.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic("alice", "pässwörd")}).status)
	require.Equal(t, 401, e.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic("alice", "s1")}).status)
	require.Equal(t, 204, e.do(t, "PUT", "/0.1/idp/saml/users/"+str(t, u, "uuid"), "", e.admin).status)
	id := str(t, u, "uuid")
	e.do(t, "PUT", path, `{"old_password": "pässwörd", "new_password": "y"}`, e.admin).fault(t, 405, "password-managed-externally", "users",
		`Unable to update externally managed password for user : "`+id+`"`, map[string]any{"uuid": id})
	require.NotContains(t, e.log.String(), "pässwörd")

	service := uuid.NewString() // a token of nobody reaches what its access says
	_, login := e.user(t, e.top, "auth.users."+id+".password.update")
	serviceToken := headers{"X-Auth-Token": str(t, e.login(t, login, "{}", nil), "token")}
	_, err := e.pool.Exec(t.Context(), "UPDATE tokens SET user_uuid = NULL, kind = 'mail_reset', auth_id = $1 WHERE user_uuid = (SELECT uuid FROM users WHERE username = $2)", service, login)
	require.NoError(t, err)
	require.Equal(t, 401, e.do(t, "PUT", path, `{"old_password": "x", "new_password": "y"}`, serviceToken).status)
	require.Equal(t, 405, e.do(t, "PUT", path, `{"old_password": "pässwörd", "new_password": "y"}`, serviceToken).status)
}

func TestAddressesAreReplacedAsAList(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	u := e.create(t, e.admin, `{"username": "alice", "email_address": "one@ex.com"}`)
	e.create(t, e.in(e.below.String()), `{"username": "taken@ex.com"}`)
	id := str(t, u, "uuid")
	one, _ := u["emails"].([]any)[0].(map[string]any) //nolint:forcetypeassert // a test
	put := func(prefix, body string) (answer, []any) {
		t.Helper()
		a := e.do(t, "PUT", prefix+"/users/"+id+"/emails", body, e.admin)
		var list []any
		_ = json.Unmarshal([]byte(a.text), &list)
		return a, list
	}
	a, list := put("/0.1", `{"emails": [{"address": "two@ex.com", "confirmed": "whatever"}, {"address": "one@ex.com", "main": "true", "confirmed": false}]}`)
	require.Equal(t, 200, a.status, a.text)
	two, _ := list[0].(map[string]any)
	require.Equal(t, map[string]any{"uuid": two["uuid"], "address": "two@ex.com", "main": false, "confirmed": false}, two)
	require.Equal(t, map[string]any{"uuid": one["uuid"], "address": "one@ex.com", "main": true, "confirmed": true}, list[1])
	_, list = put("/0.1/admin", `{"emails": [{"address": "one@ex.com", "confirmed": null}, {"address": "two@ex.com", "main": true, "confirmed": true}, {"address": "three@ex.com"}]}`)
	require.Len(t, list, 3)
	require.Equal(t, map[string]any{"uuid": one["uuid"], "address": "one@ex.com", "main": false, "confirmed": true}, list[0])
	require.Equal(t, map[string]any{"uuid": two["uuid"], "address": "two@ex.com", "main": true, "confirmed": true}, list[1])
	three, _ := list[2].(map[string]any)
	require.Equal(t, false, three["confirmed"])

	const required = `{"message": "Missing data for required field.", "constraint_id": "required", "constraint": "required"}`
	const syntax = `[{"message": "Not a valid email address.", "constraint_id": "type", "constraint": "email"}]`
	const email = `{"message": "Not a valid email address.", "constraint_id": "type", "constraint": "email"}`
	const boolean = `{"message": "Not a valid boolean.", "constraint_id": "type", "constraint": "boolean"}`
	const null = `{"message": "Field may not be null.", "constraint_id": "not_null", "constraint": "not_null"}`
	for body, want := range map[string]string{
		`{}`:                                `{"emails": ` + required + `}`,
		`[1]`:                               `{"_schema": ["Invalid input type."]}`,
		`{"emails": null}`:                  `{"emails": ` + null + `}`,
		`{"emails": "x"}`:                   `{"emails": {"message": "Invalid type.", "constraint_id": "type", "constraint": "dict"}}`,
		`{"emails": [5, {"address": "x"}]}`: `{"emails": {"0": {"_schema": ["Invalid input type."]}, "1": {"address": ` + syntax + `}}}`,
		`{"emails": [{"main": null, "confirmed": "x"}]}`:                                             `{"emails": {"0": {"address": ` + required + `, "main": ` + null + `, "confirmed": ` + boolean + `}}}`,
		`{"emails": [{"address": 5, "main": "x"}]}`:                                                  `{"emails": {"0": {"address": ` + email + `, "main": ` + boolean + `}}}`,
		`{"emails": [{"address": "a@ex.com"}]}`:                                                      `{"_schema": ["At least one address should be main"]}`,
		`{"emails": [{"address": "a@ex.com", "main": true}, {"address": "a@ex.com", "main": true}]}`: `{"_schema": ["The same address can only be used once", "Only one address should be main"]}`,
	} {
		a, _ := put("/0.1/admin", body)
		a.fault(t, 400, "invalid-data", "emails", object1(t, want), map[string]any{})
	}
	require.Equal(t, 400, e.do(t, "PUT", "/0.1/users/"+uuid.NewString()+"/emails", "{", e.admin).status)
	conflict := func(id, body, message string) {
		t.Helper()
		e.do(t, "PUT", "/0.1/users/"+id+"/emails", body, e.admin).fault(t, 409, "conflict", "users", "Conflict detected",
			map[string]any{"email_address": map[string]any{"constraint_id": "unique", "message": message}})
	}
	conflict(uuid.NewString(), `{"emails": [{"address": "x@ex.com", "main": true}, {"address": "TAKEN@ex.com"}]}`, `The login "TAKEN@ex.com" is already used`)
	conflict(id, `{"emails": [{"address": "x@ex.com", "main": true}, {"address": "X@ex.com"}]}`, `The email_address "None" is already used`)
	unknownUser(t, e.do(t, "PUT", "/0.1/users/00000000-0000-0000-0000-000000000000/emails", `{"emails": []}`, e.admin), "00000000-0000-0000-0000-000000000000")
	require.Len(t, e.do(t, "GET", "/0.1/users/"+id, "", e.admin).body["emails"], 3, "nothing was changed")
	a, _ = put("/0.1", `{"emails": []}`)
	require.Equal(t, "[]\n", a.text)
}

func TestMethodsOfUsersAreSetAndUnset(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	a := e.do(t, "GET", "/0.1/idp", "", e.in("nonsense"))
	require.Equal(t, map[string]any{"total": 4.0, "filtered": 4.0, "items": []any{"native", "default", "ldap", "saml"}}, a.body)
	first, second := str(t, e.create(t, e.admin, "{}"), "uuid"), str(t, e.create(t, e.in(e.below.String()), "{}"), "uuid")
	above, _ := e.user(t, e.top)
	method := func(id string) string {
		t.Helper()
		return str(t, e.do(t, "GET", "/0.1/users/"+id, "", e.admin).body, "authentication_method")
	}
	for range 2 {
		require.Equal(t, 204, e.do(t, "PUT", "/0.1/idp/ldap/users/"+first, "", e.admin).status)
	}
	require.Equal(t, 204, e.do(t, "DELETE", "/0.1/idp/saml/users/"+first, "", e.admin).status)
	require.Equal(t, "ldap", method(first))
	require.Equal(t, 204, e.do(t, "DELETE", "/0.1/idp/ldap/users/"+first, "", e.admin).status)
	require.Equal(t, "default", method(first))

	list := func(ids ...string) string {
		return `{"users": [{"uuid": "` + strings.Join(ids, `", "extra": 1}, {"uuid": "`) + `"}]}`
	}
	require.Equal(t, 204, e.do(t, "PUT", "/0.1/idp/native/users", list(first, strings.ToUpper(second)), e.admin).status)
	require.Equal(t, "native", method(second))
	require.Equal(t, 204, e.do(t, "PUT", "/0.1/idp/ldap/users", `{"users": []}`, e.admin).status)
	unknownUser(t, e.do(t, "PUT", "/0.1/idp/ldap/users", list(first, above.String(), second), e.admin), above.String())
	require.Equal(t, "native", method(first), "all of them or none")

	for _, r := range []struct{ method, path string }{{"PUT", "/users"}, {"PUT", "/users/" + first}, {"DELETE", "/users/" + first}} {
		for _, name := range []string{"zz", "LDAP"} {
			e.do(t, r.method, "/0.1/idp/"+name+r.path, "{", e.in("nonsense")).fault(t, 404, "unknown-idp-type", "idp", `No such IDP type: "`+name+`"`, map[string]any{"idp_type": name})
		}
		e.do(t, r.method, "/0.1/idp/ldap"+r.path, "{", e.in("nonsense")).fault(t, 401, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": "nonsense"})
	}
	require.Equal(t, 400, e.do(t, "PUT", "/0.1/idp/ldap/users", "{", e.admin).status)
	for body, want := range map[string]string{
		`{"users": [5]}`: `{"users": {"0": {"_schema": ["Invalid input type."]}}}`,
		`{"users": [{}, {"uuid": "x"}]}`: `{"users": {"0": {"uuid": {"message": "Missing data for required field.", "constraint_id": "required", "constraint": "required"}},
			"1": {"uuid": {"message": "Not a valid UUID.", "constraint_id": "type", "constraint": "uuid"}}}}`,
		`{}`: `{"users": {"message": "Missing data for required field.", "constraint_id": "required", "constraint": "required"}}`,
	} {
		e.do(t, "PUT", "/0.1/idp/ldap/users", body, e.admin).fault(t, 400, "invalid-list-param", "users", object1(t, want), map[string]any{})
	}
	require.Equal(t, http.StatusMethodNotAllowed, e.do(t, "GET", "/0.1/idp/ldap/users", "", nil).status)
}
