package ldap_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/backendtest"
	"github.com/xivo-auth/xivo-auth/backends/ldap"
	"github.com/xivo-auth/xivo-auth/backends/ldap/ldaptest"
	"github.com/xivo-auth/xivo-auth/fault"
)

const (
	password = "s3cret-of-alice"
	domain   = "example.org"
)

// people are what each test's directory holds. Only those with an address that book knows are users.
var people = []ldaptest.Person{
	{UID: "alice", Password: password, Mails: []string{"Alice@Example.org", "other@example.org"}},
	{UID: "twin1", Password: password, Mails: []string{"twins@example.org"}},
	{UID: "twin2", Password: password, Mails: []string{"twins@example.org"}},
	{UID: "nomail", Password: password},
	{UID: "hidden", Password: password, Mails: []string{"hidden@example.org"}, MailUnreadable: true},
	{UID: "stranger", Password: password, Mails: []string{"stranger@example.org"}},
}

// book is a directory of one tenant and its users.
type book struct {
	mu     sync.Mutex
	config *ldap.Config
	users  map[string]*backends.User
}

func (b *book) OfDomain(_ context.Context, name string) (*ldap.Config, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name != domain || b.config == nil {
		return nil, nil
	}
	c := *b.config
	return &c, nil
}

func (b *book) OfTenant(ctx context.Context, id string) (*ldap.Config, error) {
	if id != "acme" {
		return nil, fault.UnknownTenant(id)
	}
	return b.OfDomain(ctx, domain)
}

func (b *book) User(_ context.Context, tenant uuid.UUID, login string) (*backends.User, error) {
	if u := b.users[login]; u != nil && u.TenantUUID == tenant {
		return u, nil
	}
	return nil, nil
}

func (b *book) change(f func(c *ldap.Config)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.config)
}

// ours describes users.
type ours struct{}

func (ours) Name() string { return "wazo_user" }

func (ours) VerifyPassword(context.Context, string, string, *backends.Request) (bool, error) {
	return false, errors.New("it is not the one to ask")
}

func (ours) AccessList(context.Context, backends.Subject, *backends.Request) ([]string, error) {
	return []string{"a.b"}, nil
}

func (ours) Metadata(_ context.Context, s backends.Subject) (map[string]any, error) {
	return map[string]any{"auth_id": s.User.UUID.String(), "xivo_uuid": nil}, nil
}

func (ours) PersistentMetadata(context.Context, backends.Subject) (map[string]any, error) {
	return map[string]any{}, nil
}

type safeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeLog) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeLog) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// rig is a source with a directory of its own.
type rig struct {
	book   *book
	source *ldap.Source
	log    *safeLog
}

func newRig(t *testing.T, port int, security string, roots *x509.CertPool) *rig {
	t.Helper()
	tenant := uuid.New()
	user := func() *backends.User {
		return &backends.User{UUID: uuid.New(), TenantUUID: tenant, Purpose: "user", Method: ldap.Method}
	}
	r := &rig{log: &safeLog{}, book: &book{
		config: &ldap.Config{Tenant: tenant, Host: "127.0.0.1", Port: port, Security: security, BindDN: ldaptest.ServiceDN, BindPassword: ldaptest.ServicePassword,
			BaseDN: ldaptest.PeopleDN, LoginAttribute: "uid", EmailAttribute: "mail"},
		users: map[string]*backends.User{"alice@example.org": user(), "twins@example.org": user(), "hidden@example.org": user()},
	}}
	r.source = ldap.New(ldap.Deps{Directory: r.book, Users: ours{}, Log: slog.New(slog.NewTextHandler(r.log, nil)), Roots: roots})
	t.Cleanup(r.source.Close)
	t.Cleanup(func() {
		for _, secret := range []string{password, ldaptest.ServicePassword} {
			require.NotContains(t, r.log.String(), secret)
		}
	})
	return r
}

func (r *rig) login(t *testing.T, login, pw string) (backends.Accepted, error) {
	t.Helper()
	return r.source.Verify(t.Context(), &backends.Request{Login: login, Password: pw, Raw: map[string]any{"domain_name": domain}})
}

