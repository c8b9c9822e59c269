package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// as logs somebody in who has exactly these accesses.
func (b *bundle) as(t *testing.T, tenant uuid.UUID, acl ...string) headers {
	t.Helper()
	_, login := b.user(t, tenant, acl...)
	return headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}
}

// in is the same caller in a tenant.
func (h headers) in(tenant uuid.UUID) headers {
	return headers{"X-Auth-Token": h["X-Auth-Token"], "Wazo-Tenant": tenant.String()}
}

// policy makes a policy by the interface and gives what it answers.
func (b *bundle) policy(t *testing.T, h headers, body string) map[string]any {
	t.Helper()
	a := b.do(t, "POST", "/0.1/policies", body, h)
	require.Equal(t, http.StatusOK, a.status, a.text)
	return a.body
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// refusal is a request that is answered with an error. In the order of the contract's checks, every request is wrong
// in all that the later ones check.
type refusal struct {
	name, method, path, body string
	h                        headers
	status                   int
	says                     string // the reason, or the error id of a modern body, or the message of a framework one
}

func (b *bundle) refuse(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		a := b.do(t, r.method, r.path, r.body, r.h)
		said := reason(a)
		if id, ok := a.body["error_id"].(string); ok {
			said = id
		} else if m, ok := a.body["message"].(string); ok {
			said = m
		}
		require.Equal(t, r.status, a.status, "%s: %s", r.name, a.text)
		require.Equal(t, r.says, said, "%s: %s", r.name, a.text)
		if a.body["reason"] != nil {
			require.ElementsMatch(t, []string{"reason", "timestamp", "status_code"}, keys(a.body), r.name)
		}
	}
}

func names(t *testing.T, a answer) (out []string) {
	t.Helper()
	for _, x := range items(t, a) {
		out = append(out, str(t, x, "name"))
	}
	return out
}

const unreadable = "The browser (or proxy) sent a request that this server could not understand."

func TestAPolicyIsMadeReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.as(t, b.top, "#")
	a := b.do(t, "POST", "/0.1/policies", `{"name": "My policy!", "acl": ["confd.#", "!a.b", "confd.#", ""], "unknown": 1, "read_only": true, "uuid": "x"}`, h)
	require.Equal(t, http.StatusOK, a.status, a.text)
	id := str(t, a.body, "uuid")
	want := map[string]any{"uuid": id, "tenant_uuid": b.top.String(), "name": "My policy!", "slug": "Mypolicy", "description": nil,
		"acl": []any{"confd.#", "!a.b", ""}, "read_only": false, "shared": false}
	require.Equal(t, want, a.body)
	for _, p := range []string{id, strings.ToUpper(id), "Mypolicy"} {
		require.Equal(t, want, b.do(t, "GET", "/0.1/policies/"+p, "", h).body, p)
	}
	head := b.do(t, "HEAD", "/0.1/policies/Mypolicy", "", h)
	require.Equal(t, http.StatusOK, head.status)
	require.Empty(t, head.text)

	changed := b.do(t, "PUT", "/0.1/policies/"+id, `{"name": "New", "slug": 42, "shared": "nonsense", "acl": ["x.y", "confd.#"], "description": ""}`, h)
	want["name"], want["acl"], want["description"] = "New", []any{"x.y", "confd.#"}, ""
	require.Equal(t, want, changed.body, changed.text)
	require.Equal(t, want, b.do(t, "GET", "/0.1/policies/"+id, "", h).body)
	changed = b.do(t, "PUT", "/0.1/policies/Mypolicy", `{"name": "New"}`, h)
	want["acl"], want["description"] = []any{}, nil
	require.Equal(t, want, changed.body, changed.text)

	for _, access := range []string{"confd.users.%23", "%21no.more", "a%2Fb", "a%2fb", "a.%C3%A9", "x%20y", "z%2541"} {
		require.Equal(t, 204, b.do(t, "PUT", "/0.1/policies/Mypolicy/acl/"+access, "", h).status, access)
	}
	require.Equal(t, []any{"confd.users.#", "!no.more", "a%2Fb", "a%2fb", "a.é", "x y", "z%41"}, b.do(t, "GET", "/0.1/policies/"+id, "", h).body["acl"])
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/policies/"+id+"/acl/%21no.more", "", h).status)
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/policies/"+id+"/acl/%21no.more", "", h).status, "absent")
	require.Equal(t, []any{"confd.users.#", "a%2Fb", "a%2fb", "a.é", "x y", "z%41"}, b.do(t, "GET", "/0.1/policies/"+id, "", h).body["acl"])
	for _, path := range []string{"/0.1/policies/Mypolicy/acl/a/b", "/0.1/policies/Mypolicy/acl/", "/0.1/policies/Mypolicy/acl", "/0.1/policies/"} {
		page := b.do(t, "PUT", path, "", h)
		require.Equal(t, 404, page.status, path)
		require.Contains(t, page.text, "404 Not Found", path)
	}

	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/policies/"+id, "", h).status)
	require.Equal(t, 404, b.do(t, "GET", "/0.1/policies/"+id, "", h).status)
	var actions []string
	rows, err := b.pool.Query(t.Context(), "SELECT action FROM trail WHERE subject_uuid = $1 ORDER BY id", id)
	require.NoError(t, err)
	for rows.Next() {
		var action string
		require.NoError(t, rows.Scan(&action))
		actions = append(actions, action)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, []string{"policy created", "policy updated", "policy updated"}, actions[:3])
	require.Len(t, actions, 3+8+1)
	require.Equal(t, "policy deleted", actions[len(actions)-1])
}

