package identity_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/token"
)

// organisation is the service on a fresh database.
type organisation struct {
	pool    *pgxpool.Pool
	tenants *identity.Tenants
	top     uuid.UUID
	woken   atomic.Int64
}

func newOrganisation(t *testing.T, cfg config.Content) *organisation {
	t.Helper()
	o := &organisation{pool: dbtest.Pool(t)}
	o.tenants = o.service(cfg)
	o.top = factory.TopTenant(t.Context(), t, o.pool)
	return o
}

func (o *organisation) service(cfg config.Content) *identity.Tenants {
	log := slog.New(slog.DiscardHandler)
	sessions := token.New(token.Deps{Pool: o.pool, Log: log, Wake: func() {}})
	return identity.NewTenants(o.pool, sessions, outbox.NewEvents(true), identity.Methods{"ldap"}, cfg, log, func() { o.woken.Add(1) })
}

func (o *organisation) count(t *testing.T, what string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, o.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+what, args...).Scan(&n))
	return n
}

func (o *organisation) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := o.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func native(name string, domains ...string) identity.NewTenant {
	in := identity.NewTenant{TenantChange: identity.TenantChange{Method: "native", Domains: domains}}
	if name != "" {
		in.Name = &name
	}
	return in
}

func TestATenantComesWithItsGroupsAndNothingElse(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{AllUsersPolicies: map[string]bool{"everybody": true, "nobody": false},
		TenantDefaultGroups: map[string]config.Group{"admins": {Policies: map[string]bool{"admin": true, "absent": true, "nobody": false}}}})
	other := factory.Tenant(t.Context(), t, o.pool, o.top)
	o.exec(t, `INSERT INTO policies (tenant_uuid, name, slug) VALUES ($1, 'a', 'everybody'), ($1, 'b', 'admin'), ($1, 'c', 'nobody'),
		($2, 'a', 'everybody'), ($2, 'b', 'admin'), ($2, 'd', 'absent')`, o.top, other)
	tables := []string{"tenants", "groups", "group_policies", "policies", "domains", "users", "user_groups", "event_outbox", "trail"}
	before := map[string]int{}
	for _, x := range tables {
		before[x] = o.count(t, x)
	}
	made, err := o.tenants.Create(t.Context(), other, native("My Tenant! é-x", "b.io", "a.io", "b.io"))
	require.NoError(t, err)
	require.Equal(t, other, made.Parent)
	require.Equal(t, "MyTenantx", made.Slug)
	require.Equal(t, []string{"a.io", "b.io"}, made.Domains)
	require.Positive(t, o.woken.Load())
	for table, n := range map[string]int{"tenants": 1, "groups": 2, "group_policies": 2, "domains": 2, "event_outbox": 1, "trail": 1} {
		require.Equal(t, before[table]+n, o.count(t, table), table)
	}
	for _, x := range []string{"policies", "users", "user_groups"} {
		require.Equal(t, before[x], o.count(t, x), x)
	}
	require.Equal(t, 1, o.count(t, "groups WHERE tenant_uuid = $1 AND slug = 'wazo-all-users-tenant-' || $1::text AND name = slug AND system_managed", made.UUID))
	require.Equal(t, 2, o.count(t, `group_policies gp JOIN groups g ON g.uuid = gp.group_uuid JOIN policies p ON p.uuid = gp.policy_uuid
		WHERE g.tenant_uuid = $1 AND p.tenant_uuid = $2 AND (g.slug, p.slug, g.system_managed) IN (('admins', 'admin', false), ('wazo-all-users-tenant-' || $1::text, 'everybody', true))`,
		made.UUID, o.top), "policies of the top tenant only")
	read, err := o.tenants.Get(t.Context(), o.top, made.UUID)
	require.NoError(t, err)
	require.Equal(t, made, read)
}

func TestATenantWithoutAPolicyForAllUsersIsNotMade(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{AllUsersPolicies: map[string]bool{"absent": true}})
	_, err := o.tenants.Create(t.Context(), o.top, native("x", "a.io"))
	require.ErrorContains(t, err, "absent")
	_, told := fault.As(err)
	require.False(t, told, "an internal error")
	require.Equal(t, 1, o.count(t, "tenants"))
	require.Zero(t, o.count(t, "event_outbox"))
	require.Zero(t, o.count(t, "domains"))
}

