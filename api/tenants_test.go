package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// branch is a tenant with a child, a sibling, and the token of an administrator of the tenant.
type branch struct {
	*bundle
	tenant, child, sibling uuid.UUID
	h                      headers
}

func newBranch(t *testing.T) *branch {
	t.Helper()
	b := &branch{bundle: setup(t)}
	b.tenant = factory.Tenant(t.Context(), t, b.pool, b.top)
	b.child = factory.Tenant(t.Context(), t, b.pool, b.tenant)
	b.sibling = factory.Tenant(t.Context(), t, b.pool, b.top)
	b.h = b.admin(t, b.tenant)
	return b
}

// admin logs an administrator of a tenant in.
func (b *bundle) admin(t *testing.T, tenant uuid.UUID) headers {
	t.Helper()
	_, login := b.user(t, tenant, "#")
	return headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}
}

// detail follows names into the details of an answer.
func detail(t *testing.T, a answer, names ...string) map[string]any {
	t.Helper()
	m, _ := a.body["details"].(map[string]any)
	for _, n := range names {
		m, _ = m[n].(map[string]any)
	}
	require.NotNil(t, m, "%v in %s", names, a.text)
	return m
}

func TestATenantIsMadeShownAndReplaced(t *testing.T) {
	t.Parallel()
	b := newBranch(t)
	contact, _ := b.user(t, b.sibling)
	a := b.do(t, "POST", "/0.1/tenants", `{"name": "My Tenant", "slug": "mine", "contact": "`+strings.ToUpper(contact.String())+`", "phone": "5", "domain_names": ["wazo.io", "wazo.io"],
		"address": {"city": "Québec", "unknown": 1}, "default_authentication_method": "ldap", "parent_uuid": 1, "unknown": 1}`, b.h)
	require.Equal(t, http.StatusOK, a.status, a.text)
	id := str(t, a.body, "uuid")
	require.Equal(t, map[string]any{"uuid": id, "parent_uuid": b.tenant.String(), "name": "My Tenant", "slug": "mine", "contact": contact.String(), "phone": "5",
		"default_authentication_method": "ldap", "domain_names": []any{"wazo.io"},
		"address": map[string]any{"line_1": nil, "line_2": nil, "city": "Québec", "state": nil, "country": nil, "zip_code": nil}}, a.body)
	require.Equal(t, a.body, b.do(t, "GET", "/0.1/tenants/"+strings.ToUpper(id), "", b.h).body)
	domains := items(t, b.do(t, "GET", "/0.1/tenants/"+id+"/domains", "", b.h))
	require.Len(t, domains, 1)
	require.Equal(t, "wazo.io", domains[0]["name"])

	changed := b.do(t, "PUT", "/0.1/tenants/"+id, `{"name": "New", "slug": 5, "parent_uuid": 5, "uuid": null, "domain_names": ["b.io", "wazo.io"]}`, b.h)
	require.Equal(t, http.StatusOK, changed.status, changed.text)
	require.Equal(t, map[string]any{"uuid": id, "parent_uuid": b.tenant.String(), "name": "New", "slug": "mine", "contact": nil, "phone": nil,
		"default_authentication_method": "native", "domain_names": []any{"b.io", "wazo.io"},
		"address": map[string]any{"line_1": nil, "line_2": nil, "city": nil, "state": nil, "country": nil, "zip_code": nil}}, changed.body)
	require.Equal(t, changed.body, b.do(t, "GET", "/0.1/tenants/"+id, "", b.h).body)
	require.Contains(t, items(t, b.do(t, "GET", "/0.1/tenants/"+id+"/domains", "", b.h)), domains[0], "its uuid is kept")
	require.Equal(t, 200, b.do(t, "PUT", "/0.1/tenants/"+b.tenant.String(), `{}`, b.h).status, "one's own tenant")

	nameless := b.do(t, "POST", "/0.1/tenants", "null", b.h)
	require.Equal(t, 200, nameless.status)
	require.Nil(t, nameless.body["name"])
	require.Regexp(t, "^[a-z0-9]{3}$", nameless.body["slug"])
	loose := uuid.NewString()
	a = b.do(t, "POST", "/0.1/tenants", `{"uuid": "urn:uuid:{`+strings.ReplaceAll(loose, "-", "")+`}", "address": []}`, b.h)
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, loose, a.body["uuid"])
}

