package stack

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

func database(t *testing.T) Database {
	t.Helper()
	pool := dbtest.Pool(t)
	return Database{Name: pool.Config().ConnConfig.Database, Pool: pool}
}

func TestSeededTokensAreThoseOfTheLoad(t *testing.T) {
	t.Parallel()
	d := database(t)
	expiry := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	_, err := d.SeedTokens(t.Context(), Tokens{First: 5, Count: 20, Expiry: expiry, Spread: time.Second, Due: true})
	require.NoError(t, err)
	owed, err := d.Owed(t.Context())
	require.NoError(t, err)
	require.Equal(t, 20, owed)
	for _, n := range []int{5, 24} {
		hash := token.Hash(Secret(n))
		found, err := db.New().TokenGet(t.Context(), d.Pool, hash[:])
		require.NoError(t, err)
		require.Equal(t, d.Session(n), found.SessionUUID)
		require.WithinDuration(t, expiry.Add(time.Duration(n-5)*time.Second), found.ExpiresAt, time.Millisecond)
		require.Contains(t, found.Entries, Scope)
	}
}

func TestSeededUsersCanLogIn(t *testing.T) {
	t.Parallel()
	d := database(t)
	cost := password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}
	require.NoError(t, d.SeedUsers(t.Context(), 3, cost))
	u, err := db.New().UserByLogin(t.Context(), d.Pool, db.LoginKey(Username(2)))
	require.NoError(t, err)
	ok, _, err := password.New(cost, 1, 0).Verify(t.Context(), Password, *u.PasswordHash)
	require.NoError(t, err)
	require.True(t, ok)
	hash, client := token.Hash(RefreshToken(2)), token.Hash(ClientID)
	found, err := db.New().RefreshTokenFind(t.Context(), d.Pool, db.RefreshTokenFindParams{TokenHash: hash[:], ClientKey: client[:]})
	require.NoError(t, err)
	require.Equal(t, u.UUID, found.UserUUID)
}

func TestUntilGivesUpAtItsLimit(t *testing.T) {
	t.Parallel()
	err := Until(t.Context(), time.Millisecond, 20*time.Millisecond, func(context.Context) (bool, error) { return false, nil })
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestTheKernelKnowsThisProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	_, err := SelfCPU()
	require.NoError(t, err)
	now, peak, err := (&Process{PID: os.Getpid()}).RSS()
	require.NoError(t, err)
	require.Positive(t, now)
	require.GreaterOrEqual(t, peak, now)
}
