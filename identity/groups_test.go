package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
)

const many = 100 // at once, in tests of races

func groupsSetup(t *testing.T) (pool *pgxpool.Pool, groups *identity.Groups, top uuid.UUID) {
	t.Helper()
	pool = dbtest.Pool(t)
	return pool, identity.NewGroups(pool), factory.TopTenant(t.Context(), t, pool)
}

// atOnce runs f many times at once and tells how often it gave no error, and how often one of this kind; any other fails.
func atOnce(t *testing.T, kind fault.Kind, f func(ctx context.Context, i int) error) (done, refused int) {
	t.Helper()
	var yes, no atomic.Int64
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			switch err := f(context.WithoutCancel(t.Context()), i); {
			case err == nil:
				yes.Add(1)
			case errors.Is(err, kind):
				no.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return int(yes.Load()), int(no.Load())
}

func rows(t *testing.T, pool *pgxpool.Pool, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+query, args...).Scan(&n))
	return n
}

func TestGroupsGetASlugFromTheirName(t *testing.T) {
	t.Parallel()
	_, groups, top := groupsSetup(t)
	const drawn = "^[a-z0-9]{3}$"
	for _, c := range []struct{ name, slug string }{
		{"ok", "^ok$"},
		{"OK", drawn}, // slugs are unique in any case
		{"o k!", drawn},
		{"My group-1_x", "^Mygroup-1_x$"},
		{"éàü", drawn},
		{" ", drawn},
		{strings.Repeat("x", 128), "^x{80}$"},
		{strings.Repeat("x", 127), drawn},
		{"wazo-all-users-tenant-x", "^wazo-all-users-tenant-x$"}, // not reserved
	} {
		g, err := groups.Create(t.Context(), top, c.name, nil)
		require.NoError(t, err, c.name)
		require.Regexp(t, c.slug, g.Slug, c.name)
		stored, err := groups.Get(t.Context(), top, g.UUID)
		require.NoError(t, err)
		require.Equal(t, identity.Group{UUID: g.UUID, Tenant: top, Name: c.name, Slug: g.Slug}, stored)
	}
}

func TestNamesAndSlugsOfGroupsAreUniqueInTheirTenant(t *testing.T) {
	t.Parallel()
	pool, groups, top := groupsSetup(t)
	child := factory.Tenant(t.Context(), t, pool, top)
	slug, upper := "team", "TEAM"
	first, err := groups.Create(t.Context(), top, "Team", &slug)
	require.NoError(t, err)
	for name, given := range map[string]*string{"Team": nil, "other": &slug, "another": &upper} {
		_, err := groups.Create(t.Context(), top, name, given)
		require.ErrorIs(t, err, fault.Conflict, name)
		require.EqualError(t, err, `Group "`+name+`" already exists`)
	}
	_, err = groups.Create(t.Context(), child, "Team", &slug)
	require.NoError(t, err, "another tenant")
	second, err := groups.Create(t.Context(), top, "team", nil)
	require.NoError(t, err, "names are told apart by case")
	_, err = groups.Rename(t.Context(), top, second.UUID, "Team")
	require.ErrorIs(t, err, fault.Conflict)
	require.EqualError(t, err, `Group "Team" already exists`)
	renamed, err := groups.Rename(t.Context(), top, first.UUID, "Team")
	require.NoError(t, err, "its own name")
	require.Equal(t, first, renamed)
	require.Equal(t, 3, rows(t, pool, "groups WHERE NOT system_managed"))
	require.Equal(t, 3, rows(t, pool, "trail WHERE action = 'group created'"), "what was refused is not in the trail")
	require.Equal(t, 1, rows(t, pool, "trail WHERE action = 'group updated'"))
	_, err = groups.Create(t.Context(), uuid.New(), "x", nil)
	require.ErrorIs(t, err, fault.Unauthenticated, "a tenant that is no more")
}

func TestSimultaneousCreationsOfAGroupHaveOneWinner(t *testing.T) {
	t.Parallel()
	pool, groups, top := groupsSetup(t)
	slug := "same"
	for what, create := range map[string]func(ctx context.Context, i int) error{
		"slug": func(ctx context.Context, i int) error {
			_, err := groups.Create(ctx, top, fmt.Sprint("name ", i), &slug)
			return err
		},
		"name": func(ctx context.Context, i int) error {
			own := fmt.Sprint("slug-", i)
			_, err := groups.Create(ctx, top, "one name", &own)
			return err
		},
		"name without a slug": func(ctx context.Context, _ int) error {
			_, err := groups.Create(ctx, top, "another name", nil)
			return err
		},
	} {
		done, refused := atOnce(t, fault.Conflict, create)
		require.Equal(t, []int{1, many - 1}, []int{done, refused}, what)
	}
	done, _ := atOnce(t, fault.Conflict, func(ctx context.Context, i int) error {
		_, err := groups.Create(ctx, top, "alike"+strings.Repeat(" ", i), nil)
		return err
	})
	require.Equal(t, many, done, "names that give the same slug")
	require.Equal(t, 1, rows(t, pool, "groups WHERE slug = 'alike'"))
	require.Equal(t, 3+many, rows(t, pool, "groups WHERE NOT system_managed"))
}