func TestSlugsOfTenants(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	drawn := regexp.MustCompile(`^[a-z0-9]{3}$`)
	for _, c := range []struct{ name, want string }{{"Same", "Same"}, {"Same", ""}, {"same", "same"}, {"", ""}, {"é!", ""}, {strings.Repeat("x", 30), "xxxxxxxxxx"}} {
		made, err := o.tenants.Create(t.Context(), o.top, native(c.name))
		require.NoError(t, err)
		if c.want == "" {
			require.Regexp(t, drawn, made.Slug)
		} else {
			require.Equal(t, c.want, made.Slug)
		}
	}
}

// race runs a creation in many goroutines and gives how many succeeded and what the others were told.
func race(t *testing.T, f func(ctx context.Context, i int) error) (won int, losers []error) {
	t.Helper()
	const rivals = 100
	results := make([]error, rivals)
	var wg sync.WaitGroup
	for i := range rivals {
		wg.Go(func() { results[i] = f(context.WithoutCancel(t.Context()), i) })
	}
	wg.Wait()
	for _, err := range results {
		if err == nil {
			won++
		} else {
			losers = append(losers, err)
		}
	}
	return won, losers
}

func TestOfManyCreationsAtOnceOneGetsWhatIsUnique(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	id, slug := uuid.New(), "wanted"
	for what, c := range map[string]struct {
		in   func(i int) identity.NewTenant
		text string
	}{
		"slug": {func(int) identity.NewTenant { in := native("n"); in.Slug = &slug; return in }, "Conflict detected"},
		"uuid": {func(int) identity.NewTenant { in := native(""); in.UUID = &id; return in }, "Tenant Conflict detected"},
		"domain_names": {func(i int) identity.NewTenant {
			return native("", fmt.Sprintf("a%d.io", i), "shared.io", fmt.Sprintf("z%d.io", i))
		}, "Conflict detected"},
	} {
		won, losers := race(t, func(ctx context.Context, i int) error {
			_, err := o.tenants.Create(ctx, o.top, c.in(i))
			return err
		})
		require.Equal(t, 1, won, what)
		for _, err := range losers {
			f, ok := fault.As(err)
			require.True(t, ok, "%s: %v", what, err)
			require.Equal(t, fault.Conflict, f.Kind)
			require.Equal(t, c.text, f.Message)
			require.Contains(t, f.Details, what)
		}
	}
	require.Equal(t, 4, o.count(t, "tenants"))
	require.Equal(t, 3, o.count(t, "domains"))
	require.Equal(t, 3, o.count(t, "event_outbox"))
	won, losers := race(t, func(ctx context.Context, _ int) error {
		_, err := o.tenants.Create(ctx, o.top, native("everybody"))
		return err
	})
	require.Empty(t, losers, "slugs of our own making give way")
	require.Equal(t, 100, won)
}

func TestDomainsThatTenantsSwapNeverDeadlock(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	a, err := o.tenants.Create(t.Context(), o.top, native("a", "a.io"))
	require.NoError(t, err)
	b, err := o.tenants.Create(t.Context(), o.top, native("b", "b.io"))
	require.NoError(t, err)
	_, losers := race(t, func(ctx context.Context, i int) error {
		tenant, domains := a.UUID, []string{"a.io", "b.io", "c.io"}
		if i%2 == 0 {
			tenant = b.UUID
		}
		_, err := o.tenants.Update(ctx, o.top, tenant, identity.TenantChange{Method: "native", Domains: domains[i%3 : i%3+1]})
		return err
	})
	for _, err := range losers {
		require.ErrorIs(t, err, fault.Conflict)
	}
	require.LessOrEqual(t, o.count(t, "domains"), 2)
}

func TestDomainsThatStayKeepTheirUUIDs(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	made, err := o.tenants.Create(t.Context(), o.top, native("a", "a.io", "b.io"))
	require.NoError(t, err)
	before, err := o.tenants.Domains(t.Context(), o.top, made.UUID)
	require.NoError(t, err)
	require.Len(t, before, 2)
	_, err = o.tenants.Update(t.Context(), o.top, made.UUID, identity.TenantChange{Method: "native", Domains: []string{"c.io", "b.io"}})
	require.NoError(t, err)
	after, err := o.tenants.Domains(t.Context(), o.top, made.UUID)
	require.NoError(t, err)
	require.Len(t, after, 2)
	require.Equal(t, before[1], after[0])
	require.Equal(t, "c.io", after[1].Name)
}

