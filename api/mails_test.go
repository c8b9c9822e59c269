package api

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/mail/mailtest"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/token"
)

// mailBundle is a bundle whose mails arrive.
type mailBundle struct {
	*bundle
	smtp   *mailtest.Server
	counts *counts
}

// counts are mails by kind and outcome.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) count(kind, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[kind+" "+outcome]++
}

func (c *counts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func mailSetup(t *testing.T, change func(d *identity.MailDeps, m *MailDeps)) *mailBundle {
	t.Helper()
	b := &mailBundle{bundle: setup(t), smtp: mailtest.New(t), counts: &counts{n: map[string]int{}}}
	tokens, ok := b.deps.Tokens.(*token.Service)
	require.True(t, ok)
	hasher := password.New(password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}, 2, 100)
	builtin := func(name string) mail.File { return mail.File{Path: t.TempDir() + "/" + name, Default: true} }
	noreply := mail.Mailbox{Name: "wazo-auth", Address: "noreply@wazo.community"}
	d := identity.MailDeps{Pool: b.pool, Users: identity.NewUsers(b.pool, hasher, tokens, nil, func() {}), Tokens: tokens, Log: b.deps.Log,
		Tenants: identity.NewTenants(b.pool, tokens, outbox.NewEvents(true), nil, config.Content{}, b.deps.Log, func() {}),
		Driver: &mail.Mailer{
			Confirmation:  mail.Kind{From: noreply, Subject: builtin("email_confirmation_subject.jinja"), Body: builtin("email_confirmation.jinja")},
			PasswordReset: mail.Kind{From: noreply, Subject: builtin("password_reset_email_subject.jinja"), Body: builtin("password_reset_email.jinja")},
			SMTP:          mail.NewSMTP(b.smtp.Host, b.smtp.Port),
		},
		ResetLifetime: time.Hour, ConfirmLifetime: time.Hour, PerRecipient: 3, PerAddress: 5, Wake: func() {}, Count: b.counts.count}
	m := MailDeps{PageType: "text/html", Page: func() (string, error) { return builtin("email_confirmation_get_body.jinja").Render(nil) }}
	if change != nil {
		change(&d, &m)
	}
	m.Service = identity.NewMails(d)
	b.deps.Mail, b.deps.Config = m, nil
	b.server.Close()
	b.server = httptest.NewServer(New(b.deps))
	t.Cleanup(b.server.Close)
	return b
}

// address gives a user an address and its uuid.
func (b *mailBundle) address(t *testing.T, user uuid.UUID, address string, main, confirmed bool) uuid.UUID {
	t.Helper()
	id := uuid.New()
	_, err := b.pool.Exec(t.Context(), "INSERT INTO emails (uuid, user_uuid, address, main, confirmed, login_key) VALUES ($1, $2, $3, $4, $5, $6)",
		id, user, address, main, confirmed, db.LoginKey(address))
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), "INSERT INTO logins (key, user_uuid, of_username) VALUES ($1, $2, false)", db.LoginKey(address), user)
	require.NoError(t, err)
	return id
}

func (b *mailBundle) method(t *testing.T, user uuid.UUID, method string) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), "UPDATE users SET authentication_method = $2 WHERE uuid = $1", user, method)
	require.NoError(t, err)
}

// admin is a token with every access in a tenant.
func (b *mailBundle) admin(t *testing.T, tenant uuid.UUID) headers {
	t.Helper()
	_, login := b.user(t, tenant, "#")
	return headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}
}

func (b *mailBundle) count(t *testing.T, table string) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

// unknownSecret is a token that nobody ever got.
const unknownSecret = "8015b733-29f7-4b55-9839-debcc409101f"

