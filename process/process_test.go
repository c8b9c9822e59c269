package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
)

func TestAStartWaitsForTheDatabaseAndForNothingElse(t *testing.T) {
	t.Parallel()
	cut := fmt.Errorf("apply: %w", &pgconn.PgError{Code: "57P01"})
	require.True(t, db.Unavailable(cut))
	for name, tc := range map[string]struct {
		failures []error
		wait     time.Duration
		calls    int
		told     error
	}{
		"at once":         {nil, time.Minute, 1, nil},
		"cut off twice":   {[]error{cut, cut}, time.Minute, 3, nil},
		"it never comes":  {[]error{cut, cut, cut, cut, cut, cut}, time.Second, 1, cut},
		"something wrong": {[]error{errors.ErrUnsupported}, time.Minute, 1, errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			err := AwaitDatabase(t.Context(), config.Database{DBConnectRetryTimeout: tc.wait}, slog.New(slog.DiscardHandler), func(ctx context.Context) error {
				_, bounded := ctx.Deadline()
				require.False(t, bounded, "what is under way is not cut off")
				calls++
				if calls <= len(tc.failures) {
					return tc.failures[calls-1]
				}
				return nil
			})
			require.ErrorIs(t, err, tc.told)
			require.GreaterOrEqual(t, calls, tc.calls)
			require.LessOrEqual(t, calls, max(tc.calls, len(tc.failures)+1))
		})
	}
}
