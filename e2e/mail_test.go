package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/mail/mailtest"
)

// TestMail is what users do by mail, with a real mail server that is up, down and slow.
func TestMail(t *testing.T) {
	t.Parallel()
	smtp, dir := mailtest.New(t), t.TempDir()
	page := filepath.Join(dir, "page.jinja")
	require.NoError(t, os.WriteFile(page, []byte("<p>Thank you</p>\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mail.yml"), []byte("enabled_http_plugins: {user_registration: true}\n"), 0o600))
	s := newStack(t, options{apis: 2, workers: 1, settings: map[string]string{"extra_config_files": dir,
		"smtp.hostname": smtp.Host, "smtp.port": strconv.Itoa(smtp.Port), "email_confirmation_get_response_body_template": page}})
	m := mails{stack: s, smtp: smtp, page: page, root: s.login(t, s.apis[0], s.root, nil).Token}
	t.Run("a registration is confirmed by mail", m.register)
	t.Run("a password is reset by mail, once", m.reset)
	t.Run("of two reset mails the first one used counts", m.twoResets)
	t.Run("administrators set and remove passwords", m.administrator)
	t.Run("nothing is left of a registration without its mail", m.outage)
	for _, p := range s.apis {
		for _, x := range smtp.Mails() {
			require.NotContains(t, p.log.String(), x.Token(t))
		}
	}
}

type mails struct {
	*stack
	smtp *mailtest.Server
	page string
	root string
}

// someone registers and confirms the address.
func (m mails) someone(t *testing.T) (username string, user registered) {
	t.Helper()
	username = "mail-" + random(6)
	before := len(m.smtp.Mails())
	a := m.ask(t, m.apis[0], registerRequest(username, m.password))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &user)
	link := m.smtp.Last(t, before+1).Link(t)
	m.secret(link.Query().Get("token"))
	path := link.RequestURI()[len("/0.1"):]
	require.Equal(t, http.StatusOK, m.ask(t, m.apis[1], request{method: http.MethodGet, path: path}).status)
	return username, user
}

func registerRequest(username, password string) request {
	return request{method: http.MethodPost, path: "/users/register", body: fields{"username": username, "password": password, "email_address": username + "@example.com"}}
}

type registered struct {
	UUID   string `json:"uuid"`
	Tenant string `json:"tenant_uuid"`
}

func (m mails) status(t *testing.T, login, password string) int {
	t.Helper()
	return m.ask(t, m.apis[1], request{method: http.MethodPost, path: "/token", user: login, password: password, body: fields{}}).status
}

func (m mails) register(t *testing.T) {
	username := "mail-" + random(6)
	address := username + "@example.com"
	a := m.ask(t, m.apis[0], registerRequest(username, m.password))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	mail := m.smtp.Last(t, len(m.smtp.Mails()))
	require.Equal(t, []string{address}, mail.To)
	require.Contains(t, mail.Lines(), "To: "+username+" <"+address+">")
	require.Contains(t, mail.Lines(), "From: wazo-auth <noreply@wazo.community>")
	require.Contains(t, mail.Lines(), "Subject: Email confirmation for "+username)
	require.Equal(t, http.StatusOK, m.status(t, username, m.password))
	require.Equal(t, http.StatusUnauthorized, m.status(t, address, m.password), "not confirmed")
	require.Equal(t, http.StatusConflict, m.ask(t, m.apis[1], registerRequest(username, m.password)).status)
	link := request{method: http.MethodGet, path: mail.Link(t).RequestURI()[len("/0.1"):]}
	a = m.ask(t, m.apis[1], link)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "<p>Thank you</p>", string(a.body))
	require.Equal(t, http.StatusOK, m.status(t, address, m.password))
	require.NoError(t, os.WriteFile(m.page, []byte("changed"), 0o600))
	require.Equal(t, "changed", string(m.ask(t, m.apis[0], link).body), "templates are read again")
	require.NoError(t, os.Remove(m.page))
	require.Equal(t, http.StatusInternalServerError, m.ask(t, m.apis[0], link).status)
	require.NoError(t, os.WriteFile(m.page, []byte("back"), 0o600))
}