func TestResetMailsGoToWhomeverIsMeant(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	alice, _ := b.user(t, b.top)
	_, err := b.pool.Exec(t.Context(), "UPDATE users SET username = 'Alice', enabled = false WHERE uuid = $1", alice)
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), "UPDATE logins SET key = $2 WHERE user_uuid = $1", alice, db.LoginKey("Alice"))
	require.NoError(t, err)
	b.address(t, alice, "Main@ex.com", true, false)
	b.address(t, alice, "second@ex.com", false, true)
	bob, bobName := b.user(t, factory.Tenant(t.Context(), t, b.pool, b.top))
	b.address(t, bob, "bob@ex.com", true, true)
	b.address(t, bob, "a.bob@ex.com", false, true)
	_, carol := b.user(t, b.top)
	dave, daveName := b.user(t, b.top)
	b.address(t, dave, "dave@ex.com", true, true)
	b.method(t, dave, "ldap")
	erin, erinName := b.user(t, b.top)
	b.address(t, erin, "erin@ex.com", true, false)
	for _, c := range []struct{ query, recipient string }{
		{"username=Alice", "second@ex.com"}, // the main one is not confirmed; disabled users too
		{"username=alice", ""},
		{"login=aLICE", "second@ex.com"},
		{"login=main%40EX.com", "second@ex.com"},
		{"email=Main%40ex.com", "Main@ex.com"}, // even unconfirmed
		{"email=main%40ex.com", ""},
		{"username=" + bobName, "bob@ex.com"},
		{"login=" + bobName, "bob@ex.com"},
		{"email=a.bob%40ex.com", "a.bob@ex.com"},
		{"username=" + carol, ""},
		{"username=" + daveName, ""},
		{"email=dave%40ex.com", ""},
		{"username=" + erinName, ""},
		{"email=nobody%40ex.com", ""},
		{"username=nobody&tenant=x", ""},
		{"login=nobody", ""},
	} {
		before := len(b.smtp.Mails())
		a := b.do(t, "GET", "/0.1/users/password/reset?"+c.query, "", nil)
		require.Equal(t, 204, a.status, c.query+a.text)
		require.Empty(t, a.text)
		if c.recipient == "" {
			require.Len(t, b.smtp.Mails(), before, c.query)
			continue
		}
		require.Equal(t, []string{c.recipient}, b.smtp.Last(t, before+1).To, c.query)
	}
}

func TestResetRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	for query, message := range map[string]any{
		"":                               []any{`"username" or "email" or "login" should be used`},
		"?username=a&login=b":            []any{`"username" or "email" or "login" should be used`},
		"?username=":                     "Length must be between 1 and 256.",
		"?email=x":                       "Not a valid email address.",
		"?login=":                        "Length must be between 1 and 256.",
		"?login=&email=x&username=a":     "Not a valid email address.",
		"?email=a%40b.co&username=&x=y":  "Length must be between 1 and 256.",
		"?username=a&username=&email=@x": "Not a valid email address.",
	} {
		a := b.do(t, "GET", "/0.1/users/password/reset"+query, "", nil)
		require.Equal(t, 400, a.status, query)
		delete(a.body, "timestamp")
		require.Equal(t, map[string]any{"message": message, "error_id": "invalid-data", "resource": "reset", "details": map[string]any{}}, a.body, query)
	}
}

