package identity_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// manyPolicies makes 10,000 policies of 20 accesses: half of them in the top tenant, the others spread over 250 tenants, of
// which it gives one.
func manyPolicies(t *testing.T, pool *pgxpool.Pool) (top, tenant uuid.UUID) {
	t.Helper()
	top = factory.TopTenant(t.Context(), t, pool)
	for _, statement := range []string{
		`INSERT INTO tenants (parent_uuid, name, slug) SELECT uuid, 't' || n, 's' || n FROM tenants, generate_series(1, 250) AS n WHERE slug = 'master'`,
		`INSERT INTO policies (tenant_uuid, name, slug, description, acl, shared, config_managed)
		 SELECT t.uuid, 'policy ' || n * 7919 % 5000, 'p' || n, 'text ' || n, ARRAY(SELECT 'service' || k || '.things.*.read' FROM generate_series(1, 20) AS k), n = 1, n = 2 AND t.slug = 'master'
		 FROM tenants t, generate_series(1, 5000) AS n WHERE t.slug = 'master' OR n <= 20`,
	} {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	_, err := pool.Exec(t.Context(), "VACUUM ANALYZE")
	require.NoError(t, err)
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT uuid FROM tenants WHERE slug = 's125'").Scan(&tenant))
	return top, tenant
}

var executionTime = regexp.MustCompile(`Execution Time: ([0-9.]+) ms`)

func TestListsOfPoliciesAreTwoCheapStatements(t *testing.T) {
	t.Parallel()
	pool, j := dbtest.Noted(t)
	top, tenant := manyPolicies(t, pool)
	policies := identity.NewPolicies(pool)
	limit, word, id, no := int64(100), "icy 4711", uuid.New(), false
	page := list.Page{Limit: &limit, OrderBy: "name"}
	backwards := list.Page{Limit: &limit, OrderBy: "description", Descending: true}
	for what, c := range map[string]struct {
		scope   uuid.UUID
		recurse bool
		filter  identity.PolicyFilter
		page    list.Page
		index   string // that must be used; "": the whole table is a fair way
	}{
		"first page of many":       {top, false, identity.PolicyFilter{}, page, ""},
		"first page of the tree":   {top, true, identity.PolicyFilter{}, page, ""},
		"backwards":                {top, true, identity.PolicyFilter{}, backwards, ""},
		"first page of a tenant":   {tenant, false, identity.PolicyFilter{}, page, "policies_shared_idx"},
		"writable ones":            {tenant, false, identity.PolicyFilter{ReadOnly: &no}, page, "policies_shared_idx"},
		"search":                   {top, true, identity.PolicyFilter{Search: &word}, page, "policies_name_trgm_idx"},
		"search in a small tenant": {tenant, false, identity.PolicyFilter{Search: &word}, page, "policies_name_trgm_idx"},
		"uuid":                     {top, true, identity.PolicyFilter{UUID: &id}, page, "policies_pkey"},
		"of a user":                {top, true, identity.PolicyFilter{User: &id}, page, "policies_pkey"},
		"of a group":               {top, true, identity.PolicyFilter{Group: &id}, page, "policies_pkey"},
	} {
		j.Take()
		_, total, err := policies.List(t.Context(), c.scope, c.recurse, c.filter, c.page)
		require.NoError(t, err, what)
		require.NotZero(t, total, what)
		sent := j.Take()
		require.Len(t, sent, 2, "%s: a total and a page, whatever the length of the list", what)
		for _, s := range sent {
			plan := explain(t, pool, s)
			took, err := strconv.ParseFloat(executionTime.FindStringSubmatch(plan)[1], 64)
			require.NoError(t, err, plan)
			t.Logf("%s: %.1f ms", what, took)
			require.Less(t, took, 500., "%s: ten times what is promised, for a machine that is busy\n%s", what, plan)
		}
		if c.index != "" {
			plan := explain(t, pool, sent[1])
			require.Contains(t, plan, c.index, "%s\n%s", what, plan)
			require.NotContains(t, plan, "Seq Scan on policies", "%s\n%s", what, plan)
		}
	}
}

func TestAPolicyIsReadAndWrittenInFewStatements(t *testing.T) {
	t.Parallel()
	pool, j := dbtest.Noted(t)
	top, tenant := manyPolicies(t, pool)
	policies := identity.NewPolicies(pool)
	user := factory.User(t.Context(), t, pool, factory.UserOpts{Tenant: tenant})
	j.Take()
	made, err := policies.Create(t.Context(), tenant, everything, identity.NewPolicy{Name: "made", ACL: []string{"a", "b", "c"}})
	require.NoError(t, err)
	require.Len(t, j.Take(), 5, "lock, name, slug, row and trail, whatever the length of the access list")
	byUUID, bySlug := identity.PolicyRef{UUID: &made.UUID}, identity.PolicyRef{Slug: "made"}
	for what, c := range map[string]struct {
		do   func() error
		most int
	}{
		"get":         {func() error { _, err := policies.Get(t.Context(), top, byUUID); return err }, 1},
		"get by slug": {func() error { _, err := policies.Get(t.Context(), tenant, bySlug); return err }, 2},
		"add access":  {func() error { return policies.AddAccess(t.Context(), top, byUUID, everything, uuid.NewString()) }, 3},
		"attach":      {func() error { return policies.AttachUser(t.Context(), top, user, byUUID, everything) }, 5},
		"user's list": {func() error {
			_, _, _, err := policies.ListUser(t.Context(), top, user, identity.PolicyFilter{}, list.Page{OrderBy: "name"})
			return err
		}, 2},
	} {
		j.Take()
		require.NoError(t, c.do(), what)
		sent := j.Take()
		require.Len(t, sent, c.most, what)
		if what == "get" || what == "get by slug" {
			for _, s := range sent {
				plan := explain(t, pool, s)
				require.NotContains(t, plan, "Seq Scan on policies", "%s\n%s", what, plan)
			}
		}
	}
}
