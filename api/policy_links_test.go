package api

import (
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

func (b *bundle) group(t *testing.T, tenant uuid.UUID, members ...uuid.UUID) string {
	t.Helper()
	id := uuid.New()
	b.exec(t, "INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES ($1, $2, $3, $3)", id, tenant, "group "+id.String())
	for _, m := range members {
		b.exec(t, "INSERT INTO user_groups (group_uuid, user_uuid) VALUES ($1, $2)", id, m)
	}
	return id.String()
}

// accesses are those of a new token.
func (b *bundle) accesses(t *testing.T, login string) []any {
	t.Helper()
	acl, _ := b.login(t, login, "{}", nil)["acl"].([]any)
	return acl
}

func TestPoliciesOfAUserComeWithNewTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	middle := factory.Tenant(t.Context(), t, b.pool, b.top)
	leaf := factory.Tenant(t.Context(), t, b.pool, middle)
	root, local := b.as(t, b.top, "#"), b.as(t, leaf, "#")
	user, login := b.user(t, leaf)
	b.exec(t, "DELETE FROM user_policies WHERE user_uuid = $1", user)
	path := "/0.1/users/" + user.String() + "/policies"
	own := str(t, b.policy(t, local, `{"name": "own", "acl": ["own.1"]}`), "uuid")
	hidden := str(t, b.policy(t, root, `{"name": "parents", "acl": ["parent.1", "!parent.2"], "description": "Of the parent"}`), "uuid")
	shared := str(t, b.policy(t, root.in(middle), `{"name": "shared", "acl": ["shared.1"], "shared": true}`), "uuid")

	for _, put := range []struct {
		p string
		h headers
	}{{own, local}, {"own", local}, {hidden, root}, {hidden, local}, {shared, local}, {"shared", local}} {
		for range 2 {
			require.Equal(t, 204, b.do(t, "PUT", path+"/"+put.p, "", put.h).status, put.p)
		}
	}
	require.ElementsMatch(t, []any{"own.1", "parent.1", "!parent.2", "shared.1"}, b.accesses(t, login))

	a := b.do(t, "GET", path, "", root)
	require.Equal(t, []string{"own", "parents", "shared"}, names(t, a))
	require.EqualValues(t, 3, a.body["total"])
	require.EqualValues(t, 3, a.body["filtered"])
	require.Equal(t, map[string]any{"uuid": hidden, "tenant_uuid": b.top.String(), "name": "parents", "slug": "parents", "description": "Of the parent",
		"acl": []any{"parent.1", "!parent.2"}, "read_only": false, "shared": false}, items(t, a)[1], "under its real tenant")
	require.Equal(t, true, items(t, a)[2]["shared"])
	group := b.group(t, leaf)
	b.exec(t, "INSERT INTO group_policies (group_uuid, policy_uuid) VALUES ($1, $2)", group, own)
	for query, want := range map[string][]string{"?search=OF+parent": {"parents"}, "?name=own": {"own"}, "?uuid=" + shared: {"shared"}, "?uuid=x": nil,
		"?tenant_uuid=" + middle.String(): {"shared"}, "?group_uuid=" + group: {"own"}, "?user_uuid=" + uuid.NewString(): {"own", "parents", "shared"},
		"?slug=own": {"own", "parents", "shared"}, "?read_only=true": {"own", "parents", "shared"},
		"?order=description&limit=1": {"parents"}, "?direction=desc&limit=2": {"shared", "parents"}, "?offset=2": {"shared"}, "?limit=0": nil} {
		require.Equal(t, want, names(t, b.do(t, "GET", path+query, "", root)), query)
	}
	found := b.do(t, "GET", path+"?search=own&limit=0", "", root)
	require.EqualValues(t, 3, found.body["total"])
	require.EqualValues(t, 1, found.body["filtered"])
	require.Equal(t, 200, b.do(t, "GET", path, "", root.in(uuid.New())).status, "the header does not count")
	for name, h := range map[string]headers{"of a sibling": b.as(t, factory.Tenant(t.Context(), t, b.pool, b.top), "#"), "from below": local} {
		who := map[string]string{"of a sibling": user.String(), "from below": ownerOf(t, b, b.top).String()}[name]
		a := b.do(t, "GET", "/0.1/users/"+who+"/policies", "", h)
		require.Equal(t, map[string]any{"items": []any{}, "total": 0., "filtered": 0.}, a.body, name)
	}
	require.Empty(t, items(t, b.do(t, "GET", "/0.1/users/"+uuid.NewString()+"/policies", "", root)), "nobody")

	old := headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}["X-Auth-Token"]
	for range 2 {
		require.Equal(t, 204, b.do(t, "DELETE", path+"/own", "", local).status)
		require.Equal(t, 204, b.do(t, "DELETE", path+"/"+shared, "", local).status)
		require.Equal(t, 204, b.do(t, "DELETE", path+"/"+hidden, "", root).status)
	}
	require.Empty(t, b.accesses(t, login))
	require.Equal(t, 204, b.do(t, "HEAD", "/0.1/token/"+old+"?scope=own.1", "", nil).status, "a token holds a copy")
	var entries int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM trail WHERE subject_uuid = $1 AND action LIKE 'user policy %'", user).Scan(&entries))
	require.Equal(t, 6, entries, "an entry for each change, none for what was so before")
}

