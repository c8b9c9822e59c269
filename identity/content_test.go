package identity_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
)

// apply applies a configuration as a process that starts with it does, and gives what it logged.
func (o *organisation) apply(ctx context.Context, t *testing.T, cfg config.Content) string {
	t.Helper()
	var log bytes.Buffer
	require.NoError(t, identity.NewContent(o.pool, cfg, slog.New(slog.NewJSONHandler(&log, nil))).Apply(ctx))
	return log.String()
}

// tables are all rows that the configuration has a say in, as one text.
func (o *organisation) tables(t *testing.T) (text string) {
	t.Helper()
	require.NoError(t, o.pool.QueryRow(t.Context(), `SELECT concat((SELECT json_agg(p ORDER BY p.uuid) FROM policies p), (SELECT json_agg(g ORDER BY g.uuid) FROM groups g),
		(SELECT json_agg(l ORDER BY l.group_uuid, l.policy_uuid) FROM group_policies l), (SELECT count(*) FROM trail), (SELECT json_agg(u ORDER BY u) FROM user_groups u))`).Scan(&text))
	return text
}

func configured() config.Content {
	return config.Content{UpdatePolicyOnStartup: true,
		DefaultPolicies:     map[string]config.Policy{"everybody": {ACL: []string{"a", "b", "a"}, Description: "d"}, "admin": {ACL: []string{"#"}}, "lonely": {ACL: []string{}}},
		AllUsersPolicies:    map[string]bool{"everybody": true, "off": false, "unknown": true},
		TenantDefaultGroups: map[string]config.Group{"admins": {Policies: map[string]bool{"admin": true, "lonely": false, "foreign": true}}, "empty": {}}}
}

// linked counts the tenants whose group has a policy; the group is of all users if its slug is empty.
func (o *organisation) linked(t *testing.T, group, policy string) int {
	t.Helper()
	return o.count(t, `group_policies gp JOIN groups g ON g.uuid = gp.group_uuid JOIN policies p ON p.uuid = gp.policy_uuid
		WHERE g.slug = coalesce(nullif($1, ''), 'wazo-all-users-tenant-' || g.tenant_uuid) AND p.slug = $2`, group, policy)
}

func TestTheConfiguredContentIsMadeInEveryTenantOnce(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	tenant := factory.Tenant(t.Context(), t, o.pool, o.top) // without its all-users group
	user := factory.User(t.Context(), t, o.pool, factory.UserOpts{Tenant: tenant})
	o.exec(t, "INSERT INTO policies (tenant_uuid, name, slug) VALUES ($1, 'x', 'unknown'), ($1, 'y', 'foreign'), ($1, 'z', 'everybody')", tenant)
	log := o.apply(t.Context(), t, configured())
	require.Contains(t, log, `"msg":"all_users_policies: the top tenant has no such policy: skipped","policy":"unknown"`)
	require.Contains(t, log, `"msg":"tenant_default_groups: the top tenant has no such policy: skipped","policy":"foreign"`)
	require.Contains(t, log, `"level":"ERROR"`)

	require.Equal(t, 1, o.count(t, `policies WHERE tenant_uuid = $1 AND slug = 'everybody' AND name = slug AND description = 'd' AND acl = '{a,b}' AND config_managed AND NOT shared`, o.top))
	require.Equal(t, 3, o.count(t, "policies WHERE config_managed"))
	require.Equal(t, 2, o.linked(t, "", "everybody"))
	require.Equal(t, 2, o.count(t, "group_policies gp JOIN policies p ON p.uuid = gp.policy_uuid WHERE p.slug = 'everybody' AND p.tenant_uuid = $1", o.top), "no sub-tenant's")
	require.Equal(t, 2, o.linked(t, "admins", "admin"))
	require.Equal(t, 4, o.count(t, "group_policies"))
	require.Equal(t, 4, o.count(t, "groups WHERE NOT system_managed AND name = slug"))
	require.Equal(t, 1, o.count(t, "user_groups ug JOIN groups g ON g.uuid = ug.group_uuid WHERE g.tenant_uuid = $1 AND g.system_managed AND ug.user_uuid = $2", tenant, user))

	before := o.tables(t)
	o.apply(t.Context(), t, configured())
	require.Equal(t, before, o.tables(t), "a second start changes nothing")
	require.Zero(t, o.count(t, "event_outbox"))
	off := configured()
	off.UpdatePolicyOnStartup = false
	o.exec(t, "DELETE FROM group_policies")
	before = o.tables(t)
	require.Empty(t, o.apply(t.Context(), t, off))
	require.Equal(t, before, o.tables(t))
}

