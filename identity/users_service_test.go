package identity_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

// offered are methods that users may have.
type offered []string

func (o offered) Known(name string) bool { return slices.Contains(o, name) }

// usersOn is the service on a pool, with cheap hashes; wakes counts how often the relays were told.
func usersOn(pool *pgxpool.Pool) (users *identity.Users, wakes *atomic.Int64) {
	wakes = &atomic.Int64{}
	wake := func() { wakes.Add(1) }
	hasher := password.New(password.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}, 2, 1000)
	return identity.NewUsers(pool, hasher, token.New(token.Deps{Pool: pool, Log: slog.New(slog.DiscardHandler), Wake: wake}),
		offered{"native", "default", "ldap", "saml"}, wake), wakes
}

func ptr[T any](v T) *T { return &v }

func creation(username, address string) identity.Creation {
	c := identity.Creation{UserChange: identity.UserChange{Purpose: identity.PurposeUser, Enabled: true}}
	if username != "" {
		c.Username = &username
	}
	if address != "" {
		c.EmailAddress = &address
	}
	return c
}

// owner is who logs in with a text, nil for nobody.
func owner(t *testing.T, pool *pgxpool.Pool, login string) *uuid.UUID {
	t.Helper()
	r, err := db.New().UserByLogin(t.Context(), pool, db.LoginKey(login))
	if err != nil {
		require.ErrorIs(t, err, pgx.ErrNoRows)
		return nil
	}
	return &r.UUID
}

func message(t *testing.T, err error, field string) string {
	t.Helper()
	require.ErrorIs(t, err, fault.Conflict)
	f, _ := fault.As(err)
	require.Equal(t, "Conflict detected", f.Message)
	inner, ok := f.Details[field].(map[string]any)
	require.True(t, ok, "%v", f.Details)
	text, _ := inner["message"].(string)
	return text
}

func actions(t *testing.T, pool *pgxpool.Pool, subject uuid.UUID) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT action FROM trail WHERE subject_uuid = $1 ORDER BY id", subject)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

func TestALoginBelongsToOneUser(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	other := factory.Tenant(t.Context(), t, pool, top)
	alice, err := users.Create(t.Context(), top, creation("alice", "Alice@Example.com"))
	require.NoError(t, err)
	require.Equal(t, "default", alice.Method)
	require.Equal(t, []identity.Email{{UUID: alice.Emails[0].UUID, Address: "Alice@Example.com", Main: true, Confirmed: true}}, alice.Emails)
	for what, c := range map[string]struct {
		in              identity.Creation
		field, existing string
	}{
		"the username":             {creation("ALICE", ""), "username", `The login "ALICE" is already used`},
		"the address as username":  {creation("alice@example.com", ""), "username", `The login "alice@example.com" is already used`},
		"the address":              {creation("bob", "aliCE@example.com"), "email_address", `The login "aliCE@example.com" is already used`},
		"the username first":       {creation("Alice", "alice@example.com"), "username", `The login "Alice" is already used`},
		"the uuid comes last":      {identity.Creation{UserChange: creation("alice", "").UserChange, UUID: &alice.UUID}, "username", `The login "alice" is already used`},
		"the uuid":                 {identity.Creation{UserChange: creation("bob", "").UserChange, UUID: &alice.UUID}, "uuid", `The uuid "` + alice.UUID.String() + `" is already used`},
		"the uuid of one of ours":  {identity.Creation{UserChange: creation("", "").UserChange, UUID: &alice.UUID}, "uuid", `The uuid "` + alice.UUID.String() + `" is already used`},
		"the address, before uuid": {identity.Creation{UserChange: creation("bob", "").UserChange, UUID: &alice.UUID, EmailAddress: ptr("ALICE")}, "email_address", `The login "ALICE" is already used`},
	} {
		_, err := users.Create(t.Context(), other, c.in)
		require.Equal(t, c.existing, message(t, err, c.field), what)
	}
	require.Equal(t, 1, count(t, pool, "users"))
	require.Equal(t, 2, count(t, pool, "logins"))
	require.Equal(t, 1, count(t, pool, "trail"), "what is refused leaves nothing")

	own, err := users.Create(t.Context(), other, creation("Own@ex.com", "own@EX.com"))
	require.NoError(t, err, "one's own address as username")
	require.Equal(t, &own.UUID, owner(t, pool, "OWN@ex.com"))
	_, err = users.Create(t.Context(), top, creation("straße", ""))
	require.NoError(t, err)
	_, err = users.Create(t.Context(), top, creation("STRASSE", ""))
	require.NoError(t, err, "no folding")
	for range 2 {
		_, err = users.Create(t.Context(), top, creation("", ""))
		require.NoError(t, err, "any number has no login")
	}
	_, err = users.Create(t.Context(), top, identity.Creation{UserChange: identity.UserChange{Purpose: "user", Method: ptr("zz")}})
	require.ErrorIs(t, err, fault.Invalid)
	require.EqualError(t, err, "Invalid authentication method zz")
	require.Equal(t, []string{"user created"}, actions(t, pool, alice.UUID))
	_, err = users.Create(t.Context(), uuid.New(), creation("late", ""))
	require.ErrorIs(t, err, fault.NotFound, "a tenant that is gone")
}