func (r *rig) accepts(t *testing.T, login string) {
	t.Helper()
	a, err := r.login(t, login, password)
	require.NoError(t, err, r.log)
	require.NotNil(t, a.User)
}

func (r *rig) cannotTell(t *testing.T, logged string) {
	t.Helper()
	_, err := r.login(t, "alice", password)
	require.ErrorIs(t, err, backends.ErrRejected)
	require.ErrorIs(t, err, backends.ErrUndecided)
	require.Contains(t, r.log.String(), logged)
}

// withoutService has logins bind as the user right away.
func withoutService(c *ldap.Config) { c.BindDN, c.BindPassword = "", "" }

func TestLDAPIsASource(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	for name, c := range map[string]struct {
		port     int
		security string
		change   func(*ldap.Config)
	}{
		"clear text":      {s.Port, ldap.SecurityNone, func(*ldap.Config) {}},
		"StartTLS":        {s.Port, ldap.SecurityTLS, func(*ldap.Config) {}},
		"ldaps":           {s.SecurePort, ldap.SecurityLDAPS, func(*ldap.Config) {}},
		"without service": {s.Port, ldap.SecurityNone, withoutService},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, func(t *testing.T) backendtest.Fixture {
				t.Helper()
				r := newRig(t, c.port, c.security, s.Roots)
				r.book.change(c.change)
				return backendtest.Fixture{Provider: r.source, Login: "alice", Password: password, Raw: map[string]any{"domain_name": domain}, Slow: true}
			})
		})
	}
}

func TestLoginsOfEntriesOfAllKinds(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	const filterOfMails = "(mail={username})"
	for name, c := range map[string]struct {
		login, password string
		change          func(*ldap.Config)
		logged          string // empty: accepted
	}{
		"with a service account":                {login: "alice"},
		"case of the login is the server's":     {login: "ALICE"},
		"without a service account":             {login: "alice", change: withoutService},
		"only half a service account":           {login: "alice", change: func(c *ldap.Config) { c.BindPassword = "" }},
		"a filter of its own":                   {login: "other@example.org", change: func(c *ldap.Config) { c.SearchFilters = filterOfMails }},
		"a mail unreadable by the user":         {login: "hidden"},
		"the attribute in other letters":        {login: "alice", change: func(c *ldap.Config) { c.EmailAttribute = "MAIL" }},
		"the same, without a service account":   {login: "hidden", change: withoutService, logged: "no e-mail address"},
		"wrong password":                        {login: "alice", password: "wrong", logged: "49 (Invalid Credentials)"},
		"wrong password, no service":            {login: "alice", password: "wrong", change: withoutService, logged: "49 (Invalid Credentials)"},
		"no entry":                              {login: "nobody", logged: "no entry"},
		"no entry, no service":                  {login: "nobody", change: withoutService, logged: "bind as the user"},
		"several entries":                       {login: "twins@example.org", change: func(c *ldap.Config) { c.SearchFilters = filterOfMails }, logged: "several entries"},
		"a wildcard":                            {login: "a*", logged: "no entry"},
		"a wildcard, no service":                {login: "a*", change: withoutService, logged: "bind as the user"},
		"filter syntax":                         {login: ")(uid=*", logged: "no entry"},
		"more components of a name, no service": {login: "alice,ou=people,dc=example,dc=org", change: withoutService, logged: "bind as the user"},
		"no mail":                               {login: "nomail", logged: "no e-mail address"},
		"no user of ours":                       {login: "stranger", logged: "no enabled user"},
		"another base":                          {login: "alice", change: func(c *ldap.Config) { c.BaseDN = "ou=nowhere," + ldaptest.BaseDN }, logged: "32 (No Such Object)"},
		"a bad base, no service":                {login: "alice", change: func(c *ldap.Config) { withoutService(c); c.BaseDN = "nonsense" }, logged: "34 (Invalid DN Syntax)"},
		"a wrong service account":               {login: "alice", change: func(c *ldap.Config) { c.BindPassword = "wrong" }, logged: "bind as the service account"},
		"a malformed filter":                    {login: "alice", change: func(c *ldap.Config) { c.SearchFilters = "((" }, logged: "makes no LDAP filter"},
		"an unknown placeholder":                {login: "alice", change: func(c *ldap.Config) { c.SearchFilters = "(uid={user})" }, logged: "unknown placeholder"},
		"an empty host":                         {login: "alice", change: func(c *ldap.Config) { c.Host = "" }, logged: "names no host"},
		"an unknown host":                       {login: "alice", change: func(c *ldap.Config) { c.Host = "no-such-host.invalid" }, logged: "connect"},
		"a port that is none":                   {login: "alice", change: func(c *ldap.Config) { c.Port = -1 }, logged: "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, s.Port, ldap.SecurityNone, nil)
			if c.change != nil {
				r.book.change(c.change)
			}
			if c.password == "" {
				c.password = password
			}
			for range 2 { // the second time with a connection that was kept
				_, err := r.login(t, c.login, c.password)
				if c.logged == "" {
					require.NoError(t, err, r.log)
					continue
				}
				require.ErrorIs(t, err, backends.ErrRejected)
				require.Contains(t, r.log.String(), c.logged)
			}
		})
	}
}