func TestALaterStartRepairsWhatWasChangedByHand(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	factory.Tenant(t.Context(), t, o.pool, o.top)
	cfg := configured()
	o.apply(t.Context(), t, cfg)
	var id uuid.UUID
	require.NoError(t, o.pool.QueryRow(t.Context(), "SELECT uuid FROM policies WHERE slug = 'everybody'").Scan(&id))
	o.exec(t, "UPDATE policies SET acl = '{x}', name = 'other', description = NULL, config_managed = false WHERE uuid = $1", id)
	o.exec(t, "UPDATE groups SET name = 'chiefs' WHERE slug = 'admins'")
	o.exec(t, "DELETE FROM groups WHERE slug = 'empty'")
	o.exec(t, "DELETE FROM group_policies")
	// By hand: a link that is switched off, one to a policy of the configuration that is not named, one to another policy.
	o.exec(t, "INSERT INTO policies (tenant_uuid, name, slug) VALUES ($1, 'off', 'off'), ($1, 'handmade', 'handmade')", o.top)
	o.exec(t, `INSERT INTO group_policies SELECT g.uuid, p.uuid FROM groups g, policies p WHERE g.system_managed AND p.slug IN ('off', 'admin', 'handmade')
		OR g.slug = 'admins' AND p.slug IN ('lonely', 'handmade')`)
	o.apply(t.Context(), t, cfg)
	require.Equal(t, 1, o.count(t, "policies WHERE uuid = $1 AND slug = 'everybody' AND name = slug AND description = 'd' AND acl = '{a,b}' AND config_managed", id))
	require.Equal(t, 4, o.count(t, "groups WHERE slug IN ('admins', 'empty') AND name = slug"))
	for _, x := range []struct {
		group, policy string
		want          int
	}{{"", "everybody", 2}, {"", "off", 2}, {"", "admin", 0}, {"", "handmade", 2}, {"admins", "admin", 2}, {"admins", "lonely", 0}, {"admins", "handmade", 2}} {
		require.Equal(t, x.want, o.linked(t, x.group, x.policy), "%+v", x)
	}
}

func TestPoliciesThatTheConfigurationNoLongerHasGoUnlessSomebodyHasThem(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	tenant := factory.Tenant(t.Context(), t, o.pool, o.top)
	user := factory.User(t.Context(), t, o.pool, factory.UserOpts{})
	cfg := config.Content{UpdatePolicyOnStartup: true, AllUsersPolicies: map[string]bool{"all": true}, TenantDefaultGroups: map[string]config.Group{"g": {Policies: map[string]bool{"grouped": true}}},
		DefaultPolicies: map[string]config.Policy{"all": {}, "grouped": {}, "owned": {}, "free": {}, "stays": {}}}
	o.apply(t.Context(), t, cfg)
	o.exec(t, "INSERT INTO user_policies SELECT $1, uuid FROM policies WHERE slug = 'owned'", user)
	o.exec(t, "INSERT INTO policies (tenant_uuid, name, slug, config_managed) VALUES ($1, 'stray', 'stray', true), ($1, 'stays', 'stays', true)", tenant)
	log := o.apply(t.Context(), t, config.Content{UpdatePolicyOnStartup: true, DefaultPolicies: map[string]config.Policy{"stays": {}}})
	require.Equal(t, 2, o.count(t, "policies WHERE slug = 'stays'"))
	require.Zero(t, o.count(t, "policies WHERE slug IN ('all', 'free', 'stray')"), "the links of all users went first, in every tenant")
	for _, slug := range []string{"owned", "grouped"} {
		var id uuid.UUID
		require.NoError(t, o.pool.QueryRow(t.Context(), "SELECT uuid FROM policies WHERE slug = $1 AND config_managed", slug).Scan(&id))
		require.Contains(t, log, `"level":"WARN","msg":"default_policies: deleting policy `+id.String()+` (SKIPPED: associated)"`)
	}
	require.Equal(t, 2, o.count(t, "groups WHERE slug = 'g'"), "groups stay")
	o.exec(t, "DELETE FROM user_policies")
	o.apply(t.Context(), t, config.Content{UpdatePolicyOnStartup: true})
	require.Equal(t, 1, o.count(t, "policies WHERE config_managed"), "the grouped one")
}