// TestParallelMovesMakeNoCycle has each tenant moved below the next: in a ring, one move at least must be refused.
func TestParallelMovesMakeNoCycle(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	const n = 5
	var ring [n]uuid.UUID
	for i := range ring {
		ring[i] = factory.Tenant(t.Context(), t, o.pool, o.top)
	}
	_, losers := race(t, func(ctx context.Context, i int) error { return o.tenants.Move(ctx, o.top, ring[i%n], ring[(i+1)%n]) })
	require.NotEmpty(t, losers)
	for _, err := range losers {
		require.ErrorIs(t, err, fault.Conflict)
	}
	_, total, _, err := o.tenants.List(t.Context(), o.top, identity.TenantFilter{}, list.Page{})
	require.NoError(t, err)
	require.EqualValues(t, n+1, total, "all are still below the top tenant")
}

func TestCreationsMeetADeletionOfTheirParent(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	parent := factory.Tenant(t.Context(), t, o.pool, o.top)
	_, losers := race(t, func(ctx context.Context, i int) error {
		if i%10 == 5 {
			return o.tenants.Delete(ctx, o.top, parent)
		}
		_, err := o.tenants.Create(ctx, parent, native(""))
		return err
	})
	children := o.count(t, "tenants WHERE parent_uuid = $1", parent)
	for _, err := range losers {
		_, told := fault.As(err)
		require.True(t, told, "%v", err)
	}
	if children > 0 {
		require.Equal(t, 1, o.count(t, "tenants WHERE uuid = $1", parent))
	}
}

func TestATenantIsDeletedWithEverythingInIt(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{TenantDefaultGroups: map[string]config.Group{"g": {}}})
	id := uuid.New()
	for range 3 { // what was unique is free again at once
		slug := "mine"
		in := native("n", "a.io")
		in.UUID, in.Slug = &id, &slug
		made, err := o.tenants.Create(t.Context(), o.top, in)
		require.NoError(t, err)
		user := factory.User(t.Context(), t, o.pool, factory.UserOpts{Tenant: made.UUID, Username: "somebody", ACL: []string{"x"}})
		contacted := factory.Tenant(t.Context(), t, o.pool, o.top)
		o.exec(t, "UPDATE tenants SET contact_uuid = $1 WHERE uuid = $2", user, contacted)
		sessions := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
		other := factory.User(t.Context(), t, o.pool, factory.UserOpts{})
		for i, owner := range []struct {
			user, subject *uuid.UUID
			tenant        uuid.UUID
		}{{&user, nil, made.UUID}, {nil, &user, o.top}, {nil, nil, made.UUID}, {&other, nil, o.top}} {
			o.exec(t, `INSERT INTO tokens (session_uuid, token_hash, kind, user_uuid, subject_uuid, auth_id, tenant_uuid, access_list, metadata, backend, remote_addr, user_agent, issued_at, expires_at)
				VALUES ($1, sha256(convert_to($1::uuid::text, 'UTF8')), 'user', $2, $3, 'x', $4, '\x', '{}', '', '', '', now(), now() + interval '1 hour')`, sessions[i], owner.user, owner.subject, owner.tenant)
		}
		o.exec(t, "DELETE FROM event_outbox")
		require.NoError(t, o.tenants.Delete(t.Context(), o.top, made.UUID))
		require.ErrorIs(t, o.tenants.Delete(t.Context(), o.top, made.UUID), fault.NotFound)
		for _, table := range []string{"users", "groups", "policies", "domains"} {
			where := " WHERE tenant_uuid = $1"
			require.Zero(t, o.count(t, table+where, made.UUID), table)
		}
		require.Zero(t, o.count(t, "logins WHERE user_uuid = $1", user))
		require.Equal(t, 1, o.count(t, "tenants WHERE uuid = $1 AND contact_uuid IS NULL", contacted))
		require.Equal(t, 1, o.count(t, "tokens"), "the other user's")
		require.Equal(t, 3, o.count(t, "lifetime_due WHERE wanted = 'end' AND reason = 'tenant deleted' AND session_uuid = ANY ($1)", sessions[:3]))
		require.Equal(t, 1, o.count(t, "event_outbox"))
		require.Equal(t, 1, o.count(t, "event_outbox WHERE name = 'auth_tenant_deleted' AND tenant_uuid = $1", made.UUID))
		o.exec(t, "DELETE FROM tokens")
		o.exec(t, "DELETE FROM lifetime_due")
	}
}

func TestATenantMadeInsideAnotherTransactionGoesWithIt(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, config.Content{})
	err := db.InTx(t.Context(), o.pool, func(tx pgx.Tx) error {
		_, err := o.tenants.CreateIn(t.Context(), tx, o.top, native("registered"))
		require.NoError(t, err)
		return fault.Historic(fault.Invalid, "no")
	})
	require.ErrorIs(t, err, fault.Invalid)
	require.Equal(t, 1, o.count(t, "tenants"))
	require.Zero(t, o.count(t, "event_outbox"))
}