func TestTheAddressIsTheLoginFromThenOn(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	r := newRig(t, s.Port, ldap.SecurityNone, nil)
	a, err := r.login(t, "alice", password)
	require.NoError(t, err)
	require.Equal(t, "alice@example.org", a.Login)
	require.Equal(t, r.book.users["alice@example.org"], a.User)
	require.False(t, a.Foreign)
	require.Equal(t, "ldap_user", a.Backend.Name())
	m, err := a.Backend.Metadata(t.Context(), backends.Subject{Login: "Alice@example.org", User: a.User})
	require.NoError(t, err)
	require.Equal(t, "alice@example.org", m["username"])
}

func TestARequestChoosesTheTenant(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	r := newRig(t, s.Port, ldap.SecurityNone, nil)
	for name, c := range map[string]struct {
		raw     map[string]any
		claimed bool
		want    error
	}{
		"a domain":                   {map[string]any{"domain_name": domain}, true, nil},
		"a tenant":                   {map[string]any{"tenant_id": "acme"}, true, nil},
		"the domain wins":            {map[string]any{"domain_name": domain, "tenant_id": ""}, true, nil},
		"an empty domain wins":       {map[string]any{"domain_name": "", "tenant_id": "acme"}, true, backends.ErrRejected},
		"an empty domain":            {map[string]any{"domain_name": ""}, true, backends.ErrRejected},
		"another case of the domain": {map[string]any{"domain_name": "Example.org"}, true, backends.ErrRejected},
		"an unknown tenant":          {map[string]any{"tenant_id": "zz"}, true, fault.NotFound},
		"an empty tenant":            {map[string]any{"tenant_id": ""}, true, fault.NotFound},
		"neither":                    {map[string]any{}, false, nil},
	} {
		req := &backends.Request{Login: "alice", Password: password, Raw: c.raw}
		mine, err := r.source.Claims(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, c.claimed, mine, name)
		if !mine {
			continue
		}
		if _, err = r.source.Verify(t.Context(), req); c.want == nil {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, c.want, name)
		}
	}
	require.Contains(t, r.log.String(), "deprecated")
	mine, err := r.source.Claims(t.Context(), &backends.Request{Raw: map[string]any{"domain_name": domain}})
	require.NoError(t, err)
	require.False(t, mine, "without credentials")
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	for _, c := range []struct {
		port     int
		security string
	}{{s.Port, ldap.SecurityTLS}, {s.SecurePort, ldap.SecurityLDAPS}} {
		newRig(t, c.port, c.security, s.Roots).accepts(t, "alice")
		newRig(t, c.port, c.security, x509.NewCertPool()).cannotTell(t, "certificate")
		other := newRig(t, c.port, c.security, s.Roots)
		other.book.change(func(c *ldap.Config) { c.Host = "localhost" }) // the certificate is for 127.0.0.1
		other.cannotTell(t, "certificate")
	}
	newRig(t, s.Port, ldap.SecurityLDAPS, s.Roots).cannotTell(t, "TLS")
}