func TestAMailedTokenSetsThePasswordOnce(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	user, login := b.user(t, b.top)
	b.address(t, user, "a@ex.com", true, true)
	session := str(t, b.login(t, login, "{}", nil), "token")
	for range 3 {
		require.Equal(t, 204, b.do(t, "GET", "/0.1/users/password/reset?username="+login, "", nil).status)
	}
	require.Equal(t, 200, b.do(t, "GET", "/0.1/token/"+session, "", nil).status, "the old password keeps working")
	secret := b.smtp.Last(t, 3).Token(t)
	data, ok := b.do(t, "GET", "/0.1/token/"+secret, "", nil).body["data"].(map[string]any)
	require.True(t, ok)
	require.Equal(t, []any{"auth.users.password.reset." + user.String() + ".create"}, data["acl"])
	require.Equal(t, "wazo-auth", data["auth_id"])
	require.Equal(t, "wazo-auth-email-reset", data["user_agent"])
	require.Empty(t, data["remote_addr"])
	require.Nil(t, data["xivo_user_uuid"])
	require.Equal(t, map[string]any{}, data["metadata"])
	listed := b.do(t, "GET", "/0.1/sessions", "", b.admin(t, b.top))
	require.Contains(t, listed.text, str(t, data, "session_uuid"))

	path := "/0.1/users/password/reset?user_uuid=" + user.String() + "&token=" + secret
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 4 {
		wg.Go(func() {
			a := b.do(t, "POST", path, `{"password": "another one"}`, headers{"X-Auth-Token": "ignored"})
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{204: 1, 401: 3}, statuses)
	a := b.do(t, "POST", path, `{"password": "a third one"}`, nil)
	require.Equal(t, 401, a.status)
	delete(a.body, "timestamp")
	require.Equal(t, map[string]any{"message": "Unauthorized", "error_id": "unauthorized", "details": map[string]any{"invalid_token": token.Masked(secret)}}, a.body)
	require.Equal(t, 404, b.do(t, "GET", "/0.1/token/"+session, "", nil).status, "the user's sessions have ended")
	for _, m := range b.smtp.Mails() {
		require.Equal(t, 404, b.do(t, "GET", "/0.1/token/"+m.Token(t), "", nil).status, "no reset mail is left")
		require.NotContains(t, b.log.String(), m.Token(t))
	}
	require.Equal(t, 200, b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic(login, "another one")}).status)
	require.Equal(t, 401, b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic(login, goodPassword)}).status)
	require.NotContains(t, b.log.String(), "another one")
}

func TestResetsThatAreRefusedInTheirOrder(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	admin := b.admin(t, b.top)
	user, _ := b.user(t, b.top)
	_, plain := b.user(t, b.top, "auth.users.read")
	weak := headers{"X-Auth-Token": str(t, b.login(t, plain, "{}", nil), "token")}
	foreign, _ := b.user(t, b.top)
	b.method(t, foreign, "ldap")
	nameless, _ := b.user(t, b.top)
	_, err := b.pool.Exec(t.Context(), "UPDATE users SET username = NULL WHERE uuid = $1", nameless)
	require.NoError(t, err)
	b.address(t, nameless, "nameless@ex.com", true, false)
	post := func(user, body string, h headers) answer {
		return b.do(t, "POST", "/0.1/users/password/reset?user_uuid="+user, body, h)
	}
	for what, a := range map[string]answer{
		"no token":               b.do(t, "POST", "/0.1/users/password/reset", "{", nil),
		"unknown token":          post(user.String(), "{", headers{"X-Auth-Token": unknownSecret}),
		"unknown token of query": post(user.String()+"&token="+unknownSecret, "{", admin),
		"no such access":         post(user.String(), "{", weak),
	} {
		require.Equal(t, 401, a.status, what)
		require.Len(t, a.body["details"], 1, what)
		require.Contains(t, a.body["details"], "invalid_token", what)
		require.NotContains(t, a.body, "resource")
	}
	require.Equal(t, map[string]any{"message": errMalformedBody.message}, post(uuid.NewString(), "{", admin).body)
	for body, message := range map[string]string{"[]": "Missing data for required field.", "{}": "Missing data for required field.",
		`{"password": ""}`: "Shorter than minimum length 1.", `{"password": 1}`: "Not a valid string.", `"x"`: "Invalid input type."} {
		a := post(uuid.NewString(), body, admin)
		require.Equal(t, 400, a.status, body)
		delete(a.body, "timestamp")
		require.Equal(t, map[string]any{"message": message, "error_id": "invalid-data", "resource": "reset", "details": map[string]any{}}, a.body, body)
	}
	other := uuid.NewString()
	a := post(other, `{"password": "x"}`, admin)
	require.Equal(t, 404, a.status)
	require.Equal(t, `No such user: "`+other+`"`, a.body["message"])
	require.Equal(t, map[string]any{"uuid": other}, a.body["details"])
	a = post(other, `{"password": null}`, admin)
	require.Equal(t, 404, a.status)
	require.Equal(t, map[string]any{"uuid": other, "password": nil}, a.body["details"])
	for _, body := range []string{`{"password": "x"}`, `{"password": null}`} {
		a = b.do(t, "POST", "/0.1/users/password/reset", body, admin)
		require.Equal(t, 404, a.status, "never 500")
		require.Equal(t, `No such user: "None"`, a.body["message"])
	}
	a = post(nameless.String(), `{"password": "x"}`, admin)
	require.Equal(t, 401, a.status)
	require.Equal(t, "Authentication Failed", reason(a))
	a = post(foreign.String(), `{"password": "x"}`, admin)
	require.Equal(t, 405, a.status)
	require.Equal(t, "password-managed-externally", a.body["error_id"])
	for _, u := range []uuid.UUID{nameless, foreign, user} {
		require.Equal(t, 204, post(u.String(), `{"password": null}`, admin).status)
	}
	var left int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM users WHERE password_hash IS NOT NULL AND uuid = ANY ($1)", []uuid.UUID{nameless, foreign, user}).Scan(&left))
	require.Zero(t, left)
	require.Equal(t, 204, post(user.String(), `{"password": "x"}`, admin).status)
}