func ownerOf(t *testing.T, b *bundle, tenant uuid.UUID) uuid.UUID {
	t.Helper()
	user, _ := b.user(t, tenant, "x")
	return user
}

func TestTheOrderOfChecksOnPoliciesOfUsers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	root := b.as(t, b.top, "#")
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	sibling := factory.Tenant(t.Context(), t, b.pool, b.top)
	h := b.as(t, child, "auth.#", "mine.#")
	foreign, unknown := h.in(sibling), uuid.NewString()
	mine := str(t, b.policy(t, h, `{"name": "mine", "acl": ["mine.1"]}`), "uuid")
	beyond := str(t, b.policy(t, root.in(child), `{"name": "beyond", "acl": ["mine.1", "beyond.1"]}`), "uuid")
	parents := str(t, b.policy(t, root, `{"name": "parents", "acl": ["mine.1"]}`), "uuid")
	siblings := str(t, b.policy(t, root.in(sibling), `{"name": "siblings", "acl": []}`), "uuid")
	user := ownerOf(t, b, child).String()
	none := func(kind, id string) string { return "No such policy {'" + kind + "': '" + id + "'}" }
	of := func(user, policy string) string { return "/0.1/users/" + user + "/policies/" + policy }
	var refusals []refusal
	for _, m := range []string{"PUT", "DELETE"} {
		refusals = append(refusals,
			refusal{"no token", m, of(unknown, unknown), "", nil, 401, "unauthorized"},
			refusal{"no access", m, of(unknown, unknown), "", b.as(t, child, "auth.users.*.policies.read"), 401, "unauthorized"},
			refusal{"R", m, of(unknown, unknown), "", foreign, 401, "unauthorized-tenant"},
			refusal{"policy before user", m, of(unknown, unknown), "", h, 404, none("uuid", unknown)},
			refusal{"slug before user", m, of(unknown, "nope"), "", h, 404, none("slug", "nope")},
			refusal{"a parent's by slug", m, of(user, "parents"), "", h, 404, none("slug", "parents")},
			refusal{"a child's by slug", m, of(user, "mine"), "", root, 404, none("slug", "mine")},
			refusal{"a sibling's", m, of(user, siblings), "", h, 404, none("uuid", siblings)},
			refusal{"the rule before the user", m, of(unknown, beyond), "", h, 401, "unauthorized"},
			refusal{"the rule before the user, by slug", m, of(unknown, "beyond"), "", h, 401, "unauthorized"},
			refusal{"user", m, of(unknown, mine), "", h, 404, "unknown-user"},
			refusal{"user, by slug", m, of(unknown, "mine"), "", h, 404, "unknown-user"},
			refusal{"a user above", m, of(ownerOf(t, b, b.top).String(), mine), "", h, 404, "unknown-user"},
			refusal{"a user beside", m, of(ownerOf(t, b, sibling).String(), mine), "", h, 404, "unknown-user"},
			refusal{"outside the header's tenant", m, of(ownerOf(t, b, b.top).String(), mine), "", root.in(child), 404, "unknown-user"},
		)
	}
	refusals = append(refusals,
		refusal{"a parent's can be given, not taken, from below", "DELETE", of(user, parents), "", h, 404, none("uuid", parents)},
		refusal{"list", "GET", "/0.1/users/" + unknown + "/policies?order=slug", "", foreign, 400, "invalid-list-param"})
	b.refuse(t, refusals)
	a := b.do(t, "PUT", of(user, beyond), "", h)
	details, _ := a.body["details"].(map[string]any)
	require.Equal(t, "beyond.1", details["required_access"], "the first that is refused")
	require.Equal(t, 204, b.do(t, "PUT", of(user, parents), "", h).status)
	a = b.do(t, "DELETE", of(unknown, mine), "", h)
	require.Equal(t, `No such user: "`+unknown+`"`, a.body["message"])
	require.Equal(t, "users", a.body["resource"])
}

func TestPoliciesOfAGroupComeWithNewTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	root, local := b.as(t, b.top, "#"), b.as(t, child, "#")
	user, login := b.user(t, child)
	b.exec(t, "DELETE FROM user_policies WHERE user_uuid = $1", user)
	group := b.group(t, child, user)
	path := "/0.1/groups/" + group + "/policies"
	own := str(t, b.policy(t, local, `{"name": "own", "acl": ["own.1"]}`), "uuid")
	hidden := str(t, b.policy(t, root, `{"name": "parents", "acl": ["parent.1"]}`), "uuid")
	shared := str(t, b.policy(t, root, `{"name": "shared", "acl": ["shared.1"], "shared": true, "description": "bar"}`), "uuid")
	for _, put := range []struct {
		p string
		h headers
	}{{own, local}, {"own", local}, {hidden, root}, {shared, local}, {"shared", local}} {
		for range 2 {
			require.Equal(t, 204, b.do(t, "PUT", path+"/"+put.p, "", put.h).status, put.p)
		}
	}
	require.ElementsMatch(t, []any{"own.1", "parent.1", "shared.1"}, b.accesses(t, login), "whichever tenant owns them")

	a := b.do(t, "GET", path, "", local)
	require.Equal(t, []string{"own", "shared"}, names(t, a), "what is not visible is left out")
	require.Equal(t, []any{2., 2.}, []any{a.body["total"], a.body["filtered"]})
	require.Equal(t, []any{child.String(), true, false}, []any{items(t, a)[1]["tenant_uuid"], items(t, a)[1]["read_only"], items(t, a)[1]["shared"]})
	a = b.do(t, "GET", path+"?search=bar", "", root)
	require.Equal(t, []string{"shared"}, names(t, a))
	require.Equal(t, []any{3., 1.}, []any{a.body["total"], a.body["filtered"]})
	require.Equal(t, []any{b.top.String(), false, true}, []any{items(t, a)[0]["tenant_uuid"], items(t, a)[0]["read_only"], items(t, a)[0]["shared"]})
	for query, want := range map[string][]string{"?name=own": {"own"}, "?uuid=" + shared: {"shared"}, "?tenant_uuid=" + child.String(): {"own"},
		"?user_uuid=" + user.String(): nil, "?slug=own&read_only=true": {"own", "parents", "shared"}, "?group_uuid=" + uuid.NewString(): {"own", "parents", "shared"},
		"?order=description&limit=1": {"shared"}, "?direction=desc&limit=1&offset=1": {"parents"}, "?recurse=true": {"own", "parents", "shared"}} {
		require.Equal(t, want, names(t, b.do(t, "GET", path+query, "", root)), query)
	}
	require.Equal(t, []string{"own"}, names(t, b.do(t, "GET", "/0.1/policies?group_uuid="+group+"&name=own", "", local)))

	for range 2 {
		require.Equal(t, 204, b.do(t, "DELETE", path+"/own", "", local).status)
		require.Equal(t, 204, b.do(t, "DELETE", path+"/"+hidden, "", root).status)
	}
	require.Equal(t, 204, b.do(t, "DELETE", "/0.1/policies/"+shared, "", root).status, "links go with the policy")
	require.Empty(t, b.accesses(t, login))

	everyone := ""
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT uuid FROM groups WHERE system_managed AND tenant_uuid = $1", b.top).Scan(&everyone))
	for _, m := range []string{"PUT", "DELETE"} {
		require.Equal(t, 204, b.do(t, m, "/0.1/groups/"+everyone+"/policies/parents", "", root).status, "the all-users group like any other")
	}
}