func TestAChangedConfigurationHoldsAtOnce(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	r := newRig(t, s.Port, ldap.SecurityNone, nil)
	r.accepts(t, "alice")
	r.book.change(func(c *ldap.Config) { c.BindPassword = "wrong" })
	r.cannotTell(t, "bind as the service account")
	r.book.change(func(c *ldap.Config) { c.BindPassword = ldaptest.ServicePassword })
	r.accepts(t, "alice")
}

func TestAServerThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	r := newRig(t, s.Port, ldap.SecurityNone, nil)
	r.accepts(t, "alice")
	s.Stop()
	r.cannotTell(t, "refused")
	require.NoError(t, s.Start(context.WithoutCancel(t.Context())))
	r.accepts(t, "alice")
}

func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	for name, change := range map[string]func(*ldap.Config){"with a service account": func(*ldap.Config) {}, "without": withoutService,
		"StartTLS": func(c *ldap.Config) { c.Security = ldap.SecurityTLS }, "ldaps": func(c *ldap.Config) { c.Security, c.Port = ldap.SecurityLDAPS, s.SecurePort }} {
		r := newRig(t, s.Port, ldap.SecurityNone, s.Roots)
		r.book.change(change)
		r.accepts(t, "alice")
		require.NoError(t, s.Pause())
		begun := time.Now()
		_, err := r.login(t, "alice", password)
		require.ErrorIs(t, err, backends.ErrUndecided, name)
		require.Less(t, time.Since(begun), 8*time.Second, name)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err = r.source.Verify(ctx, &backends.Request{Login: "alice", Password: password, Raw: map[string]any{"domain_name": domain}})
		require.ErrorIs(t, err, context.Canceled, name)
		require.NotErrorIs(t, err, backends.ErrRejected, name)
		require.NoError(t, s.Resume())
		r.accepts(t, "alice")
	}
}

// listen serves connections until the test ends.
func listen(t *testing.T, serve func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return n
}

func TestServersThatTalkNonsense(t *testing.T) {
	t.Parallel()
	for name, says := range map[string][]byte{
		"nothing": nil, "text": []byte("220 hello\r\n"), "a large packet": {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff},
		"too much": bytes.Repeat([]byte{0x30, 0x03, 0x02, 0x01, 0x63}, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := listen(t, func(c net.Conn) {
				_, _ = c.Write(says)
				_ = c.Close()
			})
			newRig(t, port, ldap.SecurityNone, nil).cannotTell(t, "could not verify")
			newRig(t, port, ldap.SecurityTLS, nil).cannotTell(t, "StartTLS")
			newRig(t, port, ldap.SecurityLDAPS, nil).cannotTell(t, "TLS")
		})
	}
}

func TestTooManyLoginsAtAHangingServerFailAtOnce(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 1000), make(chan struct{})
	port := listen(t, func(c net.Conn) {
		arrived <- struct{}{}
		<-release
		_ = c.Close()
	})
	r := newRig(t, port, ldap.SecurityNone, nil)
	var wg sync.WaitGroup
	const most = 64
	for range most {
		wg.Go(func() { _, _ = r.login(t, "alice", password) })
	}
	for range most {
		<-arrived
	}
	begun := time.Now()
	r.cannotTell(t, "too many logins")
	require.Less(t, time.Since(begun), time.Second)
	close(release)
	wg.Wait()
}

func TestConnectionsOfTheServiceAreKept(t *testing.T) {
	t.Parallel()
	s := ldaptest.New(t, people...)
	var mu sync.Mutex
	made := 0
	port := listen(t, func(c net.Conn) {
		mu.Lock()
		made++
		mu.Unlock()
		defer c.Close()
		to, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
		if err != nil {
			return
		}
		defer to.Close()
		go func() { _, _ = io.Copy(c, to); _ = c.Close() }()
		_, _ = io.Copy(to, c)
	})
	r := newRig(t, port, ldap.SecurityNone, nil)
	const logins = 5
	for range logins {
		r.accepts(t, "alice")
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, logins+1, made, "one for each user's bind, and the kept one")
}
