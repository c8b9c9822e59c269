package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func mailPlugin(t *testing.T, s *stack) {
	p := s.plugged(t, "email_notification_plugin: logger\nenabled_http_plugins: {user_registration: true}\n")
	username := "mail-" + random(6)
	var made struct {
		Emails []struct{ UUID string }
	}
	a := s.ask(t, p, registerRequest(username, s.password))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &made)
	p.says(t, `email_notification_logger,send_confirmation,\{.*'email_address': '`+username+`@example\.com'.*'email_uuid': '`+made.Emails[0].UUID+`'.*'username': '`+username+`'`)

	_, err := s.db.Exec(t.Context(), "UPDATE emails SET confirmed = true WHERE uuid = $1", made.Emails[0].UUID)
	require.NoError(t, err)
	reset := s.ask(t, p, request{method: http.MethodGet, path: "/users/password/reset?username=" + username})
	require.Equal(t, http.StatusNoContent, reset.status)
	p.says(t, `email_notification_logger,send_password_reset,\{.*'user_uuid': '.*'username': '`+username+`'`)

	file := filepath.Join(t.TempDir(), "config.yml")
	require.NoError(t, os.WriteFile(file, []byte("email_notification_plugin: not_there\n"), 0o600))
	missing := s.process(t, "api without its mails", "api", map[string]string{"config_file": file, "plugins_dir": plugins(t)})
	missing.start(t)
	require.NotZero(t, missing.wait(t, bearable), "nobody would send its mails")
	require.Contains(t, missing.log.String(), "email_notification_plugin")
}

// says waits for a line of the process's log: what a plug-in prints comes there by a pipe.
func (p *process) says(t *testing.T, pattern string) {
	t.Helper()
	line := regexp.MustCompile(pattern)
	await(t, bearable, "the plug-in says "+pattern, func() error {
		if line.MatchString(p.log.String()) {
			return nil
		}
		return errors.New("it has not")
	})
}