func TestAnAdministratorResetsAndConfirmsInTheirOwnTenantsOnly(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	mine, theirs := factory.Tenant(t.Context(), t, b.pool, b.top), factory.Tenant(t.Context(), t, b.pool, b.top)
	below := factory.Tenant(t.Context(), t, b.pool, mine)
	admin := b.admin(t, mine)
	for tenant, allowed := range map[uuid.UUID]bool{mine: true, below: true, theirs: false, b.top: false} {
		user, _ := b.user(t, tenant)
		email := b.address(t, user, user.String()+"@ex.com", true, false).String()
		want := map[bool][3]int{true: {204, 204, 204}, false: {404, 404, 404}}[allowed]
		a := b.do(t, "POST", "/0.1/users/password/reset?user_uuid="+user.String(), `{"password": "x"}`, admin)
		require.Equal(t, want[0], a.status, a.text)
		if !allowed {
			require.Equal(t, "unknown-user", a.body["error_id"])
		}
		a = b.do(t, "GET", "/0.1/users/"+user.String()+"/emails/"+email+"/confirm", "", admin)
		require.Equal(t, want[1], a.status, a.text)
		if !allowed {
			require.Equal(t, "unknown-user", a.body["error_id"])
		}
		a = b.do(t, "PUT", "/0.1/emails/"+email+"/confirm", "", admin)
		require.Equal(t, want[2], a.status, a.text)
		if !allowed {
			require.Equal(t, "unknown-email", a.body["error_id"])
		}
	}
}

func TestResetAnswersTheSameWhenTheMailServerFails(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	user, login := b.user(t, b.top)
	b.address(t, user, "a@ex.com", true, true)
	for _, fail := range []func(){func() { b.smtp.Refuse(true) }, b.smtp.Stop} {
		fail()
		a := b.do(t, "GET", "/0.1/users/password/reset?username="+login, "", nil)
		require.Equal(t, 204, a.status, "it does not tell that the account exists")
	}
	require.Equal(t, 2, b.counts.of("reset failed"))
	require.Contains(t, b.log.String(), "a reset mail could not be sent")
	b.smtp.Refuse(false)
	b.smtp.Start()
	require.Equal(t, 204, b.do(t, "HEAD", "/0.1/users/password/reset?username="+login, "", nil).status)
	b.smtp.Last(t, 1)
	require.Equal(t, 1, b.counts.of("reset sent"))
}

