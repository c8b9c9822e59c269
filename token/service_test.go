package token_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/metadata"
	"github.com/xivo-auth/xivo-auth/backends/mock"
	"github.com/xivo-auth/xivo-auth/backends/native"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/token"
)

const goodPassword = "correct horse"

// cheap hashing: what is tested here is not its strength.
var cheap = password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}

type bundle struct {
	pool    *pgxpool.Pool
	tokens  *token.Service
	checker *token.Checker
	ends    *token.Lifetimes
	users   *identity.Users
	log     *bytes.Buffer
	wakes   *atomic.Int64
	hash    string
}

type bundleOpts struct {
	maxSessions int
	keys        []seal.Key
	pool        *pgxpool.Pool
}

func setup(t *testing.T, o bundleOpts) *bundle {
	t.Helper()
	if o.maxSessions == 0 {
		o.maxSessions = 100
	}
	if o.keys == nil {
		o.keys = []seal.Key{{ID: "k1", Secret: [32]byte{1}}}
	}
	b := &bundle{pool: o.pool, log: &bytes.Buffer{}, wakes: &atomic.Int64{}}
	if b.pool == nil {
		b.pool = dbtest.Pool(t)
	}
	ring, err := seal.New(o.keys)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, nil))
	hasher := password.New(cheap, 4, 1000)
	b.hash, err = hasher.Hash(t.Context(), goodPassword)
	require.NoError(t, err)
	src := native.New(native.Deps{Pool: b.pool, Hasher: hasher, Log: log, Metadata: metadata.Default(nil)})
	registry := backends.NewRegistry(log, []backends.Entry{{Provider: src, Priority: 1000}, {Provider: mock.Source{}, Priority: 100}}, nil)
	b.tokens = token.New(token.Deps{Pool: b.pool, Sources: registry, Sealer: ring, Log: log, Wake: func() { b.wakes.Add(1) },
		DefaultLifetime: 2 * time.Hour, MaxSessions: o.maxSessions, Events: outbox.NewEvents(true), Notice: time.Minute})
	b.users = identity.NewUsers(b.pool, hasher, b.tokens, nil, func() { b.wakes.Add(1) })
	b.checker = token.NewChecker(b.pool)
	b.ends = token.NewLifetimes(token.LifetimeDeps{Pool: b.pool, Events: outbox.NewEvents(true), Wake: func() { b.wakes.Add(1) }, Log: log})
	return b
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (b *bundle) user(t *testing.T, o factory.UserOpts) (uuid.UUID, string) {
	t.Helper()
	if o.Username == "" {
		o.Username = "alice-" + uuid.NewString()
	}
	o.PasswordHash = b.hash
	return factory.User(t.Context(), t, b.pool, o), o.Username
}

func request(login string) *token.Request {
	return &token.Request{Request: backends.Request{Login: login, Password: goodPassword, Backend: "wazo_user", RemoteAddr: "192.0.2.1", UserAgent: "test"}}
}

func offline(login, client string, mobile bool) *token.Request {
	r := request(login)
	r.Offline, r.ClientID, r.Mobile = true, client, mobile
	return r
}

func bought(refresh, client string) *token.Request {
	r := request("")
	r.Password, r.RefreshToken, r.ClientID = "", &refresh, client
	return r
}

func (b *bundle) due(t *testing.T, session uuid.UUID) (wanted, reason string, version int64) {
	t.Helper()
	err := b.pool.QueryRow(t.Context(), "SELECT wanted, reason, version FROM lifetime_due WHERE session_uuid = $1", session).Scan(&wanted, &reason, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", 0
	}
	require.NoError(t, err)
	return wanted, reason, version
}

func (b *bundle) valid(t *testing.T, secret string) bool {
	t.Helper()
	_, err := b.checker.Check(t.Context(), secret, token.Question{})
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
		return false
	}
	require.NoError(t, err)
	return true
}

func TestATokenIsValidFromItsAnswerUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	id, login := b.user(t, factory.UserOpts{ACL: []string{"confd.users.me.read", "dird.#"}})

	got, err := b.tokens.Issue(t.Context(), request(login))
	require.NoError(t, err)
	require.Equal(t, id.String(), got.AuthID)
	require.Equal(t, 2*time.Hour, got.ExpiresAt.Sub(got.IssuedAt))
	require.Equal(t, map[string]any{"uuid": id.String(), "auth_id": id.String(), "pbx_user_uuid": id.String(), "purpose": "user", "xivo_uuid": nil,
		"tenant_uuid": factory.TopTenant(t.Context(), t, b.pool).String()}, got.Metadata)
	wanted, _, _ := b.due(t, got.Session)
	require.Equal(t, "run", wanted, "a lifetime is owed in the same transaction")
	require.Positive(t, b.wakes.Load())

	h, err := b.checker.Find(t.Context(), got.Secret)
	require.NoError(t, err)
	require.True(t, h.Allows("confd.users."+id.String()+".read"))
	require.False(t, h.Allows("confd.users.other.read"))

	require.NoError(t, b.tokens.Revoke(t.Context(), got.Secret))
	require.False(t, b.valid(t, got.Secret))
	wanted, _, _ = b.due(t, got.Session)
	require.Empty(t, wanted, "a lifetime that no worker ever leased is not owed any more")
	require.NoError(t, b.tokens.Revoke(t.Context(), got.Secret), "revoking again is no error")
}

func TestTheDatabaseHoldsNoSecret(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	_, login := b.user(t, factory.UserOpts{})
	got, err := b.tokens.Issue(t.Context(), offline(login, "phone", false))
	require.NoError(t, err)
	for _, table := range []string{"tokens", "refresh_tokens", "lifetime_due", "access_lists", "users"} {
		for _, secret := range []string{got.Secret, got.RefreshToken, goodPassword} {
			var n int
			require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" x WHERE position($1 in x::text) > 0", secret).Scan(&n))
			require.Zero(t, n, "table %s", table)
		}
	}
	require.NotContains(t, b.log.String(), got.Secret)
	require.NotContains(t, b.log.String(), got.RefreshToken)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	_, good := b.user(t, factory.UserOpts{})
	_, disabled := b.user(t, factory.UserOpts{Disabled: true})
	_, ldap := b.user(t, factory.UserOpts{Method: "ldap"})
	noPassword := "nobody-" + uuid.NewString()
	factory.User(t.Context(), t, b.pool, factory.UserOpts{Username: noPassword})
	wrong := request(good)
	wrong.Password = "wrong"
	for name, r := range map[string]*token.Request{
		"wrong password": wrong, "unknown login": request("nobody"), "disabled user": request(disabled), "another method": request(ldap),
		"user without password": request(noPassword), "no credentials": request(""), "unknown refresh token": bought(uuid.NewString(), "c"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.tokens.Issue(t.Context(), r)
			require.ErrorIs(t, err, fault.Unauthenticated)
			f, _ := fault.As(err)
			require.Equal(t, "Authentication Failed", f.Message)
		})
	}
}

func TestLoginsIgnoreCase(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	b.user(t, factory.UserOpts{Username: "Éric-" + t.Name()})
	_, err := b.tokens.Issue(t.Context(), request("éRIC-"+t.Name()))
	require.NoError(t, err)
}

