package identity_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

func TestListsOfGroupsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	pool, j := dbtest.Noted(t)
	top := factory.TopTenant(t.Context(), t, pool)
	for _, s := range []string{
		`INSERT INTO tenants (parent_uuid, name, slug) SELECT $1, 'tenant', 't' || n FROM generate_series(1, 5000) n`,
		`INSERT INTO groups (tenant_uuid, name, slug, system_managed) SELECT uuid, 'wazo-all-users-tenant-' || uuid, uuid::text, true FROM tenants WHERE uuid <> $1`,
		`INSERT INTO groups (tenant_uuid, name, slug) SELECT uuid, 'group ' || n || ' of ' || uuid, 'g' || n FROM tenants, generate_series(1, 3) n WHERE $1::uuid IS NOT NULL`,
		`INSERT INTO users (tenant_uuid, username) SELECT uuid, slug FROM tenants WHERE $1::uuid IS NOT NULL`,
		`INSERT INTO user_groups (user_uuid, group_uuid) SELECT u.uuid, g.uuid FROM users u JOIN groups g USING (tenant_uuid) WHERE $1::uuid IS NOT NULL`,
		`INSERT INTO policies (tenant_uuid, name, slug) SELECT uuid, slug, slug FROM tenants WHERE $1::uuid IS NOT NULL`,
		`INSERT INTO group_policies (group_uuid, policy_uuid) SELECT g.uuid, p.uuid FROM policies p JOIN groups g USING (tenant_uuid) WHERE $1::uuid IS NOT NULL`,
	} {
		_, err := pool.Exec(t.Context(), s, top)
		require.NoError(t, err)
	}
	_, err := pool.Exec(t.Context(), "VACUUM ANALYZE")
	require.NoError(t, err)
	var tenant, user, group, policy uuid.UUID
	var name string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT g.tenant_uuid, g.uuid, g.name, u.uuid, p.uuid FROM groups g JOIN users u USING (tenant_uuid)
		JOIN policies p USING (tenant_uuid) WHERE g.slug = 'g2' AND g.tenant_uuid <> $1 LIMIT 1`, top).Scan(&tenant, &group, &name, &user, &policy))
	word, limit := name[len(name)-6:], int64(100)
	page := list.Page{Limit: &limit, OrderBy: "name"}
	groups := identity.NewGroups(pool)
	for what, c := range map[string]struct {
		scope   uuid.UUID
		recurse bool
		filter  identity.GroupFilter
		index   string
	}{
		"of a tenant": {tenant, false, identity.GroupFilter{}, "groups_(name|slug)_key"},
		"search":      {top, true, identity.GroupFilter{Search: &word}, "groups_name_trgm_idx"},
		"uuid":        {top, true, identity.GroupFilter{UUID: &group}, "groups_pkey"},
		"name":        {top, true, identity.GroupFilter{Name: &name}, "groups_name_(key|trgm_idx)"},
		"member":      {top, true, identity.GroupFilter{User: &user}, "user_groups_pkey"},
		"policy":      {top, true, identity.GroupFilter{Policy: &policy}, "group_policies_policy_idx"},
		"everything":  {top, true, identity.GroupFilter{}, ""},
	} {
		j.Take()
		_, _, _, err := groups.List(t.Context(), c.scope, c.recurse, c.filter, page)
		require.NoError(t, err, what)
		sent := j.Take()
		require.Len(t, sent, 1, "%s: statements", what)
		require.Regexp(t, c.index, explain(t, pool, sent[0]), what)
	}
	j.Take()
	_, _, _, err = groups.ListOfUser(t.Context(), tenant, user, identity.GroupFilter{}, page)
	require.NoError(t, err)
	sent := j.Take()
	require.Len(t, sent, 1)
	require.NotRegexp(t, "Seq Scan on (groups|user_groups|users)", explain(t, pool, sent[0]))
}
