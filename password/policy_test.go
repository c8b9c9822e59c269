package password_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/password"
)

func TestPolicyRefusesShortAndKnownPasswordsOnly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "refused")
	require.NoError(t, os.WriteFile(file, []byte("Password1\r\n\ncorrect horse\n"), 0o600))
	p, err := password.LoadPolicy(8, file)
	require.NoError(t, err)
	for text, want := range map[string]struct {
		least int
		known bool
	}{"ééééééé": {8, false}, "éééééééé": {}, "pAsSwOrD1": {0, true}, "correct horse": {0, true}, "correct horse ": {}, "": {8, false}} {
		least, known := p.Refuses(text)
		require.Equal(t, want.least, least, text)
		require.Equal(t, want.known, known, text)
	}
	none, err := password.LoadPolicy(0, "")
	require.NoError(t, err)
	least, known := none.Refuses("")
	require.Zero(t, least)
	require.False(t, known)
}

func TestPolicyNeedsItsFile(t *testing.T) {
	t.Parallel()
	_, err := password.LoadPolicy(0, filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "long")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("x", 70_000)), 0o600))
	_, err = password.LoadPolicy(0, file)
	require.ErrorContains(t, err, "too long")
}