func TestNothingAnAdministratorNamedKeepsTheServiceFromStarting(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	a, b, c := factory.Tenant(t.Context(), t, o.pool, o.top), factory.Tenant(t.Context(), t, o.pool, o.top), factory.Tenant(t.Context(), t, o.pool, o.top)
	o.exec(t, "INSERT INTO policies (tenant_uuid, name, slug) VALUES ($1, 'admin', 'other'), ($1, 'n', 'Everybody')", o.top)
	o.exec(t, "INSERT INTO groups (tenant_uuid, name, slug) VALUES ($1, 'admins', 'x'), ($2, 'y', 'ADMINS'), ($3, 'admins', 'z'), ($3, 'old', 'admins')", a, b, c)
	log := o.apply(t.Context(), t, configured())
	require.Contains(t, log, `"msg":"default_policies: another policy of the top tenant has this name or slug: skipped","policy":"admin"`)
	require.Contains(t, log, `"msg":"default_policies: another policy of the top tenant has this name or slug: skipped","policy":"everybody"`)
	for _, tenant := range []uuid.UUID{a, b, c} {
		require.Contains(t, log, `"msg":"tenant_default_groups: another group of the tenant has this name or slug: skipped","group":"admins","tenant_uuid":"`+tenant.String())
	}
	require.Equal(t, 1, o.count(t, "policies WHERE config_managed"), "lonely")
	require.Equal(t, 4, o.count(t, "groups WHERE slug = 'empty'"))
}

func TestManyProcessesApplyTheirContentAtOnceWhileTenantsComeAndGo(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.AllUsersPolicies = map[string]bool{"everybody": true}
	o := newOrganisation(t, cfg)
	for range 20 {
		factory.Tenant(t.Context(), t, o.pool, o.top)
	}
	o.apply(t.Context(), t, cfg)
	o.exec(t, "DELETE FROM groups")
	ctx := context.WithoutCancel(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := identity.NewContent(o.pool, cfg, slog.New(slog.DiscardHandler)).Apply(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 5 {
				made, err := o.tenants.Create(ctx, o.top, native(""))
				if err == nil {
					err = o.tenants.Delete(ctx, o.top, made.UUID)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 3, o.count(t, "policies WHERE config_managed"))
	require.Equal(t, 21, o.linked(t, "", "everybody"))
	require.Equal(t, 21, o.linked(t, "admins", "admin"))
	require.Equal(t, 63, o.count(t, "groups"))
}

// TestContentOfManyTenants tells how long a start takes with 5,000 tenants; the machine decides, so only the result counts.
func TestContentOfManyTenants(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	o.manyTenants(t, 5000)
	cfg := configured()
	for _, when := range []string{"first", "second"} {
		began := time.Now()
		o.apply(t.Context(), t, cfg)
		t.Logf("%s start with 5,000 tenants: %s", when, time.Since(began))
	}
	require.Equal(t, 5001, o.linked(t, "", "everybody"))
	require.Equal(t, 5001, o.linked(t, "admins", "admin"))
}
