package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// groupBundle is an administrator of a tenant with a parent, a child and a sibling, and a user and a group in each.
type groupBundle struct {
	*bundle
	own, child, sibling                uuid.UUID
	member, childUser, siblingUser     string
	group, childGroup, siblingGroup    string
	topGroup, allUsers, foreign, admin string
	h, inChild, inSibling              headers
}

func groupsBundle(t *testing.T) *groupBundle {
	t.Helper()
	b := &groupBundle{bundle: setup(t)}
	tenant := func(parent uuid.UUID) uuid.UUID { return factory.Tenant(t.Context(), t, b.pool, parent) }
	b.own, b.sibling = tenant(b.top), tenant(b.top)
	b.child = tenant(b.own)
	group := func(tenant uuid.UUID, name string, managed bool) string {
		id := uuid.New()
		_, err := b.pool.Exec(t.Context(), "INSERT INTO groups (uuid, tenant_uuid, name, slug, system_managed) VALUES ($1, $2, $3, $3, $4)", id, tenant, name, managed)
		require.NoError(t, err)
		return id.String()
	}
	user := func(tenant uuid.UUID) string {
		id, _ := b.user(t, tenant)
		return id.String()
	}
	b.member, b.childUser, b.siblingUser = user(b.own), user(b.child), user(b.sibling)
	b.group, b.childGroup, b.siblingGroup = group(b.own, "group", false), group(b.child, "child", false), group(b.sibling, "sibling", false)
	b.topGroup, b.allUsers, b.foreign = group(b.top, "top", false), group(b.own, "everybody", true), group(b.child, "everybody", true)
	id, login := b.user(t, b.own, "auth.#")
	b.admin = id.String()
	secret := str(t, b.login(t, login, "{}", nil), "token")
	b.h = headers{"X-Auth-Token": secret}
	b.inChild = headers{"X-Auth-Token": secret, "Wazo-Tenant": b.child.String()}
	b.inSibling = headers{"X-Auth-Token": secret, "Wazo-Tenant": b.sibling.String()}
	return b
}

// refusedGroup is what the modern errors of this resource look like.
func refusedGroup(t *testing.T, a answer, status int, id, resource, message string, details map[string]any) {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	require.IsType(t, 0.0, a.body["timestamp"])
	delete(a.body, "timestamp")
	want := map[string]any{"error_id": id, "message": message, "details": details}
	if resource != "" {
		want["resource"] = resource
	}
	require.Equal(t, want, a.body)
}

func noGroup(t *testing.T, a answer, id string) {
	t.Helper()
	refusedGroup(t, a, 404, "unknown-group", "groups", `No such group: "`+id+`"`, map[string]any{"uuid": id})
}

func noUser(t *testing.T, a answer, id string) {
	t.Helper()
	refusedGroup(t, a, 404, "unknown-user", "users", `No such user: "`+id+`"`, map[string]any{"uuid": id})
}

func forbiddenGroup(t *testing.T, a answer, id string) {
	t.Helper()
	refusedGroup(t, a, 403, "forbidden-group", "groups", `Forbidden group modification: "`+id+`"`, map[string]any{"uuid": id})
}