func TestLinksLeadToWhereTheRequestWentUnlessItIsPinned(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, func(d *identity.MailDeps, _ *MailDeps) { d.PerRecipient = 0 })
	user, _ := b.user(t, b.top)
	email := b.address(t, user, "a@ex.com", true, false)
	admin := b.admin(t, b.top)
	ask := func(b *mailBundle, h headers, host string) (answer, string) {
		before := len(b.smtp.Mails())
		all := headers{"X-Auth-Token": admin["X-Auth-Token"], "Host": host}
		for k, v := range h {
			all[k] = v
		}
		a := b.do(t, "GET", "/0.1/users/"+user.String()+"/emails/"+email.String()+"/confirm", "", all)
		if len(b.smtp.Mails()) == before {
			return a, ""
		}
		u := b.smtp.Last(t, before+1).Link(t)
		return a, u.Scheme + "://" + u.Host + u.Path
	}
	rest := "/0.1/emails/" + email.String() + "/confirm"
	for _, c := range []struct {
		host string
		h    headers
		want string
	}{
		{"Auth.Example.COM", nil, "https://auth.example.com" + rest},
		{"auth.example.com:443", nil, "https://auth.example.com:443" + rest},
		{"auth.example.com:", nil, "https://auth.example.com" + rest},
		{"auth.example.com", headers{"X-Script-Name": "/api/auth"}, "https://auth.example.com/api/auth" + rest},
		{"auth.example.com", headers{"X-Script-Name": "//evil.example"}, "https://auth.example.com" + rest},
		{"inner:9497", headers{"X-Forwarded-Host": "evil.example, outer.example:8443"}, "https://outer.example:8443" + rest},
	} {
		a, link := ask(b, c.h, c.host)
		require.Equal(t, 204, a.status, c.host)
		require.Equal(t, c.want, link, c.host)
	}
	for _, host := range []string{"auth.example.com:x", "auth.example.com:65536", "a:-1", "user@evil.example"} {
		a, link := ask(b, nil, host)
		require.Equal(t, 500, a.status, host)
		require.Empty(t, link, host)
	}
	a, link := ask(b, headers{"X-Forwarded-Host": "evil.example/path?"}, "auth.example.com")
	require.Equal(t, 500, a.status)
	require.Empty(t, link)

	public, err := url.Parse("https://Public.example.com:444/api/auth/")
	require.NoError(t, err)
	pinned := mailSetup(t, func(_ *identity.MailDeps, m *MailDeps) { m.PublicURL = public })
	user, _ = pinned.user(t, pinned.top)
	email = pinned.address(t, user, "a@ex.com", true, false)
	admin = pinned.admin(t, pinned.top)
	a, link = ask(pinned, headers{"X-Forwarded-Host": "evil.example", "X-Script-Name": "/evil"}, "evil.example:x")
	require.Equal(t, 204, a.status)
	require.Equal(t, "https://public.example.com:444/api/auth/0.1/emails/"+email.String()+"/confirm", link)
}

func TestMailsAreLimited(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil) // 3 for a recipient, 5 for an address
	user, login := b.user(t, b.top)
	b.address(t, user, "a@ex.com", true, true)
	reset := func(query, client string) int {
		before := len(b.smtp.Mails())
		require.Equal(t, 204, b.do(t, "GET", "/0.1/users/password/reset?"+query, "", headers{"X-Forwarded-For": client}).status)
		return len(b.smtp.Mails()) - before
	}
	for range 3 {
		require.Equal(t, 1, reset("username="+login, "203.0.113.1"))
	}
	require.Equal(t, 0, reset("username="+login, "203.0.113.2"), "the recipient has had enough")
	require.Equal(t, 1, b.counts.of("reset limited"))
	require.Equal(t, 1, reset("username="+login, "127.0.0.1"), "loopback is not counted")
	require.Equal(t, 1, reset("username="+login, "::1"))
	require.Equal(t, 0, reset("username="+login, "2001:db8::1"))
	for i := range 6 {
		other, name := b.user(t, b.top)
		b.address(t, other, name+"@ex.com", true, true)
		want := 1
		if i > 3 { // five mails from this /64, of which the first was one too many for its recipient
			want = 0
		}
		require.Equal(t, want, reset("username="+name, "2001:db8::"+string(rune('1'+i))), i)
	}
	require.Equal(t, 0, reset("username="+login, "203.0.113.3"))
	_, err := b.pool.Exec(t.Context(), "UPDATE mail_counts SET began_at = began_at - interval '1 hour'")
	require.NoError(t, err)
	require.Equal(t, 1, reset("username="+login, "203.0.113.3"), "an hour later")
	left := b.count(t, "mail_counts")
	n, err := identity.SweepMailCounts(t.Context(), b.pool, 1000)
	require.NoError(t, err)
	require.Equal(t, left-2, n)
	a := b.do(t, "POST", "/0.1/users/register", `{"username": "x", "password": "x", "email_address": "a@EX.com"}`, headers{"X-Forwarded-For": "203.0.113.3"})
	require.Equal(t, 409, a.status, "counted, but not too many")
}