func (m mails) askReset(t *testing.T, query string) (token string) {
	t.Helper()
	before := len(m.smtp.Mails())
	require.Equal(t, http.StatusNoContent, m.ask(t, m.apis[0], request{method: http.MethodGet, path: "/users/password/reset?" + query}).status)
	token = m.smtp.Last(t, before+1).Token(t)
	m.secret(token)
	return token
}

func resetRequest(user, token string, password any) request {
	return request{method: http.MethodPost, path: "/users/password/reset?user_uuid=" + user + "&token=" + token, body: fields{"password": password}}
}

func (m mails) reset(t *testing.T) {
	username, user := m.someone(t)
	session := m.login(t, m.apis[0], username, nil).Token
	token := m.askReset(t, "login="+username+"%40EXAMPLE.com")
	require.Equal(t, http.StatusNoContent, m.check(t, m.apis[1], session, noScope), "the old password keeps working")
	other := "other-" + random(6)
	require.Equal(t, http.StatusNoContent, m.ask(t, m.apis[1], resetRequest(user.UUID, token, other)).status)
	require.Equal(t, http.StatusNotFound, m.check(t, m.apis[0], session, noScope), "the user's sessions end")
	require.Equal(t, http.StatusOK, m.status(t, username, other))
	require.Equal(t, http.StatusUnauthorized, m.status(t, username, m.password))
	require.Equal(t, http.StatusUnauthorized, m.ask(t, m.apis[0], resetRequest(user.UUID, token, m.password)).status, "it works once")
	m.awaitCount(t, bearable, 0, backlog)
}

func (m mails) twoResets(t *testing.T) {
	username, user := m.someone(t)
	first, second := m.askReset(t, "username="+username), m.askReset(t, "email="+username+"%40example.com")
	require.Equal(t, http.StatusNoContent, m.check(t, m.apis[0], first, noScope), "a second mail leaves the first one alone")
	require.Equal(t, http.StatusNoContent, m.ask(t, m.apis[0], resetRequest(user.UUID, first, "one-"+random(4))).status)
	require.Equal(t, http.StatusUnauthorized, m.ask(t, m.apis[0], resetRequest(user.UUID, second, "two-"+random(4))).status)
}

func (m mails) administrator(t *testing.T) {
	username, user := m.someone(t)
	require.Equal(t, http.StatusNoContent, m.ask(t, m.apis[0], resetRequest(user.UUID, m.root, nil)).status)
	require.Equal(t, http.StatusUnauthorized, m.status(t, username, m.password))
	require.Equal(t, http.StatusNoContent, m.ask(t, m.apis[0], resetRequest(user.UUID, m.root, m.password)).status)
	require.Equal(t, http.StatusOK, m.status(t, username, m.password))
}

func (m mails) outage(t *testing.T) {
	username := "mail-" + random(6)
	const everything = "SELECT (SELECT count(*) FROM tenants) + (SELECT count(*) FROM users) + (SELECT count(*) FROM logins) + (SELECT count(*) FROM tokens)"
	before, sent := m.count(t, everything), len(m.smtp.Mails())
	for _, fault := range []struct{ begin, end func() }{
		{m.smtp.Stop, m.smtp.Start},
		{func() { m.smtp.Hang(true) }, func() { m.smtp.Hang(false) }},
		{func() { m.smtp.Refuse(true) }, func() { m.smtp.Refuse(false) }},
	} {
		fault.begin()
		a := m.ask(t, m.apis[0], registerRequest(username, m.password))
		require.Equal(t, http.StatusInternalServerError, a.status)
		require.Less(t, a.took, 10*time.Second)
		require.Equal(t, before, m.count(t, everything))
		fault.end()
	}
	a := m.ask(t, m.apis[1], registerRequest(username, m.password))
	require.Equal(t, http.StatusOK, a.status, "at once when it is back: %s", a.body)
	require.Less(t, a.took, 3*time.Second)
	m.smtp.Last(t, sent+1)
}