func (b *groupBundle) foreignTenant(t *testing.T, a answer) {
	t.Helper()
	refusedGroup(t, a, 401, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": b.sibling.String()})
}

func TestGroupsAreMadeReadRenamedAndDeleted(t *testing.T) {
	t.Parallel()
	b := groupsBundle(t)
	made := b.do(t, "POST", "/0.1/groups", `{"name": "My admins", "uuid": "x", "system_managed": true, "read_only": true, "tenant_uuid": "`+b.top.String()+`"}`, b.h)
	require.Equal(t, 200, made.status, made.text)
	id := str(t, made.body, "uuid")
	want := map[string]any{"uuid": id, "tenant_uuid": b.own.String(), "name": "My admins", "slug": "Myadmins", "read_only": false, "system_managed": false}
	require.Equal(t, want, made.body, "what the server sets is ignored")
	require.Equal(t, want, b.do(t, "GET", "/0.1/groups/"+strings.ToUpper(id), "", b.h).body)
	require.Equal(t, 200, b.do(t, "HEAD", "/0.1/groups/"+id, "", b.h).status)

	want["name"] = "chiefs"
	body := strings.Replace(made.text, "My admins", "chiefs", 1)
	renamed := b.do(t, "PUT", "/0.1/groups/"+id, strings.Replace(body, "Myadmins", "not/a/slug", 1), b.h)
	require.Equal(t, 200, renamed.status, renamed.text)
	require.Equal(t, want, renamed.body, "whole objects are put back; the slug stays")
	require.Equal(t, want, b.do(t, "GET", "/0.1/groups/"+id, "", b.h).body)

	inChild := b.do(t, "POST", "/0.1/groups", `{"name": "chiefs", "slug": "Myadmins"}`, b.inChild)
	require.Equal(t, 200, inChild.status, "other tenants do not matter")
	require.Equal(t, b.child.String(), inChild.body["tenant_uuid"])
	require.Equal(t, inChild.body, b.do(t, "GET", "/0.1/groups/"+str(t, inChild.body, "uuid"), "", b.h).body, "seen from above")

	a := b.do(t, "DELETE", "/0.1/groups/"+id, "", b.h)
	require.Equal(t, 204, a.status)
	require.Empty(t, a.text)
	noGroup(t, b.do(t, "DELETE", "/0.1/groups/"+id, "", b.h), id)
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/groups/"+str(t, inChild.body, "uuid"), "", b.h).status, "deleted from above")

	var actions []string
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT array_agg(action ORDER BY id) FROM trail WHERE subject_uuid = $1 AND actor = $2 AND tenant_uuid = $3",
		id, b.admin, b.own).Scan(&actions))
	require.Equal(t, []string{"group created", "group updated", "group deleted"}, actions)
}

func TestBadBodiesOfGroups(t *testing.T) {
	t.Parallel()
	b := groupsBundle(t)
	long := map[string]any{"message": "Length must be between 1 and 128.", "constraint_id": "length", "constraint": map[string]any{"min": 1.0, "max": 128.0}}
	slugLength := map[string]any{"message": "Length must be between 1 and 80.", "constraint_id": "length", "constraint": map[string]any{"min": 1.0, "max": 80.0}}
	pattern := map[string]any{"message": "String does not match expected pattern.", "constraint_id": "regex", "constraint": "^[a-zA-Z0-9_-]+$"}
	notString := map[string]any{"message": "Not a valid string.", "constraint_id": "type", "constraint": "string"}
	required := map[string]any{"message": "Missing data for required field.", "constraint_id": "required", "constraint": "required"}
	for _, c := range []struct {
		body, field string
		failure     map[string]any
		creation    bool // of POST only
	}{
		{`{}`, "name", required, false},
		{`null`, "name", required, false},
		{`[]`, "name", required, false},
		{`{"name": null}`, "name", map[string]any{"message": "Field may not be null.", "constraint_id": "not_null", "constraint": "not_null"}, false},
		{`{"name": 1}`, "name", notString, false},
		{`{"name": true}`, "name", notString, false},
		{`{"name": ""}`, "name", long, false},
		{`{"name": "` + strings.Repeat("é", 129) + `"}`, "name", long, false},
		{`{"name": "a\u0000"}`, "name", map[string]any{"message": "String does not match expected pattern.", "constraint_id": "regex", "constraint": `^[^\x00]*$`}, false},
		{`[1]`, "_schema", map[string]any{"message": "Invalid input type."}, false},
		{`42`, "_schema", map[string]any{"message": "Invalid input type."}, false},
		{`"x"`, "_schema", map[string]any{"message": "Invalid input type."}, false},
		{`true`, "_schema", map[string]any{"message": "Invalid input type."}, false},
		{`{"name": 1, "slug": 1}`, "name", notString, true},
		{`{"name": "x", "slug": 1}`, "slug", notString, true},
		{`{"name": "x", "slug": ""}`, "slug", slugLength, true},
		{`{"name": "x", "slug": "` + strings.Repeat("é", 81) + `"}`, "slug", slugLength, true},
		{`{"name": "x", "slug": "a b"}`, "slug", pattern, true},
		{`{"name": "x", "slug": "a\n"}`, "slug", pattern, true},
		{`{"name": "x", "slug": "é"}`, "slug", pattern, true},
	} {
		message := str(t, c.failure, "message")
		refusedGroup(t, b.do(t, "POST", "/0.1/groups", c.body, b.inSibling), 400, "invalid-data", "groups", message, map[string]any{c.field: c.failure})
		if !c.creation {
			refusedGroup(t, b.do(t, "PUT", "/0.1/groups/"+b.allUsers, c.body, b.h), 400, "invalid-data", "groups", message, map[string]any{c.field: c.failure})
		}
	}
	unreadable := map[string]any{"message": "The browser (or proxy) sent a request that this server could not understand."}
	for _, body := range []string{"", "{", "{} {}"} {
		for _, a := range []answer{b.do(t, "POST", "/0.1/groups", body, b.inSibling), b.do(t, "PUT", "/0.1/groups/"+b.group, body, b.h)} {
			require.Equal(t, 400, a.status, body)
			require.Equal(t, unreadable, a.body)
		}
	}
	for _, body := range []string{`{"name": "` + strings.Repeat("é", 128) + `"}`, `{"name": " ", "slug": null}`, `{"name": "x", "slug": "` + strings.Repeat("-", 80) + `"}`} {
		require.Equal(t, 200, b.do(t, "POST", "/0.1/groups", body, b.h).status, body)
	}
}