func TestConfirmationMails(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	user, login := b.user(t, b.top, "auth.users.me.emails.#")
	me := headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token"), "Wazo-Tenant": uuid.NewString()} // which does not count
	open, done := b.address(t, user, "open@ex.com", true, false), b.address(t, user, "done@ex.com", false, true)
	other, _ := b.user(t, b.top)
	foreign := b.address(t, other, "foreign@ex.com", true, false)
	path := func(user, email uuid.UUID) string {
		return "/0.1/users/" + user.String() + "/emails/" + email.String() + "/confirm"
	}
	admin := b.admin(t, b.top)
	nobody := uuid.New()
	for _, c := range []struct {
		user, email uuid.UUID
		status      int
		id, message string
	}{
		{nobody, open, 404, "unknown-user", `No such user: "` + nobody.String() + `"`},
		{user, nobody, 404, "unknown-email", `No such email: "` + nobody.String() + `"`},
		{user, foreign, 404, "unknown-email", `No such email: "` + foreign.String() + `"`},
		{user, done, 409, "conflict", `This email already confirmed: "` + done.String() + `"`},
	} {
		a := b.do(t, "GET", path(c.user, c.email), "", admin)
		require.Equal(t, c.status, a.status, a.text)
		require.Equal(t, c.id, a.body["error_id"])
		require.Equal(t, c.message, a.body["message"])
	}
	require.Empty(t, b.smtp.Mails())
	require.Equal(t, 401, b.do(t, "GET", path(other, foreign), "", me).status)
	require.Equal(t, 204, b.do(t, "GET", path(user, open), "", me).status)
	m := b.smtp.Last(t, 1)
	require.Equal(t, []string{"open@ex.com"}, m.To)
	b.smtp.Stop()
	a := b.do(t, "GET", path(user, open), "", me)
	require.Equal(t, 500, a.status)
	require.Equal(t, map[string]any{"message": "Internal Server Error"}, a.body)
	require.Equal(t, 1, b.counts.of("confirmation failed"))
	require.NotContains(t, b.log.String(), m.Token(t))
}

