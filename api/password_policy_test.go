package api

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/password"
)

func TestInstallationsMayAskMoreOfNewPasswords(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil).bundle
	file := filepath.Join(t.TempDir(), "refused")
	require.NoError(t, os.WriteFile(file, []byte("correct battery\n"), 0o600))
	policy, err := password.LoadPolicy(8, file)
	require.NoError(t, err)
	b.deps.PasswordPolicy = policy
	strict := *b
	strict.server = httptest.NewServer(New(b.deps))
	t.Cleanup(strict.server.Close)
	admin := b.admin(t, b.top)
	id, _ := b.user(t, b.top)
	own := "/0.1/users/" + id.String() + "/password"
	reset := "/0.1/users/password/reset?user_uuid=" + id.String()
	for _, c := range []struct{ method, path, before, after string }{
		{"POST", "/0.1/users", `{"password": "`, `"}`},
		{"PUT", own, `{"old_password": "` + goodPassword + `", "new_password": "`, `"}`},
		{"POST", reset, `{"password": "`, `"}`},
	} {
		for pw, says := range map[string]string{"1234567": "Shorter than minimum length 8.", "Correct Battery": "This password is known to guessers."} {
			a := strict.do(t, c.method, c.path, c.before+pw+c.after, admin)
			require.Equal(t, 400, a.status, "%s %s", c.method, c.path)
			require.Equal(t, says, a.body["message"], "%s %s", c.method, c.path)
		}
		require.Less(t, strict.do(t, c.method, c.path, c.before+"a good one"+c.after, admin).status, 300, "%s %s", c.method, c.path)
	}
	require.Equal(t, 200, b.do(t, "POST", "/0.1/users", `{"password": "x"}`, admin).status, "without a policy one character will do")
}