func TestErrorsOfGroupsComeInTheirOrder(t *testing.T) {
	t.Parallel()
	b := groupsBundle(t)
	unknown := uuid.NewString()

	// POST: what is wrong with the body is tested with a foreign tenant above; then the tenant, then the conflict.
	b.foreignTenant(t, b.do(t, "POST", "/0.1/groups", `{"name": "group"}`, b.inSibling))
	for _, body := range []string{`{"name": "group"}`, `{"name": "other", "slug": "GROUP"}`} {
		a := b.do(t, "POST", "/0.1/groups", body, b.h)
		require.Equal(t, 409, a.status)
		require.Regexp(t, `^Group "(group|other)" already exists$`, reason(a))
		require.EqualValues(t, 409, a.body["status_code"])
	}

	b.foreignTenant(t, b.do(t, "GET", "/0.1/groups/"+b.group, "", b.inSibling))
	for _, id := range []string{unknown, b.siblingGroup, b.topGroup} {
		noGroup(t, b.do(t, "GET", "/0.1/groups/"+id, "", b.h), id)
		noGroup(t, b.do(t, "DELETE", "/0.1/groups/"+id, "", b.h), id)
		noGroup(t, b.do(t, "PUT", "/0.1/groups/"+id, "", b.h), id)
		noGroup(t, b.do(t, "PUT", "/0.1/groups/"+id, "{", b.h), id)
		noGroup(t, b.do(t, "PUT", "/0.1/groups/"+id, `{"name": ""}`, b.h), id)
		noGroup(t, b.do(t, "PUT", "/0.1/groups/"+id, `{"name": "everybody"}`, b.h), id)
	}
	noGroup(t, b.do(t, "GET", "/0.1/groups/"+b.group, "", b.inChild), b.group)
	require.Equal(t, 404, b.do(t, "GET", "/0.1/groups/"+strings.ReplaceAll(b.group, "-", ""), "", nil).status, "no uuid, no route")

	// PUT: tenant, group, body (above), system-managed, conflict.
	b.foreignTenant(t, b.do(t, "PUT", "/0.1/groups/"+unknown, "", b.inSibling))
	forbiddenGroup(t, b.do(t, "PUT", "/0.1/groups/"+b.allUsers, `{"name": "group"}`, b.h), b.allUsers)
	a := b.do(t, "PUT", "/0.1/groups/"+b.group, `{"name": "everybody"}`, b.h)
	require.Equal(t, 409, a.status)
	require.Equal(t, `Group "everybody" already exists`, reason(a))
	forbiddenGroup(t, b.do(t, "DELETE", "/0.1/groups/"+b.allUsers, "", b.h), b.allUsers)
	b.foreignTenant(t, b.do(t, "DELETE", "/0.1/groups/"+unknown, "", b.inSibling))

	// The flag is read at each request.
	for _, managed := range []bool{true, false} {
		_, err := b.pool.Exec(t.Context(), "UPDATE groups SET system_managed = $1 WHERE uuid = $2", managed, b.group)
		require.NoError(t, err)
		shown := b.do(t, "GET", "/0.1/groups/"+b.group, "", b.h).body
		require.Equal(t, managed, shown["read_only"])
		require.Equal(t, managed, shown["system_managed"])
		if managed {
			forbiddenGroup(t, b.do(t, "PUT", "/0.1/groups/"+b.group, `{"name": "group"}`, b.h), b.group)
			forbiddenGroup(t, b.do(t, "DELETE", "/0.1/groups/"+b.group, "", b.h), b.group)
		} else {
			require.Equal(t, 200, b.do(t, "PUT", "/0.1/groups/"+b.group, `{"name": "group"}`, b.h).status)
		}
	}
	var entries int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM trail WHERE action LIKE 'group %'").Scan(&entries))
	require.Equal(t, 1, entries, "what was refused changed nothing")
}