func TestFieldsOfTenantsAreCheckedInTheirOrder(t *testing.T) {
	t.Parallel()
	b := newBranch(t)
	const length128, domain = "Length must be between 1 and 128.", "String does not match expected pattern."
	for _, c := range []struct {
		body, message, constraint string
		path                      []string
	}{
		{`{"uuid": 1, "name": 1}`, "Not a valid UUID.", "type", []string{"uuid"}},
		{`{"slug": "é", "name": ""}`, length128, "length", []string{"name"}},
		{`{"name": 5}`, "Not a valid string.", "type", []string{"name"}},
		{`{"slug": "a-b"}`, domain, "regex", []string{"slug"}},
		{`{"slug": "ab\n"}`, domain, "regex", []string{"slug"}},
		{`{"slug": "a-bbbbbbbbb"}`, "Length must be between 1 and 10.", "length", []string{"slug"}},
		{`{"contact": "x", "phone": 1}`, "Not a valid UUID.", "type", []string{"contact"}},
		{`{"phone": ""}`, "Length must be between 1 and 32.", "length", []string{"phone"}},
		{`{"domain_names": null}`, "Field may not be null.", "not_null", []string{"domain_names"}},
		{`{"domain_names": "a.io"}`, "Not a valid list.", "type", []string{"domain_names"}},
		{`{"domain_names": ["a.io", "wazo", 1], "default_authentication_method": 1}`, domain, "regex", []string{"domain_names", "1"}},
		{`{"domain_names": [null]}`, "Field may not be null.", "not_null", []string{"domain_names", "0"}},
		{`{"domain_names": [1]}`, "Not a valid string.", "type", []string{"domain_names", "0"}},
		{`{"address": null}`, "Field may not be null.", "not_null", []string{"address"}},
		{`{"address": {"state": "", "zip_code": 1}}`, length128, "length", []string{"address", "state"}},
		{`{"address": {"zip_code": "` + strings.Repeat("1", 17) + `"}}`, "Length must be between 1 and 16.", "length", []string{"address", "zip_code"}},
		{`{"address": {"line_1": 1}}`, "Not a valid string.", "type", []string{"address", "line_1"}},
		{`{"address": "x"}`, "Invalid input type.", "", []string{"address", "_schema"}},
		{`[1]`, "Invalid input type.", "", []string{"_schema"}},
		{`"x"`, "Invalid input type.", "", []string{"_schema"}},
	} {
		for _, method := range []string{"POST", "PUT"} {
			path := "/0.1/tenants"
			if method == "PUT" {
				if c.path[0] == "slug" {
					continue // not looked at
				}
				path += "/" + uuid.NewString() // the body comes before the tenant
			}
			a := b.do(t, method, path, c.body, b.h)
			require.Equal(t, 400, a.status, c.body)
			require.Equal(t, "invalid-data", a.body["error_id"], c.body)
			require.Equal(t, "tenants", a.body["resource"])
			require.Equal(t, c.message, a.body["message"], c.body)
			e := detail(t, a, c.path...)
			require.Equal(t, c.message, e["message"], c.body)
			if c.constraint == "" {
				require.NotContains(t, e, "constraint_id")
			} else {
				require.Equal(t, c.constraint, e["constraint_id"], c.body)
			}
			require.Len(t, a.body["details"], 1)
		}
	}
	a := b.do(t, "POST", "/0.1/tenants", `{"domain_names": ["wazo"]}`, b.h)
	require.Equal(t, `^(?=.{1,253}\.?$)(?:(?!(-|_)|[^.]+_)[A-Za-z0-9-_]{1,}(?<!-)(?:\.|$)){2,63}$`, detail(t, a, "domain_names", "0")["constraint"])
	for body, message := range map[string]string{`"nope"`: "nope", `null`: "None", `true`: "True", `1`: "1", `""`: "", `["native"]`: "[native]"} {
		a := b.do(t, "PUT", "/0.1/tenants/"+uuid.NewString(), `{"default_authentication_method": `+body+`}`, b.h)
		require.Equal(t, 400, a.status, body)
		require.Equal(t, "Invalid default authentication method "+message, a.body["message"])
		require.Contains(t, a.body["details"], "default_authentication_method")
		require.Equal(t, "tenants", a.body["resource"])
	}
	for _, body := range []string{"", "{", "{} {}"} {
		a := b.do(t, "POST", "/0.1/tenants", body, b.h)
		require.Equal(t, 400, a.status)
		require.Equal(t, map[string]any{"message": errMalformedBody.message}, a.body)
	}
}

