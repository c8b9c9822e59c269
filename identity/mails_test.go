package identity_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

// postbox is a driver whose mails arrive here.
type postbox struct {
	mu      sync.Mutex
	letters []mail.Letter
}

func (p *postbox) SendConfirmation(_ context.Context, l mail.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letters = append(p.letters, l)
	return nil
}

func (p *postbox) SendPasswordReset(ctx context.Context, l mail.Letter) error {
	return p.SendConfirmation(ctx, l)
}

func (p *postbox) last(t *testing.T, count int) mail.Letter {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Len(t, p.letters, count)
	return p.letters[count-1]
}

func mails(pool *pgxpool.Pool) (*identity.Mails, *identity.Users, *postbox) {
	box, nothing := &postbox{}, func() {}
	hasher := password.New(password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}, 2, 100)
	tokens := token.New(token.Deps{Pool: pool, Log: slog.New(slog.DiscardHandler), Wake: nothing})
	users := identity.NewUsers(pool, hasher, tokens, nil, nothing)
	return identity.NewMails(identity.MailDeps{Pool: pool, Users: users, Tokens: tokens, Driver: box, ResetLifetime: time.Hour, ConfirmLifetime: time.Hour,
		PerRecipient: 10, PerAddress: 60, Wake: nothing, Count: func(string, string) {}, Log: slog.New(slog.DiscardHandler)}), users, box
}

func TestRecipientsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	pool, j := dbtest.Noted(t)
	crowd(t, pool, 20_000, 500)
	_, err := pool.Exec(t.Context(), "INSERT INTO logins (key, user_uuid) SELECT sha256(convert_to(username, 'UTF8')), uuid FROM users WHERE username IS NOT NULL")
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "VACUUM ANALYZE")
	require.NoError(t, err)
	m, _, box := mails(pool)
	const name, address = "user-0000077", "user-0000077@example.com"
	given := func(s string) *string { return &s }
	for i, r := range []*identity.ResetRequest{{Username: given(name)}, {Email: given(address)}, {Login: given("USER-0000077")}} {
		j.Take()
		require.NoError(t, m.RequestReset(t.Context(), r))
		require.Equal(t, address, box.last(t, i+1).Address)
		require.NotRegexp(t, "Seq Scan on (users|emails|logins)", explain(t, pool, j.Take()[0]))
	}
}

func TestMailedTokensEndWithTheirUserAndWithThePassword(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	m, users, box := mails(pool)
	top := factory.TopTenant(t.Context(), t, pool)
	made := map[string]uuid.UUID{}
	for _, name := range []string{"changed", "deleted"} {
		address := name + "@ex.com"
		u, err := users.Create(t.Context(), top, identity.Creation{UserChange: identity.UserChange{Username: &name, Purpose: "user", Enabled: true}, EmailAddress: &address})
		require.NoError(t, err)
		made[name] = u.UUID
		require.NoError(t, m.RequestReset(t.Context(), &identity.ResetRequest{Username: &name}))
	}
	box.last(t, 2)
	require.Equal(t, 2, count(t, pool, "tokens"))
	require.NoError(t, users.SetPassword(t.Context(), made["changed"], "x"))
	require.Equal(t, 1, count(t, pool, "tokens"), "a password changed otherwise ends reset mails too")
	require.Equal(t, 1, count(t, pool, "lifetime_due"))
	require.NoError(t, users.Delete(t.Context(), top, made["deleted"]))
	require.Zero(t, count(t, pool, "tokens"))
	require.Zero(t, count(t, pool, "lifetime_due"), "nothing is owed for what never ran")
	session := uuid.New()
	require.ErrorIs(t, m.ResetPassword(t.Context(), identity.NewPassword{User: made["changed"].String(), MailSession: &session}), fault.Unauthenticated)
}

func TestSweepingMailCountsLeavesTheRunningHour(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO mail_counts (key, began_at, mails)
		SELECT sha256(n::text::bytea), now() - n * interval '20 minutes', 1 FROM generate_series(0, 5) n`)
	require.NoError(t, err)
	n, err := identity.SweepMailCounts(t.Context(), pool, 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = identity.SweepMailCounts(t.Context(), pool, 100)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 3, count(t, pool, "mail_counts"))
}