func TestBadPoliciesNameTheFirstField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.as(t, b.top, "#")
	there := str(t, b.policy(t, h, `{"name": "there"}`), "uuid")
	supplied := func(field string) string { return "Invalid value supplied for field: " + field }
	long := strings.Repeat("é", 81)
	var refusals []refusal
	for body, says := range map[string]string{
		``: unreadable, `{"name"`: unreadable, `{"name": "x"} {}`: unreadable,
		`42`: supplied("_schema"), `[1]`: supplied("_schema"), `true`: supplied("_schema"), `"x"`: supplied("_schema"),
		`{}`: supplied("name"), `null`: supplied("name"), `[]`: supplied("name"), `{"name": null, "acl": null}`: supplied("name"),
		`{"name": ""}`: supplied("name"), `{"name": "` + long + `"}`: supplied("name"), `{"name": 5}`: supplied("name"), `{"name": "a\u0000"}`: supplied("name"),
		`{"name": "x", "description": 1, "acl": 1}`: supplied("description"), `{"name": "x", "description": "\u0000"}`: supplied("description"),
		`{"name": "x", "acl": null}`: supplied("acl"), `{"name": "x", "acl": "a"}`: supplied("acl"), `{"name": "x", "acl": {}}`: supplied("acl"),
		`{"name": "x", "acl": [null]}`: supplied("acl"), `{"name": "x", "acl": ["a", 1]}`: supplied("acl"), `{"name": "x", "acl": ["a\u0000"]}`: supplied("acl"),
		`{"name": "x", "acl": ["` + strings.Repeat("a", 65<<10) + `"]}`:   supplied("acl"),
		`{"name": "x", "acl": [` + strings.Repeat(`"",`, 20_000) + `""]}`: supplied("acl"),
	} {
		refusals = append(refusals, refusal{body, "POST", "/0.1/policies", body, h, 400, says}, refusal{body, "PUT", "/0.1/policies/" + there, body, h, 400, says},
			refusal{body, "PUT", "/0.1/policies/there", body, h, 400, says})
	}
	for body, field := range map[string]string{
		`{"name": "x", "slug": ""}`: "slug", `{"name": "x", "slug": "a b", "description": 1}`: "slug", `{"name": "x", "slug": "` + strings.Repeat("a", 81) + `"}`: "slug",
		`{"name": "x", "slug": 3}`: "slug", `{"name": "x", "slug": "é"}`: "slug", `{"name": "x", "slug": "a\n"}`: "slug",
		`{"name": "x", "shared": null}`: "shared", `{"name": "x", "shared": "maybe"}`: "shared", `{"name": "x", "shared": 2}`: "shared",
	} {
		refusals = append(refusals, refusal{body, "POST", "/0.1/policies", body, h, 400, supplied(field)})
	}
	b.refuse(t, refusals)
	require.Equal(t, []string{"there"}, names(t, b.do(t, "GET", "/0.1/policies?search=there", "", h)))

	for body, slug := range map[string]string{`{"name": "` + strings.Repeat("x", 80) + `", "slug": null, "shared": "yes"}`: strings.Repeat("x", 80),
		`{"name": "y", "slug": "` + strings.Repeat("Z-_9", 20) + `", "shared": 0}`: strings.Repeat("Z-_9", 20)} {
		require.Equal(t, slug, b.policy(t, h, body)["slug"])
	}
	require.Regexp(t, `^[a-z0-9]{3}$`, b.policy(t, h, `{"name": "éé !"}`)["slug"], "nothing of the name is left")
	require.Regexp(t, `^[a-z0-9]{3}$`, b.policy(t, h, `{"name": "THERE"}`)["slug"], "the slug differs only in case from one that is there")
	require.Regexp(t, `^[a-z0-9]{3}$`, b.policy(t, h, `{"name": "the re"}`)["slug"], "the slug is there")
}

