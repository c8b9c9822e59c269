package ldaptest

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// New runs a directory until the test ends. Where there is no slapd the test is skipped, or fails in CI.
func New(tb testing.TB, people ...Person) *Server {
	tb.Helper()
	if !Installed() {
		require.Empty(tb, os.Getenv("CI"), Missing)
		tb.Skip(Missing)
	}
	s, err := Run(context.WithoutCancel(tb.Context()), tb.TempDir(), people)
	require.NoError(tb, err)
	tb.Cleanup(s.Stop)
	return s
}