func TestConfirmingAnAddress(t *testing.T) {
	t.Parallel()
	var broken error
	b := mailSetup(t, func(_ *identity.MailDeps, m *MailDeps) {
		render := m.Page
		m.Page = func() (string, error) {
			if broken != nil {
				return "", broken
			}
			return render()
		}
	})
	user, _ := b.user(t, b.top)
	email := b.address(t, user, "a@ex.com", true, false)
	admin := b.admin(t, b.top)
	require.Equal(t, 204, b.do(t, "GET", "/0.1/users/"+user.String()+"/emails/"+email.String()+"/confirm", "", admin).status)
	secret := b.smtp.Last(t, 1).Token(t)
	path := "/0.1/emails/" + email.String() + "/confirm"
	confirmed := func() (yes bool) {
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT confirmed FROM emails WHERE uuid = $1", email).Scan(&yes))
		return yes
	}
	login := func() int {
		return b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic("A@ex.com", goodPassword)}).status
	}
	require.Equal(t, 401, login(), "not confirmed: no login")
	a := b.do(t, "GET", path+"?token="+unknownSecret, "", headers{"X-Auth-Token": secret})
	require.Equal(t, 401, a.status, "the query wins")
	require.Equal(t, map[string]any{"invalid_token": token.Masked(unknownSecret), "reason": "not_found_or_expired",
		"required_access": "auth.emails." + email.String() + ".confirm.update"}, a.body["details"])
	require.Equal(t, 401, b.do(t, "PUT", path+"?token="+secret, "", nil).status, "the header only")
	require.Equal(t, 401, b.do(t, "PUT", "/0.1/emails/"+uuid.NewString()+"/confirm", "", headers{"X-Auth-Token": secret}).status)
	require.Equal(t, 401, b.do(t, "HEAD", path, "", nil).status)
	a = b.do(t, "HEAD", path+"?token="+secret, "", nil)
	require.Equal(t, 200, a.status)
	require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	broken = errors.New("no such file")
	require.Equal(t, 500, b.do(t, "GET", path+"?token="+secret, "", nil).status)
	require.False(t, confirmed(), "neither looking at the link nor a failure confirms")
	broken = nil
	for range 2 { // it may be repeated
		a = b.do(t, "GET", path+"?token="+secret, "", nil)
		require.Equal(t, 200, a.status)
		require.Equal(t, "Email address confirmed", a.text)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	}
	require.True(t, confirmed())
	require.Equal(t, 200, login())
	require.Equal(t, 204, b.do(t, "PUT", path, "", headers{"X-Auth-Token": secret}).status)
	require.Equal(t, 404, b.do(t, "PUT", "/0.1/emails/"+uuid.NewString()+"/confirm", "", admin).status)
	require.Equal(t, 404, b.do(t, "HEAD", "/0.1/emails/"+uuid.NewString()+"/confirm", "", admin).status)
	require.Equal(t, 404, b.do(t, "PUT", "/0.1/emails/nope/confirm", "", admin).status)
	require.NotContains(t, b.log.String(), secret)
}

const registration = `{"username": "foobar", "lastname": "Denver", "email_address": "foobar@example.com", "password": "s3cr37", "purpose": "internal", "enabled": false}`

func TestRegistration(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	a := b.do(t, "POST", "/0.1/users/register", registration, headers{"X-Auth-Token": "ignored"})
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, "foobar", a.body["username"])
	require.Nil(t, a.body["firstname"])
	require.Equal(t, "Denver", a.body["lastname"])
	require.Equal(t, "user", a.body["purpose"])
	require.Equal(t, "default", a.body["authentication_method"])
	require.Equal(t, true, a.body["enabled"])
	require.Len(t, a.body, 9)
	require.NotEqual(t, b.top.String(), a.body["tenant_uuid"])
	emails, ok := a.body["emails"].([]any)
	require.True(t, ok)
	require.Len(t, emails, 1)
	email, ok := emails[0].(map[string]any)
	require.True(t, ok)
	require.Equal(t, map[string]any{"uuid": email["uuid"], "address": "foobar@example.com", "confirmed": false, "main": true}, email)
	m := b.smtp.Last(t, 1)
	require.Equal(t, "/0.1/emails/"+str(t, email, "uuid")+"/confirm", m.Link(t).Path)
	login := func(name string) int {
		return b.do(t, "POST", "/0.1/token", "{}", headers{"Authorization": basic(name, "s3cr37")}).status
	}
	require.Equal(t, 200, login("foobar"))
	require.Equal(t, 401, login("foobar@example.com"))
	require.Equal(t, 200, b.do(t, "GET", m.Link(t).RequestURI(), "", nil).status)
	require.Equal(t, 200, login("foobar@example.com"))
	require.NotContains(t, b.log.String(), "s3cr37")

	before := b.count(t, "tenants")
	for body, key := range map[string]string{
		`{"username": "FOOBAR", "password": "x", "email_address": "new@ex.com"}`:            "username",
		`{"username": "new", "password": "x", "email_address": "FooBar@example.com"}`:       "email_address",
		`{"username": "foobar@EXAMPLE.com", "password": "x", "email_address": "n2@ex.com"}`: "username",
	} {
		a = b.do(t, "POST", "/0.1/users/register", body, nil)
		require.Equal(t, 409, a.status, body)
		require.Contains(t, a.body["details"], key)
	}
	require.Equal(t, before, b.count(t, "tenants"), "no tenant stays behind")
	b.smtp.Last(t, 1)
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	require.Equal(t, map[string]any{"message": errMalformedBody.message}, b.do(t, "POST", "/0.1/users/register", "", nil).body)
	for body, want := range map[string]string{
		`{}`:                                  "username",
		`{"username": null, "password": ""}`:  "username",
		`{"username": "", "password": ""}`:    "username",
		`{"username": "a", "password": ""}`:   "password",
		`{"username": "a", "password": null}`: "password",
		`{"username": "a"}`:                   "password",
		`{"username": "a", "password": "b", "firstname": 1, "lastname": 1}`: "firstname",
		`{"username": "a", "password": "b"}`:                                "email_address",
		`{"username": "a", "password": "b", "email_address": "x"}`:          "email_address",
		`[1]`: "_schema",
	} {
		a := b.do(t, "POST", "/0.1/users/register", body, nil)
		require.Equal(t, 400, a.status, body)
		require.Equal(t, "invalid-data", a.body["error_id"])
		require.Equal(t, "users", a.body["resource"])
		require.Len(t, a.body["details"], 1)
		require.Contains(t, a.body["details"], want, body)
	}
}

