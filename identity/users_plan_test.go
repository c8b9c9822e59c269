package identity_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

// crowd makes many users, most of them in one tenant, a few in many tenants, and gives the top tenant and the crowded one.
func crowd(t *testing.T, pool *pgxpool.Pool, users, tenants int) (top, crowded uuid.UUID) {
	t.Helper()
	top = factory.TopTenant(t.Context(), t, pool)
	crowded = factory.Tenant(t.Context(), t, pool, top)
	for _, s := range []string{
		`INSERT INTO tenants (parent_uuid, name, slug) SELECT $1, 'tenant', 't' || n FROM generate_series(1, $3) n WHERE $2::uuid IS NOT NULL AND $4::int > 0`,
		`INSERT INTO users (tenant_uuid, username, firstname, lastname)
		 SELECT $2, 'user-' || lpad((n * 7919 % $4::int)::text, 7, '0'), md5(n::text), 'Lastname ' || n FROM generate_series(1, $4::int) n WHERE $1::uuid IS NOT NULL AND $3::int >= 0`,
		`INSERT INTO users (tenant_uuid, username) SELECT uuid, 'few-' || slug FROM tenants WHERE parent_uuid = $1 AND uuid <> $2 AND $3::int >= 0 AND $4::int >= 0`,
		`INSERT INTO emails (user_uuid, address, login_key, main, confirmed)
		 SELECT uuid, username || '@example.com', sha256(convert_to(username || '@example.com', 'UTF8')), true, true FROM users
		 WHERE username IS NOT NULL AND $1::uuid IS NOT NULL AND $2::uuid IS NOT NULL AND $3::int >= 0 AND $4::int >= 0`,
		`INSERT INTO groups (uuid, tenant_uuid, name, slug) SELECT $2, $2, 'everybody', 'everybody' WHERE $1::uuid IS NOT NULL AND $3::int >= 0 AND $4::int >= 0`,
		`INSERT INTO user_groups (user_uuid, group_uuid) SELECT u.uuid, $2 FROM users u WHERE u.tenant_uuid = $2 AND $1::uuid IS NOT NULL AND $3::int >= 0 AND $4::int >= 0`,
	} {
		_, err := pool.Exec(t.Context(), s, top, crowded, tenants, users)
		require.NoError(t, err)
	}
	_, err := pool.Exec(t.Context(), "VACUUM ANALYZE")
	require.NoError(t, err)
	return top, crowded
}

// explain gives the plan of a statement with its parameters.
func explain(t *testing.T, pool *pgxpool.Pool, s dbtest.Statement) string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF) "+s.SQL, s.Args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

func TestListsOfUsersAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	pool, j := dbtest.Noted(t)
	top, crowded := crowd(t, pool, 10_000, 300)
	users := identity.NewUsers(pool, nil, nil, nil, func() {})
	limit, name, word, id := int64(100), "user-0000042", "r-000004", uuid.New()
	page := list.Page{Limit: &limit, OrderBy: "username"}
	backwards, byFirstname, byLastname := page, page, page
	backwards.Descending, byFirstname.OrderBy, byLastname.OrderBy = true, "firstname", "lastname"
	for what, c := range map[string]struct {
		scope   uuid.UUID
		recurse bool
		filter  identity.UserFilter
		page    list.Page
		index   string
	}{
		"first page":                            {crowded, false, identity.UserFilter{}, page, "username_idx"},
		"first page, backwards":                 {crowded, false, identity.UserFilter{}, backwards, "username_idx"},
		"first page of the tree":                {top, true, identity.UserFilter{}, page, "users_username_idx"},
		"first page of the tree, by first name": {top, true, identity.UserFilter{}, byFirstname, "users_firstname_idx"},
		"first page of the tree, by last name":  {top, true, identity.UserFilter{}, byLastname, "users_lastname_idx"},
		"search":                                {crowded, false, identity.UserFilter{Search: &word}, page, "users_username_trgm_idx"},
		"search, addresses":                     {top, true, identity.UserFilter{Search: &word}, page, "emails_address_trgm_idx"},
		"username":                              {top, true, identity.UserFilter{Username: &name}, page, "users_username_idx"},
		"address":                               {top, true, identity.UserFilter{EmailAddress: &name}, page, "emails_address_idx"},
		"uuid":                                  {top, true, identity.UserFilter{UUID: &id}, page, "users_pkey"},
	} {
		j.Take()
		_, _, _, err := users.List(t.Context(), c.scope, c.recurse, c.filter, c.page)
		require.NoError(t, err, what)
		sent := j.Take()
		require.Len(t, sent, 2, "%s: a total and a page, whatever the length of the list", what)
		plan := explain(t, pool, sent[1])
		require.Contains(t, plan, c.index, "%s\n%s", what, plan)
		require.NotContains(t, plan, "Seq Scan on users", "%s\n%s", what, plan)
		require.NotContains(t, plan, "Seq Scan on emails", "%s\n%s", what, plan)
	}
}
