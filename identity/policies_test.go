package identity_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/acl"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
)

// grants are what an access list lets its owner hand out.
type grants struct{ list *acl.List }

func granting(entries ...string) grants { return grants{acl.Compile(entries)} }

func (g grants) MayAdd(access string) bool    { return g.list.MayAdd(access, "user-1", "session-1") }
func (g grants) MayRemove(access string) bool { return g.list.MayRemove(access, "user-1", "session-1") }

var everything = granting("#")

// attempt is an operation that the grant rule watches, on a policy with some accesses.
type attempt struct {
	name string
	do   func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error
	// allowed by g, for a policy of these accesses.
	allowed func(g identity.Grants, accesses []string) bool
}

func every(accesses []string, may func(string) bool) bool {
	for _, a := range accesses {
		if !may(a) {
			return false
		}
	}
	return true
}

func TestTheGrantRuleHoldsForEveryOperation(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	ctx := t.Context()
	top := factory.TopTenant(ctx, t, pool)
	user := factory.User(ctx, t, pool, factory.UserOpts{})
	group := uuid.New()
	_, err := pool.Exec(ctx, "INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES ($1, $2, 'g', 'g')", group, top)
	require.NoError(t, err)
	add := func(g identity.Grants, accesses []string) bool { return every(accesses, g.MayAdd) }
	remove := func(g identity.Grants, accesses []string) bool { return every(accesses, g.MayRemove) }
	attempts := []attempt{
		{"attach to a user", func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error {
			return p.AttachUser(ctx, top, user, ref, g)
		}, add},
		{"detach from a user", func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error {
			return p.DetachUser(ctx, top, user, ref, g)
		}, remove},
		{"attach to a group", func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error {
			return p.AttachGroup(ctx, top, group, ref, g)
		}, add},
		{"detach from a group", func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error {
			return p.DetachGroup(ctx, top, group, ref, g)
		}, remove},
		{"empty", func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error {
			_, err := p.Update(ctx, top, ref, g, identity.PolicyChange{Name: uuid.NewString()})
			return err
		}, remove},
		{"delete", func(p *identity.Policies, ref identity.PolicyRef, g identity.Grants) error {
			return p.Delete(ctx, top, ref, g)
		}, remove},
	}
	lists := [][]string{{}, {"a.b"}, {"a.*"}, {"a.#"}, {"!a.b"}, {"!z"}, {"a.b", "!z"}, {"a.b", "z"}, {"a.secret"}, {"!a.secret"}, {"#"}, {""}, {"x.user-1.y"}, {"x.me.y"}}
	holders := map[string]grants{"#": everything, "a.*": granting("a.*"), "a.#, !a.secret": granting("a.#", "!a.secret"), "x.me.#": granting("x.me.#"), "": granting()}
	policies := identity.NewPolicies(pool)
	for who, g := range holders {
		for _, accesses := range lists {
			for _, a := range attempts {
				name := fmt.Sprintf("%s %q with %q", a.name, accesses, who)
				made, err := policies.Create(ctx, top, everything, identity.NewPolicy{Name: uuid.NewString(), ACL: accesses})
				require.NoError(t, err, name)
				err = a.do(policies, identity.PolicyRef{UUID: &made.UUID}, g)
				if a.allowed(g, accesses) {
					require.NoError(t, err, name)
					continue
				}
				require.ErrorIs(t, err, fault.Unauthenticated, name)
				now, err := policies.Get(ctx, top, identity.PolicyRef{UUID: &made.UUID})
				require.NoError(t, err, name)
				require.Equal(t, made, now, "%s: nothing is changed", name)
			}
			_, err := policies.Create(ctx, top, g, identity.NewPolicy{Name: uuid.NewString(), ACL: accesses})
			require.Equal(t, add(g, accesses), err == nil, "create %q with %q: %v", accesses, who, err)
		}
	}
}

// TestNoAccessGetsPastTheGrantRule: whoever attaches a policy has what it grants at that moment, although somebody else
// changes it all the time.
func TestNoAccessGetsPastTheGrantRule(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	ctx := context.WithoutCancel(t.Context())
	top := factory.TopTenant(ctx, t, pool)
	policies := identity.NewPolicies(pool)
	made, err := policies.Create(ctx, top, everything, identity.NewPolicy{Name: "p", ACL: []string{"low"}})
	require.NoError(t, err)
	ref := identity.PolicyRef{UUID: &made.UUID}
	users := make([]uuid.UUID, 40)
	for i := range users {
		users[i] = factory.User(ctx, t, pool, factory.UserOpts{})
	}
	// A trigger notes what a policy grants whenever somebody gets it: the statement sees the policy as it was committed.
	_, err = pool.Exec(ctx, `CREATE TABLE seen (acl text[]);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen SELECT acl FROM policies WHERE uuid = NEW.policy_uuid; RETURN NEW; END $$;
		CREATE TRIGGER note AFTER INSERT ON user_policies FOR EACH ROW EXECUTE FUNCTION note()`)
	require.NoError(t, err)
	done := make(chan struct{})
	var wg, changing sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := policies.AddAccess(ctx, top, ref, everything, "high"); err != nil {
				t.Error(err)
			}
			if err := policies.RemoveAccess(ctx, top, ref, everything, "high"); err != nil {
				t.Error(err)
			}
		}
	})
	for _, u := range users {
		wg.Go(func() {
			for range 5 {
				_ = policies.AttachUser(ctx, top, u, ref, granting("low"))
			}
		})
	}
	wg.Wait()
	close(done)
	changing.Wait()
	var high int
	require.NoError(t, pool.QueryRow(ctx, "SELECT count(*) FROM seen WHERE 'high' = ANY (acl)").Scan(&high))
	require.Zero(t, high)
	var all int
	require.NoError(t, pool.QueryRow(ctx, "SELECT count(*) FROM seen").Scan(&all))
	require.NotZero(t, all)
}

func TestAPolicyHoldsSoManyAccessesAndNoMore(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	top := factory.TopTenant(t.Context(), t, pool)
	policies := identity.NewPolicies(pool)
	full := make([]string, identity.MaxAccesses)
	for i := range full {
		full[i] = fmt.Sprint("a.", i)
	}
	made, err := policies.Create(t.Context(), top, everything, identity.NewPolicy{Name: "full", ACL: full})
	require.NoError(t, err)
	require.Equal(t, full, made.ACL, "in the client's order")
	ref := identity.PolicyRef{Slug: "full"}
	require.ErrorIs(t, policies.AddAccess(t.Context(), top, ref, everything, "more"), fault.Invalid)
	require.ErrorIs(t, policies.AddAccess(t.Context(), top, ref, everything, "a.7"), fault.Conflict)
	require.NoError(t, policies.RemoveAccess(t.Context(), top, ref, everything, "a.7"))
	require.NoError(t, policies.AddAccess(t.Context(), top, ref, everything, "more"))
	var longest int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT max(length(details::text)) FROM trail").Scan(&longest))
	require.Less(t, longest, 1000, "the trail keeps an excerpt")
}

func TestAPolicyOfATenantThatIsGone(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := identity.NewPolicies(pool).Create(t.Context(), uuid.New(), everything, identity.NewPolicy{Name: "x"})
	require.ErrorIs(t, err, fault.NotFound)
}