// TestRefusedTenantsInTheirOrder has one body whose faults are taken away one by one.
func TestRefusedTenantsInTheirOrder(t *testing.T) {
	t.Parallel()
	b := newBranch(t)
	first := b.do(t, "POST", "/0.1/tenants", `{"slug": "taken", "domain_names": ["a.io"]}`, b.admin(t, b.sibling))
	require.Equal(t, 200, first.status, first.text)
	contact := uuid.NewString()
	body := func(id, slug, contact string) string {
		return `{"uuid": "` + id + `", "slug": "` + slug + `", "contact": ` + contact + `, "domain_names": ["b.io", "a.io", "b.io"]}`
	}
	quoted := `"` + contact + `"`
	outside := headers{"X-Auth-Token": b.h["X-Auth-Token"], "Wazo-Tenant": b.sibling.String()}
	a := b.do(t, "POST", "/0.1/tenants", `{`, outside)
	require.Equal(t, 401, a.status)
	require.Equal(t, "unauthorized-tenant", a.body["error_id"])

	a = b.do(t, "POST", "/0.1/tenants", body(b.tenant.String(), "taken", quoted), b.h)
	require.Equal(t, 403, a.status, a.text)
	require.Equal(t, "conflict", a.body["error_id"])
	require.Equal(t, map[string]any{"parent_uuid": map[string]any{"constraint_id": "unique", "msg": "A master tenant already exist"}}, a.body["details"])
	a = b.do(t, "POST", "/0.1/tenants", body(b.sibling.String(), "taken", quoted), b.h)
	require.Equal(t, 409, a.status)
	require.Equal(t, "Tenant Conflict detected", a.body["message"])
	require.Equal(t, "tenant-identity-conflict", a.body["error_id"])
	require.Equal(t, map[string]any{"uuid": map[string]any{"constraint_id": "unique", "message": `A tenant with identity uuid="` + b.sibling.String() + `" already exists`}}, a.body["details"])
	fresh := uuid.NewString()
	a = b.do(t, "POST", "/0.1/tenants", body(fresh, "taken", quoted), b.h)
	require.Equal(t, 409, a.status)
	require.Equal(t, map[string]any{"slug": map[string]any{"constraint_id": "unique", "message": `The slug "taken" is already used`}}, a.body["details"])
	a = b.do(t, "POST", "/0.1/tenants", body(fresh, "Taken", quoted), b.h)
	require.Equal(t, 404, a.status)
	require.Equal(t, "users", a.body["resource"])
	require.Equal(t, "unknown-user", a.body["error_id"])
	require.Equal(t, map[string]any{"uuid": contact}, a.body["details"])
	inUse := map[string]any{"domain_names": map[string]any{"constraint-id": "unique", "message": `Domain name : "['a.io', 'b.io']" is already in use, no duplicates allowed`}}
	a = b.do(t, "POST", "/0.1/tenants", body(fresh, "Taken", "null"), b.h)
	require.Equal(t, 409, a.status)
	require.Equal(t, "Conflict detected", a.body["message"])
	require.Equal(t, "tenants", a.body["resource"])
	require.Equal(t, inUse, a.body["details"])

	path := "/0.1/tenants/" + b.child.String()
	before := b.do(t, "GET", path, "", b.h)
	a = b.do(t, "PUT", path, body(fresh, "x", quoted), b.h)
	require.Equal(t, 404, a.status)
	require.Equal(t, "unknown-user", a.body["error_id"])
	a = b.do(t, "PUT", path, `{"domain_names": ["b.io", "a.io"], "address": {"city": "x"}}`, b.h)
	require.Equal(t, 409, a.status)
	require.Equal(t, inUse, a.body["details"])
	require.Equal(t, before.body, b.do(t, "GET", path, "", b.h).body, "nothing changed")
	require.EqualValues(t, 5, b.do(t, "GET", "/0.1/tenants", "", b.admin(t, b.top)).body["total"], "no tenant was made")
}

func TestTenantsOutsideTheBranchAreNotThere(t *testing.T) {
	t.Parallel()
	b := newBranch(t)
	for _, id := range []string{b.sibling.String(), b.top.String(), uuid.NewString()} {
		for _, r := range []struct{ method, path, body string }{
			{"GET", "/0.1/tenants/" + id, ""}, {"PUT", "/0.1/tenants/" + id, "{}"}, {"DELETE", "/0.1/tenants/" + id, ""}, {"GET", "/0.1/tenants/" + id + "/domains", ""},
			{"PUT", "/0.1/tenants/" + id + "/parent/" + b.child.String(), ""}, {"PUT", "/0.1/tenants/" + b.child.String() + "/parent/" + id, ""},
		} {
			a := b.do(t, r.method, r.path, r.body, b.h)
			require.Equal(t, 404, a.status, "%s %s", r.method, r.path)
			require.Equal(t, "unknown-tenant", a.body["error_id"])
			require.Equal(t, `No such tenant: "`+id+`"`, a.body["message"])
			require.Equal(t, map[string]any{"uuid": id}, a.body["details"])
			require.Equal(t, "tenants", a.body["resource"])
			a = b.do(t, r.method, r.path, r.body, headers{"X-Auth-Token": b.h["X-Auth-Token"], "Wazo-Tenant": b.sibling.String()})
			require.Equal(t, 401, a.status)
		}
	}
}