func TestANewUserJoinsTheAllUsersGroupEvenAMissingOne(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	tenant := factory.Tenant(t.Context(), t, pool, factory.TopTenant(t.Context(), t, pool))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := users.Create(context.WithoutCancel(t.Context()), tenant, creation("", "")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var groups, members int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(DISTINCT g.uuid), count(ug.user_uuid) FROM groups g LEFT JOIN user_groups ug ON ug.group_uuid = g.uuid
		WHERE g.tenant_uuid = $1 AND g.system_managed AND g.slug = 'wazo-all-users-tenant-' || $1::uuid`, tenant).Scan(&groups, &members))
	require.Equal(t, 1, groups)
	require.Equal(t, 10, members)
}

func TestOfManyWhoTakeOneLoginAtOnceOneGetsIt(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	holder, err := users.Create(t.Context(), top, creation("holder", ""))
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context())
	var made, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			var err error
			switch i % 4 { // as a username, as an address, with another login beside it, and by somebody who is there already
			case 0:
				_, err = users.Create(ctx, top, creation("One@Example.com", ""))
			case 1:
				_, err = users.Create(ctx, top, creation("", "one@example.COM"))
			case 2:
				_, err = users.Create(ctx, top, creation("user-"+strconv.Itoa(i), "ONE@example.com"))
			case 3:
				_, err = users.SetEmails(ctx, nil, holder.UUID, []identity.EmailChange{{Address: "one@example.com", Main: true}})
			}
			switch f, _ := fault.As(err); {
			case err == nil:
				made.Add(1)
			case f != nil && f.Kind == fault.Conflict:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	holders := 0
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT uuid FROM users WHERE lower(username) = 'one@example.com'
		UNION SELECT user_uuid FROM emails WHERE lower(address) = 'one@example.com') x`).Scan(&holders))
	require.Equal(t, 1, holders)
	if made.Load() > 1 {
		require.EqualValues(t, 25, made.Load(), "who has it may say so again")
	}
	require.EqualValues(t, 100, made.Load()+refused.Load())
}