func TestMembersOfGroups(t *testing.T) {
	t.Parallel()
	b := groupsBundle(t)
	unknown := uuid.NewString()
	path := func(group, user string) string { return "/0.1/groups/" + group + "/users/" + user }
	members := func(group string) (n int) {
		t.Helper()
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM user_groups WHERE group_uuid = $1", group).Scan(&n))
		return n
	}
	for range 2 {
		require.Equal(t, 204, b.do(t, "PUT", path(b.group, b.member), "", b.h).status)
		require.Equal(t, 204, b.do(t, "PUT", path(b.childGroup, b.childUser), "", b.h).status, "of a tenant below")
	}
	require.Equal(t, []int{1, 1}, []int{members(b.group), members(b.childGroup)})

	// PUT: tenant, user, group, same tenant, system-managed.
	b.foreignTenant(t, b.do(t, "PUT", path(unknown, unknown), "", b.inSibling))
	for _, id := range []string{unknown, b.siblingUser} {
		noUser(t, b.do(t, "PUT", path(unknown, id), "", b.h), id)
	}
	noUser(t, b.do(t, "PUT", path(b.childGroup, b.member), "", b.inChild), b.member)
	for _, id := range []string{unknown, b.siblingGroup, b.topGroup} {
		noGroup(t, b.do(t, "PUT", path(id, b.member), "", b.h), id)
	}
	for _, id := range []string{b.childGroup, b.foreign} {
		refusedGroup(t, b.do(t, "PUT", path(id, b.member), "", b.h), 400, "missmatching-tenant", "groups", "Ressources are not in the same tenant",
			map[string]any{"user_tenant_uuid": b.own.String(), "group_tenant_uuid": b.child.String()})
	}
	forbiddenGroup(t, b.do(t, "PUT", path(b.allUsers, b.member), "", b.h), b.allUsers)

	// DELETE: tenant, group, system-managed, and a user who is nowhere.
	b.foreignTenant(t, b.do(t, "DELETE", path(b.group, b.member), "", b.inSibling))
	for _, id := range []string{unknown, b.siblingGroup, b.topGroup} {
		noGroup(t, b.do(t, "DELETE", path(id, unknown), "", b.h), id)
	}
	forbiddenGroup(t, b.do(t, "DELETE", path(b.allUsers, unknown), "", b.h), b.allUsers)
	noUser(t, b.do(t, "DELETE", path(b.group, unknown), "", b.h), unknown)
	require.Equal(t, 204, b.do(t, "DELETE", path(b.group, b.siblingUser), "", b.h).status, "out of sight, and no member")
	require.Equal(t, 1, members(b.group))
	for range 2 {
		require.Equal(t, 204, b.do(t, "DELETE", path(b.group, strings.ToUpper(b.member)), "", b.h).status)
	}
	require.Equal(t, []int{0, 1}, []int{members(b.group), members(b.childGroup)})
}