func TestSimultaneousAdditionsOfAMemberAllSucceed(t *testing.T) {
	t.Parallel()
	pool, groups, top := groupsSetup(t)
	user := factory.User(t.Context(), t, pool, factory.UserOpts{})
	g, err := groups.Create(t.Context(), top, "group", nil)
	require.NoError(t, err)
	done, _ := atOnce(t, fault.Conflict, func(ctx context.Context, _ int) error { return groups.AddUser(ctx, top, g.UUID, user) })
	require.Equal(t, many, done)
	require.Equal(t, 1, rows(t, pool, "user_groups WHERE group_uuid = $1", g.UUID))
	require.Equal(t, 1, rows(t, pool, "trail WHERE action = 'group user added' AND subject_uuid = $1 AND details->>'user_uuid' = $2", g.UUID, user.String()))
	done, _ = atOnce(t, fault.Conflict, func(ctx context.Context, _ int) error { return groups.RemoveUser(ctx, top, g.UUID, user) })
	require.Equal(t, many, done)
	require.Zero(t, rows(t, pool, "user_groups WHERE group_uuid = $1", g.UUID))
	require.Equal(t, 1, rows(t, pool, "trail WHERE action = 'group user removed'"))
}

func TestAMembershipEndsWithItsGroupAndItsUser(t *testing.T) {
	t.Parallel()
	pool, groups, top := groupsSetup(t)
	const pairs = 20
	for i := range pairs { // whatever comes first, nothing but "not found" is seen and nothing is left over
		user := factory.User(t.Context(), t, pool, factory.UserOpts{})
		g, err := groups.Create(t.Context(), top, fmt.Sprint("group ", i), nil)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := groups.AddUser(context.WithoutCancel(t.Context()), top, g.UUID, user); err != nil && !errors.Is(err, fault.NotFound) {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if i%2 == 0 {
				if err := groups.Delete(context.WithoutCancel(t.Context()), top, g.UUID); err != nil {
					t.Error(err)
				}
			} else if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DELETE FROM users WHERE uuid = $1", user); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		require.Zero(t, rows(t, pool, "user_groups"))
	}
	require.Equal(t, pairs/2, rows(t, pool, "trail WHERE action = 'group deleted'"))
}

func TestListsOfGroups(t *testing.T) {
	t.Parallel()
	pool, groups, top := groupsSetup(t)
	child := factory.Tenant(t.Context(), t, pool, top)
	grandchild := factory.Tenant(t.Context(), t, pool, child)
	user := factory.User(t.Context(), t, pool, factory.UserOpts{Tenant: child})
	ids := map[string]uuid.UUID{}
	for name, tenant := range map[string]uuid.UUID{"alpha beta gamma": child, "Alpha": child, "100%_\\": child, "zeta": grandchild} {
		g, err := groups.Create(t.Context(), tenant, name, nil)
		require.NoError(t, err)
		ids[name] = g.UUID
	}
	require.NoError(t, groups.AddUser(t.Context(), child, ids["Alpha"], user))
	require.NoError(t, groups.AddUser(t.Context(), child, ids["alpha beta gamma"], user))
	policy := uuid.New()
	_, err := pool.Exec(t.Context(), "INSERT INTO policies (uuid, tenant_uuid, name, slug) VALUES ($1, $2, 'policy', 'pol')", policy, top)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "INSERT INTO group_policies (group_uuid, policy_uuid) VALUES ($1, $2)", ids["100%_\\"], policy)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "UPDATE groups SET system_managed = true WHERE uuid = $1", ids["Alpha"])
	require.NoError(t, err)

	text := func(s string) *string { return &s }
	some := func(name string) *uuid.UUID { id := ids[name]; return &id }
	none, yes, no, one, zero := uuid.New(), true, false, int64(1), int64(0)
	all := []string{"100%_\\", "Alpha", "alpha beta gamma"}
	for name, c := range map[string]struct {
		scope           uuid.UUID
		recurse         bool
		f               identity.GroupFilter
		p               list.Page
		want            []string
		total, filtered int64
	}{
		"of the tenant":                 {scope: child, want: all, total: 3, filtered: 3},
		"and below":                     {scope: child, recurse: true, want: append(all[:3:3], "zeta"), total: 4, filtered: 4},
		"descending":                    {scope: child, p: list.Page{Descending: true}, want: []string{"alpha beta gamma", "Alpha", "100%_\\"}, total: 3, filtered: 3},
		"a page":                        {scope: child, p: list.Page{Limit: &one, Offset: 1}, want: []string{"Alpha"}, total: 3, filtered: 3},
		"an empty page":                 {scope: child, p: list.Page{Limit: &zero}, total: 3, filtered: 3},
		"beyond the end":                {scope: child, p: list.Page{Offset: 9}, total: 3, filtered: 3},
		"words in their order":          {scope: child, f: identity.GroupFilter{Search: text("ALPHA gam")}, want: []string{"alpha beta gamma"}, total: 3, filtered: 1},
		"not in another":                {scope: child, f: identity.GroupFilter{Search: text("gamma alpha")}, total: 3},
		"an empty search":               {scope: child, f: identity.GroupFilter{Search: text("")}, want: all, total: 3, filtered: 3},
		"wildcards are plain":           {scope: child, f: identity.GroupFilter{Search: text(`%_\`)}, want: all[:1], total: 3, filtered: 1},
		"uuid":                          {scope: child, f: identity.GroupFilter{UUID: some("Alpha")}, want: []string{"Alpha"}, total: 3, filtered: 1},
		"uuid elsewhere":                {scope: child, f: identity.GroupFilter{UUID: some("zeta")}, total: 3},
		"name, in its case":             {scope: child, f: identity.GroupFilter{Name: text("alpha")}, total: 3},
		"slug":                          {scope: child, f: identity.GroupFilter{Slug: text("alphabetagamma")}, want: []string{"alpha beta gamma"}, total: 3, filtered: 1},
		"member":                        {scope: child, f: identity.GroupFilter{User: &user}, want: all[1:], total: 3, filtered: 2},
		"member and name":               {scope: child, f: identity.GroupFilter{User: &user, Name: text("Alpha")}, want: []string{"Alpha"}, total: 3, filtered: 1},
		"a member of nothing":           {scope: child, f: identity.GroupFilter{User: &none}, total: 3},
		"system-managed":                {scope: child, f: identity.GroupFilter{SystemManaged: &yes}, want: []string{"Alpha"}, total: 3, filtered: 1},
		"ordinary":                      {scope: child, recurse: true, f: identity.GroupFilter{SystemManaged: &no}, want: []string{"100%_\\", "alpha beta gamma", "zeta"}, total: 4, filtered: 3},
		"policy":                        {scope: child, f: identity.GroupFilter{Policy: &policy}, want: all[:1], total: 3, filtered: 1},
		"policy by its slug":            {scope: child, f: identity.GroupFilter{PolicySlug: text("pol")}, want: all[:1], total: 3, filtered: 1},
		"policy by what is not the one": {scope: child, f: identity.GroupFilter{PolicySlug: text("POL")}, total: 3},
	} {
		if c.p.OrderBy == "" {
			c.p.OrderBy = "name"
		}
		items, total, filtered, err := groups.List(t.Context(), c.scope, c.recurse, c.f, c.p)
		require.NoError(t, err, name)
		require.Equal(t, c.want, groupNames(items), name)
		require.Equal(t, []int64{c.total, c.filtered}, []int64{total, filtered}, name)
	}
	items, _, _, err := groups.List(t.Context(), top, true, identity.GroupFilter{}, list.Page{OrderBy: "uuid", Descending: true})
	require.NoError(t, err)
	require.Len(t, items, 5)
	for i := range items[1:] {
		require.Greater(t, items[i].UUID.String(), items[i+1].UUID.String())
	}
}

func groupNames(items []identity.Group) (names []string) {
	for _, g := range items {
		names = append(names, g.Name)
	}
	return names
}

func TestGroupsOfAUser(t *testing.T) {
	t.Parallel()
	pool, groups, top := groupsSetup(t)
	child := factory.Tenant(t.Context(), t, pool, top)
	user := factory.User(t.Context(), t, pool, factory.UserOpts{Tenant: child})
	page := list.Page{OrderBy: "name"}
	items, total, filtered, err := groups.ListOfUser(t.Context(), child, user, identity.GroupFilter{}, page)
	require.NoError(t, err, "of none")
	require.Empty(t, items)
	require.Equal(t, []int64{0, 0}, []int64{total, filtered})
	for _, name := range []string{"dev", "ops", "idle"} {
		g, err := groups.Create(t.Context(), child, name, nil)
		require.NoError(t, err)
		if name != "idle" {
			require.NoError(t, groups.AddUser(t.Context(), top, g.UUID, user))
		}
	}
	search := "DE"
	items, total, filtered, err = groups.ListOfUser(t.Context(), top, user, identity.GroupFilter{Search: &search}, page)
	require.NoError(t, err, "seen from above")
	require.Equal(t, []string{"dev"}, groupNames(items))
	require.Equal(t, []int64{2, 1}, []int64{total, filtered})
	page.Descending = true
	items, _, _, err = groups.ListOfUser(t.Context(), child, user, identity.GroupFilter{}, page)
	require.NoError(t, err)
	require.Equal(t, []string{"ops", "dev"}, groupNames(items))
	for what, scope := range map[string]uuid.UUID{"a sibling": factory.Tenant(t.Context(), t, pool, top), "below": factory.Tenant(t.Context(), t, pool, child)} {
		_, _, _, err = groups.ListOfUser(t.Context(), scope, user, identity.GroupFilter{}, page)
		require.ErrorIs(t, err, fault.NotFound, what)
	}
}