func TestLoginsThatCrossAreNeitherLostNorStuck(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	ctx := context.WithoutCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		u, err := users.Create(t.Context(), top, creation("user-"+strconv.Itoa(i), ""))
		require.NoError(t, err)
		wg.Go(func() {
			for n := range 60 {
				mine, theirs := "a@ex.com", "b@ex.com"
				if (n+i)%2 == 0 {
					mine, theirs = theirs, mine
				}
				_, err := users.SetEmails(ctx, nil, u.UUID, []identity.EmailChange{{Address: mine, Main: true}, {Address: strconv.Itoa(i) + theirs}})
				if f, _ := fault.As(err); err != nil && (f == nil || f.Kind != fault.Conflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var wrong int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM emails e LEFT JOIN logins l ON l.key = e.login_key AND l.user_uuid = e.user_uuid
		WHERE l.key IS NULL`).Scan(&wrong))
	require.Zero(t, wrong, "every address is reserved for its user")
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM logins l WHERE NOT of_username AND NOT EXISTS
		(SELECT 1 FROM emails e WHERE e.login_key = l.key AND e.user_uuid = l.user_uuid)`).Scan(&wrong))
	require.Zero(t, wrong, "nothing stays reserved without reason")
}

func TestAnUnconfirmedAddressIsNoLoginAndBlocksOthers(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	u, err := users.Create(t.Context(), top, creation("alice", ""))
	require.NoError(t, err)
	_, err = users.SetEmails(t.Context(), nil, u.UUID, []identity.EmailChange{{Address: "a@ex.com", Main: true}})
	require.NoError(t, err)
	require.Nil(t, owner(t, pool, "a@ex.com"))
	_, err = users.Create(t.Context(), top, creation("A@ex.com", ""))
	require.ErrorIs(t, err, fault.Conflict)
	_, err = users.SetEmails(t.Context(), nil, u.UUID, []identity.EmailChange{{Address: "a@ex.com", Main: true, Confirmed: ptr(true)}})
	require.NoError(t, err)
	require.Equal(t, &u.UUID, owner(t, pool, "A@EX.com"))

	// The username is a login by itself, and stays reserved when the equal address goes, and the other way round.
	change := identity.UserChange{Username: ptr("A@ex.com"), Purpose: "user", Enabled: true}
	_, err = users.Update(t.Context(), top, u.UUID, change)
	require.NoError(t, err)
	require.Nil(t, owner(t, pool, "alice"), "the former username is free")
	_, err = users.SetEmails(t.Context(), nil, u.UUID, []identity.EmailChange{{Address: "a@ex.com", Main: true, Confirmed: ptr(false)}})
	require.NoError(t, err)
	require.Equal(t, &u.UUID, owner(t, pool, "a@ex.com"))
	change.Username = nil
	_, err = users.Update(t.Context(), top, u.UUID, change)
	require.NoError(t, err)
	require.Nil(t, owner(t, pool, "a@ex.com"))
	_, err = users.Create(t.Context(), top, creation("a@ex.com", ""))
	require.ErrorIs(t, err, fault.Conflict, "the address is still there")
	_, err = users.SetEmails(t.Context(), nil, u.UUID, nil)
	require.NoError(t, err)
	require.Zero(t, count(t, pool, "logins"))
}

func TestTheMainAddressMovesAndUUIDsStay(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	u, err := users.Create(t.Context(), top, creation("alice", "one@ex.com"))
	require.NoError(t, err)
	set := func(emails ...identity.EmailChange) []identity.Email {
		t.Helper()
		stored, err := users.SetEmails(t.Context(), &top, u.UUID, emails)
		require.NoError(t, err)
		got, err := users.Get(t.Context(), top, u.UUID)
		require.NoError(t, err)
		require.ElementsMatch(t, stored, got.Emails)
		return stored
	}
	first := set(identity.EmailChange{Address: "two@ex.com"}, identity.EmailChange{Address: "one@ex.com", Main: true})
	require.Equal(t, "two@ex.com", first[0].Address, "in the order of the request")
	require.Equal(t, identity.Email{UUID: u.Emails[0].UUID, Address: "one@ex.com", Main: true, Confirmed: true}, first[1])
	for range 3 { // forth and back
		second := set(identity.EmailChange{Address: "one@ex.com"}, identity.EmailChange{Address: "two@ex.com", Main: true, Confirmed: ptr(true)})
		require.Equal(t, []identity.Email{{UUID: first[1].UUID, Address: "one@ex.com", Confirmed: true}, {UUID: first[0].UUID, Address: "two@ex.com", Main: true, Confirmed: true}}, second)
		set(identity.EmailChange{Address: "one@ex.com", Main: true}, identity.EmailChange{Address: "two@ex.com"})
	}
	cased := set(identity.EmailChange{Address: "ONE@ex.com", Main: true})
	require.NotEqual(t, first[1].UUID, cased[0].UUID, "another spelling is another address")
	require.False(t, cased[0].Confirmed)
	_, err = users.SetEmails(t.Context(), nil, u.UUID, []identity.EmailChange{{Address: "x@ex.com", Main: true}, {Address: "X@ex.com"}})
	require.Equal(t, `The email_address "None" is already used`, message(t, err, "email_address"))
	_, err = users.SetEmails(t.Context(), nil, uuid.New(), []identity.EmailChange{{Address: "x@ex.com", Main: true}, {Address: "X@ex.com"}})
	require.ErrorIs(t, err, fault.NotFound, "before two spellings")
	_, err = users.SetEmails(t.Context(), nil, uuid.New(), []identity.EmailChange{{Address: "y@ex.com", Main: true}, {Address: "one@ex.com"}})
	require.Equal(t, `The login "one@ex.com" is already used`, message(t, err, "email_address"), "before the user is looked for")
	require.Empty(t, set())
	require.Equal(t, "user created", actions(t, pool, u.UUID)[0])
	require.Equal(t, "user emails updated", actions(t, pool, u.UUID)[1])
}

func TestPasswordsAreChangedByWhoKnowsThem(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, wakes := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	child := factory.Tenant(t.Context(), t, pool, top)
	user := func(change func(*identity.Creation)) uuid.UUID {
		t.Helper()
		c := creation("user-"+uuid.NewString(), "")
		c.Password = ptr("old")
		change(&c)
		u, err := users.Create(t.Context(), top, c)
		require.NoError(t, err)
		return u.UUID
	}
	good := user(func(*identity.Creation) {})
	for what, c := range map[string]struct {
		user  uuid.UUID
		old   string
		scope *uuid.UUID
		want  error
	}{
		"unknown":              {uuid.New(), "old", nil, fault.NotFound},
		"in another tenant":    {good, "old", &child, fault.NotFound},
		"wrong":                {good, "Old", nil, fault.Unauthenticated},
		"no password":          {user(func(c *identity.Creation) { c.Password = nil }), "old", nil, fault.Unauthenticated},
		"disabled":             {user(func(c *identity.Creation) { c.Enabled = false }), "old", nil, fault.Unauthenticated},
		"no login":             {user(func(c *identity.Creation) { c.Username = nil }), "old", nil, fault.Unauthenticated},
		"elsewhere":            {user(func(c *identity.Creation) { c.Method = ptr("ldap") }), "old", nil, fault.NotAllowed},
		"elsewhere, and wrong": {user(func(c *identity.Creation) { c.Method = ptr("saml") }), "Old", nil, fault.Unauthenticated},
		"an address is enough": {user(func(c *identity.Creation) { c.Username, c.EmailAddress = nil, ptr("a@ex.com") }), "old", &top, nil},
		"right":                {good, "old", &top, nil},
	} {
		err := users.ChangePassword(t.Context(), c.scope, c.user, identity.Attempt{Old: c.old, New: "new"})
		if c.want != nil {
			require.ErrorIs(t, err, c.want, what)
			continue
		}
		require.NoError(t, err, what)
		require.ErrorIs(t, users.ChangePassword(t.Context(), nil, c.user, identity.Attempt{Old: "old", New: "new"}), fault.Unauthenticated, what)
		require.NoError(t, users.ChangePassword(t.Context(), nil, c.user, identity.Attempt{Old: "new", New: "new"}), "the same again: "+what)
	}
	require.Equal(t, []string{"user created", "password changed", "password changed"}, actions(t, pool, good))
	require.NotZero(t, wakes.Load())

	_, err := pool.Exec(t.Context(), "UPDATE tenants SET default_authentication_method = 'ldap' WHERE uuid = $1", top)
	require.NoError(t, err)
	err = users.ChangePassword(t.Context(), nil, good, identity.Attempt{Old: "new", New: "newer"})
	require.ErrorIs(t, err, fault.NotAllowed, "the tenant's default counts")
	require.EqualError(t, err, `Unable to update externally managed password for user : "`+good.String()+`"`)
}

func TestMethodsOfManyAreSetTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	child := factory.Tenant(t.Context(), t, pool, top)
	a, b := factory.User(t.Context(), t, pool, factory.UserOpts{Tenant: child}), factory.User(t.Context(), t, pool, factory.UserOpts{Tenant: child})
	outside := factory.User(t.Context(), t, pool, factory.UserOpts{})
	method := func(u uuid.UUID) string {
		t.Helper()
		got, err := users.Get(t.Context(), top, u)
		require.NoError(t, err)
		return got.Method
	}
	err := users.SetMethods(t.Context(), child, "ldap", []uuid.UUID{a, outside, b})
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorContains(t, err, outside.String())
	require.Equal(t, "default", method(a))
	require.NoError(t, users.SetMethods(t.Context(), child, "ldap", []uuid.UUID{a, b, a}))
	require.NoError(t, users.SetMethods(t.Context(), top, "saml", nil))
	require.Equal(t, "ldap", method(b))
	require.NoError(t, users.UnsetMethod(t.Context(), top, "saml", b))
	require.Equal(t, "ldap", method(b), "another method stays")
	require.NoError(t, users.UnsetMethod(t.Context(), top, "ldap", b))
	require.Equal(t, "default", method(b))
	require.ErrorIs(t, users.UnsetMethod(t.Context(), child, "ldap", outside), fault.NotFound)
	require.ErrorIs(t, users.IDPType("LDAP"), fault.NotFound)
	require.NoError(t, users.IDPType("ldap"))
}

func TestUsersAreFoundByEveryFilter(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	child := factory.Tenant(t.Context(), t, pool, top)
	ids := map[string]uuid.UUID{}
	add := func(tenant uuid.UUID, username, first, last, address, purpose string) {
		t.Helper()
		c := creation(username, address)
		c.Purpose = purpose
		if first != "" {
			c.Firstname, c.Lastname = &first, &last
		}
		u, err := users.Create(t.Context(), tenant, c)
		require.NoError(t, err)
		ids[username] = u.UUID
	}
	add(top, "bob", "Robert", "Jones", "bob@ex.com", "user")
	add(top, "alice", "Alice", "100%_", "", "internal")
	add(top, "", "", "", "", "user")
	add(child, "carol", "Carol", "Jones", "Carol@ex.com", "external_api")
	_, err := pool.Exec(t.Context(), `
		WITH p AS (INSERT INTO policies (tenant_uuid, name, slug) VALUES ($1, 'direct', 'direct'), ($1, 'grouped', 'grouped') RETURNING uuid, slug),
		g AS (INSERT INTO groups (uuid, tenant_uuid, name, slug) VALUES ($1, $1, 'team', 'team') RETURNING uuid),
		m AS (INSERT INTO user_groups (user_uuid, group_uuid) SELECT $2, uuid FROM g),
		d AS (INSERT INTO user_policies (user_uuid, policy_uuid) SELECT $3, uuid FROM p WHERE slug = 'direct')
		INSERT INTO group_policies (group_uuid, policy_uuid) SELECT g.uuid, p.uuid FROM g, p WHERE p.slug = 'grouped'`, top, ids["bob"], ids["carol"])
	require.NoError(t, err)
	policy := func(slug string) *uuid.UUID {
		t.Helper()
		var id uuid.UUID
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT uuid FROM policies WHERE slug = $1", slug).Scan(&id))
		return &id
	}
	page := list.Page{OrderBy: "username"}
	for what, c := range map[string]struct {
		filter identity.UserFilter
		want   []string
	}{
		"nothing":                 {identity.UserFilter{}, []string{"alice", "bob", "carol", ""}},
		"an empty search":         {identity.UserFilter{Search: ptr("")}, []string{"alice", "bob", "carol"}},
		"a word":                  {identity.UserFilter{Search: ptr("JONES")}, []string{"bob", "carol"}},
		"an address":              {identity.UserFilter{Search: ptr("carol@")}, []string{"carol"}},
		"two columns":             {identity.UserFilter{Search: ptr("rob jon")}, nil},
		"words in order":          {identity.UserFilter{Search: ptr("o r")}, []string{"bob"}},
		"plain wildcards":         {identity.UserFilter{Search: ptr("0%_")}, []string{"alice"}},
		"uuid":                    {identity.UserFilter{UUID: ptr(ids["bob"])}, []string{"bob"}},
		"username":                {identity.UserFilter{Username: ptr("bob")}, []string{"bob"}},
		"username by case":        {identity.UserFilter{Username: ptr("Bob")}, nil},
		"firstname":               {identity.UserFilter{Firstname: ptr("Carol")}, []string{"carol"}},
		"lastname":                {identity.UserFilter{Lastname: ptr("Jones")}, []string{"bob", "carol"}},
		"purpose":                 {identity.UserFilter{Purpose: ptr("internal")}, []string{"alice"}},
		"no such purpose":         {identity.UserFilter{Purpose: ptr("zz")}, nil},
		"address":                 {identity.UserFilter{EmailAddress: ptr("Carol@ex.com")}, []string{"carol"}},
		"address by case":         {identity.UserFilter{EmailAddress: ptr("carol@ex.com")}, nil},
		"group":                   {identity.UserFilter{Group: &top}, []string{"bob"}},
		"policy":                  {identity.UserFilter{Policy: policy("direct")}, []string{"carol"}},
		"policy, not of a group":  {identity.UserFilter{Policy: policy("grouped")}, nil},
		"policy slug":             {identity.UserFilter{PolicySlug: ptr("direct")}, []string{"carol"}},
		"policy slug by case":     {identity.UserFilter{PolicySlug: ptr("Direct")}, nil},
		"any policy, of a group":  {identity.UserFilter{HasPolicy: policy("grouped")}, []string{"bob"}},
		"any policy, direct":      {identity.UserFilter{HasPolicy: policy("direct")}, []string{"carol"}},
		"any policy slug":         {identity.UserFilter{HasPolicySlug: ptr("grouped")}, []string{"bob"}},
		"filters are all to hold": {identity.UserFilter{Search: ptr("jones"), Purpose: ptr("user")}, []string{"bob"}},
	} {
		items, total, filtered, err := users.List(t.Context(), top, true, c.filter, page)
		require.NoError(t, err, what)
		var names []string
		for _, u := range items {
			names = append(names, text(u.Username))
		}
		require.Equal(t, c.want, names, what)
		require.EqualValues(t, 4, total, what)
		require.EqualValues(t, len(c.want), filtered, what)
	}
	some := list.Page{OrderBy: "username", Descending: true, Limit: ptr(int64(2)), Offset: 1}
	items, total, filtered, err := users.List(t.Context(), top, false, identity.UserFilter{}, some)
	require.NoError(t, err)
	require.EqualValues(t, 3, total)
	require.EqualValues(t, 3, filtered)
	require.Equal(t, []string{"bob", "alice"}, []string{text(items[0].Username), text(items[1].Username)}, "nulls come first when descending")
	require.Equal(t, "bob@ex.com", items[0].Emails[0].Address)
	items, _, filtered, err = users.List(t.Context(), top, true, identity.UserFilter{Search: ptr("jones")}, list.Page{OrderBy: "firstname", Offset: 5})
	require.NoError(t, err)
	require.Empty(t, items)
	require.EqualValues(t, 2, filtered, "beyond the end")
	items, _, _, err = users.List(t.Context(), top, true, identity.UserFilter{Search: ptr("jones")}, list.Page{OrderBy: "firstname", Descending: true})
	require.NoError(t, err)
	require.Equal(t, "bob", text(items[0].Username))

	for scope, want := range map[*uuid.UUID]int64{nil: 1, &top: 1, &child: 0} {
		items, total, filtered, err := users.ListGroup(t.Context(), scope, top, identity.UserFilter{}, page)
		require.NoError(t, err)
		require.Equal(t, []int64{want, want, want}, []int64{int64(len(items)), total, filtered})
	}
	_, total, filtered, err = users.ListGroup(t.Context(), nil, top, identity.UserFilter{Search: ptr("nobody")}, page)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 0}, []int64{total, filtered})
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestUsersCostAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	pool, j := dbtest.Noted(t)
	users, _ := usersOn(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	j.Take()
	c := creation("alice", "alice@ex.com")
	c.Password = ptr("secret")
	u, err := users.Create(t.Context(), top, c)
	require.NoError(t, err)
	require.Len(t, j.Take(), 5, "user, logins, address, group, trail")
	_, err = users.Get(t.Context(), top, u.UUID)
	require.NoError(t, err)
	require.Len(t, j.Take(), 1)
	for range 5 {
		_, err = users.Create(t.Context(), top, creation("", uuid.NewString()+"@ex.com"))
		require.NoError(t, err)
	}
	j.Take()
	for _, f := range []identity.UserFilter{{}, {Search: ptr("ex.com")}} {
		_, _, _, err = users.List(t.Context(), top, true, f, list.Page{OrderBy: "username"})
		require.NoError(t, err)
		require.Len(t, j.Take(), 2)
	}
	many := make([]identity.EmailChange, 50)
	for i := range many {
		many[i] = identity.EmailChange{Address: strconv.Itoa(i) + "@ex.com", Main: i == 0}
	}
	_, err = users.SetEmails(t.Context(), nil, u.UUID, many)
	require.NoError(t, err)
	require.Len(t, j.Take(), 7, "others' logins, user, logins, addresses gone, addresses, logins gone, trail")
}