func TestWhatATenantSeesOfPolicies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	middle := factory.Tenant(t.Context(), t, b.pool, b.top)
	leaf := factory.Tenant(t.Context(), t, b.pool, middle)
	sibling := factory.Tenant(t.Context(), t, b.pool, b.top)
	root := b.as(t, b.top, "#")
	top := str(t, b.policy(t, root, `{"name": "top", "shared": true}`), "uuid")
	configured := str(t, b.policy(t, root, `{"name": "configured"}`), "uuid")
	b.exec(t, "UPDATE policies SET config_managed = true WHERE uuid = $1", configured)
	own := str(t, b.policy(t, root.in(middle), `{"name": "own", "shared": true, "description": "of the Middle"}`), "uuid")
	b.policy(t, root.in(leaf), `{"name": "leafs"}`)
	b.policy(t, root.in(sibling), `{"name": "siblings", "shared": true}`)
	show := func(h headers, id string) []any {
		t.Helper()
		a := b.do(t, "GET", "/0.1/policies/"+id, "", h)
		if a.status != http.StatusOK {
			require.Equal(t, http.StatusNotFound, a.status, a.text)
			return nil
		}
		return []any{a.body["tenant_uuid"], a.body["read_only"], a.body["shared"]}
	}
	const slug = "own"
	require.Equal(t, []any{middle.String(), false, true}, show(root, own))
	require.Equal(t, []any{middle.String(), false, true}, show(root.in(middle), own))
	require.Equal(t, []any{leaf.String(), true, false}, show(root.in(leaf), own), "inherited")
	require.Equal(t, []any{leaf.String(), true, false}, show(root.in(leaf), slug), "inherited, by slug")
	require.Nil(t, show(root.in(sibling), own), "another branch")
	require.Nil(t, show(root, slug), "not inherited upwards")
	require.Equal(t, []any{leaf.String(), true, false}, show(root.in(leaf), top), "from two tenants above")
	require.Equal(t, []any{leaf.String(), true, false}, show(root.in(leaf), configured))
	require.Equal(t, []any{b.top.String(), true, false}, show(root, configured))

	seen := func(h headers, query string) []string { return names(t, b.do(t, "GET", "/0.1/policies"+query, "", h)) }
	require.Equal(t, []string{"configured", "leafs", "own", "top"}, seen(root.in(leaf), ""))
	require.Equal(t, []string{"configured", "own", "top"}, seen(root.in(middle), ""))
	require.Equal(t, []string{"configured", "leafs", "own", "top"}, seen(root.in(middle), "?recurse=true"))
	require.Equal(t, []string{"leafs"}, seen(root.in(leaf), "?read_only=false"), "exactly its own")
	require.Equal(t, []string{"configured", "own", "top"}, seen(root.in(leaf), "?read_only=true"))
	require.Equal(t, []string{"configured"}, seen(root, "?read_only=true"))
	require.Equal(t, []string{"own"}, seen(root.in(leaf), "?tenant_uuid="+middle.String()), "the real owner")
	require.Empty(t, seen(root.in(leaf), "?tenant_uuid="+b.top.String()+"&name=own"))
	require.Empty(t, seen(root.in(leaf), "?uuid=nonsense"))
	require.Equal(t, []string{"own"}, seen(root.in(leaf), "?uuid="+own))
	require.Equal(t, []string{"own"}, seen(root.in(leaf), "?slug=own&name=own"))
	require.Empty(t, seen(root.in(leaf), "?slug=OWN"))
	require.Equal(t, []string{"own"}, seen(root.in(leaf), "?search=THE+mid"))
	require.Equal(t, []string{"top", "own", "leafs"}, seen(root.in(leaf), "?order=slug&direction=desc&limit=3"))
	require.Equal(t, []string{"own"}, seen(root.in(leaf), "?order=description&limit=1"), "null comes last")
	require.Equal(t, []string{"leafs", "own"}, seen(root.in(leaf), "?limit=2&offset=1"))
	require.Empty(t, seen(root.in(leaf), "?limit=0"))
	require.Len(t, seen(root.in(leaf), "?order=uuid&direction=desc"), 4)
	for _, query := range []string{"", "?search=the+middle", "?read_only=true", "?uuid=nonsense", "?limit=1"} {
		a := b.do(t, "GET", "/0.1/policies"+query, "", root.in(leaf))
		require.EqualValues(t, 4, a.body["total"], query)
		require.ElementsMatch(t, []string{"items", "total"}, keys(a.body), "no filtered")
	}
	for _, x := range items(t, b.do(t, "GET", "/0.1/policies?recurse=true", "", root.in(middle))) {
		switch x["name"] {
		case "leafs":
			require.Equal(t, []any{leaf.String(), false}, []any{x["tenant_uuid"], x["read_only"]})
		case "own":
			require.Equal(t, []any{middle.String(), false, true}, []any{x["tenant_uuid"], x["read_only"], x["shared"]})
		default:
			require.Equal(t, []any{middle.String(), true, false}, []any{x["tenant_uuid"], x["read_only"], x["shared"]})
		}
	}

	mine := str(t, b.policy(t, root.in(leaf), `{"name": "another", "slug": "configured"}`), "uuid")
	require.Equal(t, mine, b.do(t, "GET", "/0.1/policies/configured", "", root.in(leaf)).body["uuid"], "a tenant's own goes before that of the configuration")
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/policies/configured", "", root.in(leaf)).status)
	changed := b.do(t, "PUT", "/0.1/policies/"+own, `{"name": "own"}`, root)
	require.Equal(t, middle.String(), changed.body["tenant_uuid"], "its real tenant")
}

func TestNamesOfSharedPoliciesAreTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	middle := factory.Tenant(t.Context(), t, b.pool, b.top)
	leaf := factory.Tenant(t.Context(), t, b.pool, middle)
	sibling := factory.Tenant(t.Context(), t, b.pool, b.top)
	root := b.as(t, b.top, "#")
	b.policy(t, root.in(middle), `{"name": "shared", "slug": "sh", "shared": true}`)
	b.policy(t, root.in(leaf), `{"name": "leafs", "slug": "lf"}`)
	conflicts := func(tenant uuid.UUID, body, name string) {
		t.Helper()
		a := b.do(t, "POST", "/0.1/policies", body, root.in(tenant))
		require.Equal(t, 409, a.status, a.text)
		require.Equal(t, `Policy "`+name+`" already exists`, reason(a))
	}
	for _, tenant := range []uuid.UUID{middle, leaf} {
		conflicts(tenant, `{"name": "shared"}`, "shared")
		conflicts(tenant, `{"name": "x", "slug": "sh"}`, "x")
	}
	conflicts(leaf, `{"name": "s h"}`, "s h")
	require.Regexp(t, `^[a-z0-9]{3}$`, b.policy(t, root.in(middle), `{"name": "s h"}`)["slug"], "its own slugs it steps aside for")
	conflicts(middle, `{"name": "y", "slug": "SH"}`, "y")
	for _, tenant := range []uuid.UUID{middle, b.top} { // what is to be shared must be free below
		conflicts(tenant, `{"name": "leafs", "shared": true}`, "leafs")
		conflicts(tenant, `{"name": "z", "slug": "lf", "shared": true}`, "z")
	}
	for _, ok := range []struct {
		tenant uuid.UUID
		body   string
	}{
		{b.top, `{"name": "shared", "slug": "sh"}`},                    // shared by a descendant only
		{sibling, `{"name": "shared", "slug": "sh"}`},                  // another branch
		{middle, `{"name": "leafs", "slug": "lf"}`},                    // neither is shared
		{leaf, `{"name": "SHARED", "slug": "SH"}`},                     // another case than the inherited
		{sibling, `{"name": "leafs", "slug": "lf", "shared": "true"}`}, // nothing below
	} {
		require.Equal(t, 200, b.do(t, "POST", "/0.1/policies", ok.body, root.in(ok.tenant)).status, ok.body)
	}
	require.Equal(t, 200, b.do(t, "PUT", "/0.1/policies/lf", `{"name": "shared"}`, root.in(leaf)).status, "a change may take the name of an inherited one")
}