func TestGroupsAreListed(t *testing.T) {
	t.Parallel()
	b := groupsBundle(t)
	names := func(path string, h headers) (out []any) {
		t.Helper()
		for _, x := range items(t, b.do(t, "GET", path, "", h)) {
			out = append(out, x["name"])
		}
		return out
	}
	require.Equal(t, []any{"everybody", "group"}, names("/0.1/groups", b.h))
	require.Equal(t, []any{"child", "everybody", "everybody", "group"}, names("/0.1/groups?recurse=true", b.h))
	require.Equal(t, []any{"child", "everybody"}, names("/0.1/groups?tenant_uuid="+b.own.String(), b.inChild), "tenant_uuid is ignored")
	require.Equal(t, []any{"group"}, names("/0.1/groups?direction=desc&limit=1", b.h))
	require.Equal(t, []any{"everybody"}, names("/0.1/groups?read_only=True", b.h))
	require.Equal(t, []any{"group"}, names("/0.1/groups?policy_slug=&read_only=n", b.h), "an empty policy_slug is no filter")
	require.Equal(t, []any{"group"}, names("/0.1/groups?uuid="+b.group, b.h))
	require.Empty(t, names("/0.1/groups?uuid="+strings.ToUpper(b.group), b.h), "filters compare text")
	for _, filter := range []string{"uuid=x", "user_uuid=x", "policy_uuid=x", "policy_slug=x", "name=", "slug=", "name=GROUP", "search=zzz", "limit=0"} {
		require.Empty(t, names("/0.1/groups?"+filter, b.h), filter)
	}
	a := b.do(t, "GET", "/0.1/groups?recurse=true&search=ever", "", b.h)
	require.Len(t, items(t, a), 2)
	require.EqualValues(t, 4, a.body["total"])
	require.EqualValues(t, 2, a.body["filtered"])
	require.ElementsMatch(t, []string{"uuid", "tenant_uuid", "name", "slug", "read_only", "system_managed"}, keys(items(t, a)[0]))
	require.Len(t, names("/0.1/groups?order=uuid", b.h), 2)

	// Parameters before the tenant, the columns that cannot be sorted by after it.
	a = b.do(t, "GET", "/0.1/groups?limit=x&order=color&read_only=maybe", "", b.inSibling)
	require.Equal(t, 400, a.status)
	require.Equal(t, "invalid-list-param", a.body["error_id"])
	require.Equal(t, "users", a.body["resource"])
	require.Equal(t, map[string]any{
		"limit": map[string]any{"message": "Not a valid integer.", "constraint_id": "type", "constraint": "integer"},
		"order": []any{map[string]any{"message": "Must be one of: name, slug, uuid, read_only.", "constraint_id": "enum",
			"constraint": map[string]any{"choices": []any{"name", "slug", "uuid", "read_only"}}}},
		"read_only": map[string]any{"message": "Not a valid boolean.", "constraint_id": "type", "constraint": "boolean"},
	}, a.body["message"])
	for _, column := range []string{"slug", "read_only"} {
		b.foreignTenant(t, b.do(t, "GET", "/0.1/groups?order="+column, "", b.inSibling))
		a = b.do(t, "GET", "/0.1/groups?order="+column, "", b.h)
		require.Equal(t, 400, a.status)
		require.Equal(t, "Invalid sort column: "+column, reason(a))
	}
}

func TestGroupsOfAUserAreListed(t *testing.T) {
	t.Parallel()
	b := groupsBundle(t)
	path, unknown := "/0.1/users/"+b.member+"/groups", uuid.NewString()
	require.Equal(t, 204, b.do(t, "PUT", "/0.1/groups/"+b.group+"/users/"+b.member, "", b.h).status)
	_, err := b.pool.Exec(t.Context(), "INSERT INTO user_groups (user_uuid, group_uuid) VALUES ($1, $2)", b.member, b.allUsers)
	require.NoError(t, err)
	a := b.do(t, "GET", path+"?recurse=true&search=GRO&user_uuid="+unknown, "", b.h)
	require.Equal(t, []map[string]any{{"uuid": b.group, "tenant_uuid": b.own.String(), "name": "group", "slug": "group", "read_only": false, "system_managed": false}}, items(t, a))
	require.EqualValues(t, 2, a.body["total"])
	require.EqualValues(t, 1, a.body["filtered"])
	require.Equal(t, true, items(t, b.do(t, "GET", path, "", b.h))[0]["system_managed"], "the group of all users too")
	require.Len(t, items(t, b.do(t, "GET", path+"?order=uuid&direction=desc&limit=5", "", b.h)), 2)
	require.Empty(t, items(t, b.do(t, "GET", path+"?uuid=x", "", b.h)))
	require.Len(t, items(t, b.do(t, "GET", path+"?name=group", "", b.h)), 1)
	require.Empty(t, items(t, b.do(t, "GET", "/0.1/users/"+b.childUser+"/groups", "", b.h)), "of none")

	b.foreignTenant(t, b.do(t, "GET", path+"?limit=x", "", b.inSibling))
	for _, id := range []string{unknown, b.siblingUser} {
		noUser(t, b.do(t, "GET", "/0.1/users/"+id+"/groups?limit=x", "", b.h), id)
	}
	noUser(t, b.do(t, "GET", path, "", b.inChild), b.member)
	a = b.do(t, "GET", path+"?order=slug&limit=-1", "", b.h)
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Equal(t, "invalid-list-param", a.body["error_id"])
	message, _ := a.body["message"].(map[string]any)
	require.ElementsMatch(t, []string{"order", "limit"}, keys(message))
}