func TestParallelLoginsNeverExceedTheSessionLimit(t *testing.T) {
	t.Parallel()
	const limit, logins = 7, 60
	b := setup(t, bundleOpts{maxSessions: limit})
	id, login := b.user(t, factory.UserOpts{})
	var ok, refused atomic.Int64
	var wg sync.WaitGroup
	for range logins {
		wg.Go(func() {
			_, err := b.tokens.Issue(context.WithoutCancel(t.Context()), request(login))
			switch f, _ := fault.As(err); {
			case err == nil:
				ok.Add(1)
			case f != nil && f.Kind == fault.Exhausted:
				refused.Add(1)
			default:
				t.Errorf("unexpected: %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, limit, ok.Load())
	require.EqualValues(t, logins-limit, refused.Load())
	n, err := db.New().TokenCountLiveByUser(t.Context(), b.pool, id)
	require.NoError(t, err)
	require.EqualValues(t, limit, n)
}

func TestInternalUsersHaveNoSessionLimitAndExpiredSessionsDoNotCount(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{maxSessions: 1})
	_, internal := b.user(t, factory.UserOpts{Purpose: "internal"})
	_, user := b.user(t, factory.UserOpts{})
	for range 3 {
		_, err := b.tokens.Issue(t.Context(), request(internal))
		require.NoError(t, err)
	}
	first, err := b.tokens.Issue(t.Context(), request(user))
	require.NoError(t, err)
	_, err = b.tokens.Issue(t.Context(), request(user))
	require.ErrorIs(t, err, fault.Exhausted)
	b.expire(t, first.Session)
	_, err = b.tokens.Issue(t.Context(), request(user))
	require.NoError(t, err)
}

// expire moves a token's whole life into the past.
func (b *bundle) expire(t *testing.T, session uuid.UUID) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), "UPDATE tokens SET issued_at = now() - interval '2 hours', expires_at = now() - interval '1 hour' WHERE session_uuid = $1", session)
	require.NoError(t, err)
}

func TestAPasswordChangeLeavesNoSessionOfTheOldPassword(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{maxSessions: 1000})
	id, login := b.user(t, factory.UserOpts{})
	var wg sync.WaitGroup
	started := make(chan struct{}, 200)
	secrets := make(chan string, 200)
	for range 200 {
		wg.Go(func() {
			started <- struct{}{}
			got, err := b.tokens.Issue(context.WithoutCancel(t.Context()), request(login))
			if err == nil {
				secrets <- got.Secret
			} else if f, ok := fault.As(err); !ok || f.Kind != fault.Unauthenticated {
				t.Errorf("unexpected: %v", err)
			}
		})
	}
	for range 50 {
		<-started
	}
	require.NoError(t, b.users.SetPassword(t.Context(), id, "another"))
	wg.Wait()
	close(secrets)
	for s := range secrets {
		require.False(t, b.valid(t, s), "a session of the old password is left")
	}
	n, err := db.New().TokenCountLiveByUser(t.Context(), b.pool, id)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestTokensOfTheServiceItselfPassEveryTenantCheckAndAreOwedALifetime(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	var service, mail token.Issued
	require.NoError(t, db.InTx(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		if service, err = b.tokens.IssueInternal(t.Context(), tx, token.Internal{Kind: token.KindService, Accesses: []string{"a"}, Lifetime: time.Hour}); err != nil {
			return err
		}
		mail, err = b.tokens.IssueInternal(t.Context(), tx, token.Internal{Kind: token.KindMailReset, Lifetime: time.Hour})
		return err
	}))
	for _, x := range []token.Issued{service, mail} {
		wanted, _, _ := b.due(t, x.Session)
		require.Equal(t, "run", wanted)
		require.Equal(t, token.InternalAuthID, x.AuthID)
	}
	_, err := b.checker.Check(t.Context(), service.Secret, token.Question{Tenant: uuid.NewString()})
	require.NoError(t, err)
	_, err = b.checker.Check(t.Context(), mail.Secret, token.Question{Tenant: uuid.NewString()})
	require.ErrorIs(t, err, fault.Forbidden)
}

func TestASourceCannotPoseAsTheServiceItself(t *testing.T) {
	t.Parallel()
	b := setup(t, bundleOpts{})
	r := request("foo")
	r.Password, r.Backend = "bar", "mock"
	got, err := b.tokens.Issue(t.Context(), r)
	require.NoError(t, err, "the mock knows foo")
	require.Equal(t, "a-mocked-uuid", got.AuthID)

	registry := backends.NewRegistry(slog.New(slog.DiscardHandler), []backends.Entry{{Provider: impostor{}}}, nil)
	tokens := token.New(token.Deps{Pool: b.pool, Sources: registry, Log: slog.New(slog.DiscardHandler), Wake: func() {}, DefaultLifetime: time.Hour})
	_, err = tokens.Issue(t.Context(), r)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

// impostor claims the auth id of internal tokens.
type impostor struct{ mock.Source }

func (i impostor) Verify(context.Context, *backends.Request) (backends.Accepted, error) {
	return backends.Accepted{Login: "foo", Backend: i, Foreign: true}, nil
}

func (impostor) Metadata(context.Context, backends.Subject) (map[string]any, error) {
	return map[string]any{"auth_id": token.InternalAuthID}, nil
}

func (b *bundle) tenants(t *testing.T) []uuid.UUID {
	t.Helper()
	return []uuid.UUID{factory.TopTenant(t.Context(), t, b.pool)}
}