func TestARegistrationWithoutItsMailLeavesNothing(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	tables := []string{"tenants", "users", "emails", "logins", "tokens", "groups", "trail"}
	before := map[string]int{}
	for _, x := range tables {
		before[x] = b.count(t, x)
	}
	for what, fail := range map[string]func(on bool){
		"refusing": b.smtp.Refuse,
		"slow":     b.smtp.Hang,
		"down": func(on bool) {
			if on {
				b.smtp.Stop()
			} else {
				b.smtp.Start()
			}
		},
	} {
		fail(true)
		began := time.Now()
		a := b.do(t, "POST", "/0.1/users/register", registration, nil)
		require.Less(t, time.Since(began), 10*time.Second, what)
		require.Equal(t, 500, a.status, what)
		require.Equal(t, map[string]any{"message": "Internal Server Error"}, a.body, what)
		for _, x := range tables {
			require.Equal(t, before[x], b.count(t, x), "%s: %s", what, x)
		}
		fail(false)
	}
	require.Equal(t, 200, b.do(t, "POST", "/0.1/users/register", registration, nil).status, "at once when it is back")
	b.smtp.Last(t, 1)
}

func TestARegistrationThatWouldNotBeAMailIsRefused(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, nil)
	for _, body := range []string{
		`{"username": "a\nBcc: b@ex.com", "password": "x", "email_address": "a@ex.com"}`,
		`{"username": "a", "password": "x", "email_address": "é@ex.com"}`,
	} {
		require.Equal(t, 500, b.do(t, "POST", "/0.1/users/register", body, nil).status)
	}
	require.Empty(t, b.smtp.Mails())
	require.Equal(t, 1, b.count(t, "tenants"))
	long := strings.Repeat("x", 256)
	require.Equal(t, 200, b.do(t, "POST", "/0.1/users/register", `{"username": "`+long+`", "password": "x", "email_address": "a@ex.com"}`, nil).status)
}

func TestRegistrationsAreLimited(t *testing.T) {
	t.Parallel()
	b := mailSetup(t, func(d *identity.MailDeps, _ *MailDeps) { d.PerAddress = 1 })
	h := headers{"X-Forwarded-For": "203.0.113.1"}
	require.Equal(t, 200, b.do(t, "POST", "/0.1/users/register", registration, h).status)
	a := b.do(t, "POST", "/0.1/users/register", `{"username": "b", "password": "x", "email_address": "b@ex.com"}`, h)
	require.Equal(t, 429, a.status)
	require.Equal(t, "600", a.header.Get("Retry-After"))
	require.Equal(t, 1, b.counts.of("confirmation limited"))
}