func TestTheOrderOfChecksOnPoliciesOfGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	root := b.as(t, b.top, "#")
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	h := b.as(t, child, "auth.#", "mine.#")
	foreign, unknown := h.in(b.top), uuid.NewString()
	mine := str(t, b.policy(t, h, `{"name": "mine", "acl": ["mine.1"]}`), "uuid")
	beyond := str(t, b.policy(t, root.in(child), `{"name": "beyond", "acl": ["beyond.1"]}`), "uuid")
	parents := str(t, b.policy(t, root, `{"name": "parents", "acl": []}`), "uuid")
	group, above := b.group(t, child), b.group(t, b.top)
	none := func(kind, id string) string { return "No such policy {'" + kind + "': '" + id + "'}" }
	of := func(group, policy string) string { return "/0.1/groups/" + group + "/policies/" + policy }
	var refusals []refusal
	for _, m := range []string{"PUT", "DELETE"} {
		refusals = append(refusals,
			refusal{"no token", m, of(unknown, unknown), "", nil, 401, "unauthorized"},
			refusal{"R", m, of(unknown, unknown), "", foreign, 401, "unauthorized-tenant"},
			refusal{"R, by slug", m, of(unknown, "nope"), "", foreign, 401, "unauthorized-tenant"},
			refusal{"slug before group", m, of(unknown, "nope"), "", h, 404, none("slug", "nope")},
			refusal{"a child's by slug", m, of(group, "mine"), "", root, 404, none("slug", "mine")},
			refusal{"group before policy", m, of(unknown, unknown), "", h, 404, "unknown-group"},
			refusal{"group before the rule", m, of(above, beyond), "", h, 404, "unknown-group"},
			refusal{"group before the rule, by slug", m, of(above, "beyond"), "", h, 404, "unknown-group"},
			refusal{"policy", m, of(group, unknown), "", h, 404, none("uuid", unknown)},
			refusal{"a parent's that is not shared", m, of(group, parents), "", h, 404, none("uuid", parents)},
			refusal{"the rule", m, of(group, beyond), "", h, 401, "unauthorized"},
			refusal{"the rule, by slug", m, of(group, "beyond"), "", h, 401, "unauthorized"},
		)
	}
	list := func(group, query string) string { return "/0.1/groups/" + group + "/policies?" + query }
	refusals = append(refusals,
		refusal{"list: R", "GET", list(unknown, "limit=x"), "", foreign, 401, "unauthorized-tenant"},
		refusal{"list: group before parameters", "GET", list(above, "limit=x"), "", h, 404, "unknown-group"},
		refusal{"list: parameters", "GET", list(group, "order=slug"), "", h, 400, "invalid-list-param"},
		refusal{"list: group", "GET", list(unknown, ""), "", h, 404, "unknown-group"})
	b.refuse(t, refusals)
	a := b.do(t, "PUT", of(unknown, mine), "", h)
	require.Equal(t, `No such group: "`+unknown+`"`, a.body["message"])
	require.Equal(t, "groups", a.body["resource"])
	require.Equal(t, map[string]any{"uuid": unknown}, a.body["details"])
	var links int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM group_policies").Scan(&links))
	require.Zero(t, links, "nothing was changed")
}

func TestAPolicyIsLinkedByManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	root := b.as(t, b.top, "#")
	user := ownerOf(t, b, b.top).String()
	group := b.group(t, b.top)
	b.policy(t, root, `{"name": "p", "acl": ["a"]}`)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			path := []string{"/0.1/users/" + user, "/0.1/groups/" + group}[i%2] + "/policies/p"
			if a := b.insist(t, http.MethodPut, path, "", root); a.status != http.StatusNoContent {
				t.Errorf("%d %s", a.status, a.text)
			}
		})
		wg.Go(func() { // changes of what it grants do not stand in the way
			access := "/0.1/policies/p/acl/b." + string(rune('a'+i%20))
			b.do(t, []string{http.MethodPut, http.MethodDelete}[i/20%2], access, "", root)
		})
	}
	wg.Wait()
	var links, entries int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM group_policies").Scan(&links))
	require.Equal(t, 1, links)
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM trail WHERE action LIKE '% policy added'").Scan(&entries))
	require.Equal(t, 2, entries)
}

func TestATenantThatGoesIsInNobodysWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	root := b.as(t, b.top, "#")
	for range 8 {
		tenant := factory.Tenant(t.Context(), t, b.pool, b.top)
		b.policy(t, root.in(tenant), `{"name": "p", "acl": ["a"]}`)
		user := ownerOf(t, b, tenant)
		group := b.group(t, tenant, user)
		var wg sync.WaitGroup
		ask := func(method, path string, h headers) {
			wg.Go(func() {
				if a := b.insist(t, method, path, "", h); a.status == http.StatusInternalServerError {
					t.Errorf("%s %s: %d %s", method, path, a.status, a.text)
				}
			})
		}
		for i := range 12 {
			method := []string{http.MethodPut, http.MethodDelete}[i%2]
			ask(method, "/0.1/users/"+user.String()+"/policies/p", root.in(tenant))
			ask(method, "/0.1/groups/"+group+"/policies/p", root.in(tenant))
			if i == 6 {
				ask(http.MethodDelete, "/0.1/policies/p", root.in(tenant))
				ask(http.MethodDelete, "/0.1/tenants/"+tenant.String(), root)
			}
		}
		wg.Wait()
		require.Equal(t, 404, b.do(t, "GET", "/0.1/tenants/"+tenant.String(), "", root).status)
	}
}