func TestTenantsAreDeletedAndMoved(t *testing.T) {
	t.Parallel()
	b := newBranch(t)
	top := b.admin(t, b.top)
	path := func(id uuid.UUID) string { return "/0.1/tenants/" + id.String() }
	a := b.do(t, "DELETE", path(b.tenant), "", b.h)
	require.Equal(t, 403, a.status)
	require.Equal(t, "deleting-own-tenant-forbidden", a.body["error_id"])
	require.Equal(t, `Deleting its own tenant is forbidden: "`+b.tenant.String()+`"`, a.body["message"])
	require.Equal(t, map[string]any{"tenant_uuid": b.tenant.String()}, a.body["details"])
	a = b.do(t, "DELETE", path(b.tenant), "", top)
	require.Equal(t, 400, a.status)
	require.Equal(t, `Unauthorized delete of tenant : "`+b.tenant.String()+`" ; since it has at least one child`, a.body["message"])
	require.Equal(t, 403, b.do(t, "DELETE", path(b.child), "", headers{"X-Auth-Token": top["X-Auth-Token"], "Wazo-Tenant": b.child.String()}).status)

	for _, parent := range []uuid.UUID{b.child, b.tenant} {
		a = b.do(t, "PUT", path(b.tenant)+"/parent/"+parent.String(), "", top)
		require.Equal(t, 409, a.status)
		require.Equal(t, "Parent ("+parent.String()+`) is a descendent of tenant: "`+b.tenant.String()+`"`, a.body["message"])
		require.Equal(t, "conflict", a.body["error_id"])
		require.Equal(t, map[string]any{"uuid": b.tenant.String(), "parent_uuid": parent.String()}, a.body["details"])
	}
	require.Equal(t, 409, b.do(t, "PUT", path(b.top)+"/parent/"+b.child.String(), "", top).status)
	for range 2 {
		require.Equal(t, 204, b.do(t, "PUT", path(b.child)+"/parent/"+b.sibling.String(), "", top).status)
	}
	require.Equal(t, b.sibling.String(), b.do(t, "GET", path(b.child), "", top).body["parent_uuid"])
	require.Equal(t, 404, b.do(t, "GET", path(b.child), "", b.h).status, "from the very next request on")

	require.Equal(t, 204, b.do(t, "DELETE", path(b.tenant), "", top).status)
	require.Equal(t, 404, b.do(t, "DELETE", path(b.tenant), "", top).status)
	require.Equal(t, 401, b.do(t, "GET", "/0.1/tenants", "", b.h).status, "the token went with its tenant")
}

func TestTenantListsTakeTheirParameters(t *testing.T) {
	t.Parallel()
	b := newBranch(t)
	uuids := strings.Repeat("uuids="+b.child.String()+"&", 25)
	for query, n := range map[string]int{"": 2, "?recurse=false": 2, "?domain_name=": 2, "?uuid=" + b.child.String(): 1, "?uuid=" + strings.ToUpper(b.child.String()): 0,
		"?" + uuids: 1, "?uuids=" + b.child.String() + "," + b.tenant.String(): 0, "?uuids=" + b.child.String() + "&uuids=" + b.sibling.String() + "&uuids=" + b.tenant.String(): 2,
		"?slug=master": 0, "?search=tenant": 2, "?unknown=1&name=tenant": 2, "?uuids=": 0} {
		a := b.do(t, "GET", "/0.1/tenants"+query, "", b.h)
		require.Len(t, items(t, a), n, query)
		require.EqualValues(t, 2, a.body["total"], query)
		require.EqualValues(t, n, a.body["filtered"], query)
	}
	a := b.do(t, "GET", "/0.1/tenants?order=uuid&limit=-1&"+uuids+"uuids=x", "", b.h)
	require.Equal(t, 400, a.status)
	require.Equal(t, "invalid-list-param", a.body["error_id"])
	require.Equal(t, "users", a.body["resource"])
	message, _ := a.body["message"].(map[string]any)
	require.Len(t, message, 3)
	require.Equal(t, []any{map[string]any{"message": "Longer than maximum length 25.", "constraint_id": "length", "constraint": map[string]any{"min": nil, "max": 25.0}}}, message["uuids"])
	require.Equal(t, 401, b.do(t, "GET", "/0.1/tenants?order=uuid", "", headers{"X-Auth-Token": b.h["X-Auth-Token"], "Wazo-Tenant": b.top.String()}).status, "the tenant first")
}
