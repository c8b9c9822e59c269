package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/ldap/ldaptest"
)

// directoryPassword is that of everybody in the directory; the users of ours have another one.
const directoryPassword = "the-d1rectory-knows"

// directoryPeople are entries whose login and address begin with these names.
func directoryPeople(names ...string) []ldaptest.Person {
	var people []ldaptest.Person
	for _, n := range names {
		people = append(people, ldaptest.Person{UID: n, Password: directoryPassword, Mails: []string{strings.ToUpper(n[:1]) + n[1:] + "@Example.org"}})
	}
	return append(people, ldaptest.Person{UID: "nomail", Password: directoryPassword},
		ldaptest.Person{UID: "hidden", Password: directoryPassword, Mails: []string{"hidden@example.org"}, MailUnreadable: true})
}

// ldapStack is an installation whose API trusts the certificate of a directory.
type ldapStack struct {
	*stack

	directory *ldaptest.Server
	root      string // a token
}

func TestLDAP(t *testing.T) {
	t.Parallel()
	directory := ldaptest.New(t, directoryPeople("ann", "ben", "cid", "dora", "eve", "fay", "gus", "hal", "ida")...)
	s := &ldapStack{directory: directory, stack: newStack(t, options{apis: 2, settings: map[string]string{"SSL_CERT_FILE": directory.CAFile}})}
	s.secret(directoryPassword, ldaptest.ServicePassword)
	s.root = s.login(t, s.apis[0], s.stack.root, nil).Token
	for name, part := range map[string]func(*testing.T, *ldapStack){
		"a directory is configured on one API and used by the other": directoryIsConfigured,
		"users of a directory log in, however it is reached":         directoryUsersLogIn,
		"a request names the tenant":                                 requestNamesTenant,
		"the effective method decides":                               methodDecidesAboutDirectory,
		"only fitting users of the tenant get in":                    onlyFittingUsers,
		"a refresh token needs no directory":                         refreshNeedsNoDirectory,
		"a directory that is away, or hangs, is a refusal":           directoryIsAway,
		"commands configure a directory":                             commandsConfigureDirectory,
		"ldap can be switched off":                                   directoriesAreSwitchedOff,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
	t.Cleanup(func() {
		f := s.finder()
		for _, p := range s.apis {
			require.Empty(t, f.find([]byte(p.log.String())), "a secret in the log of %s", p.name)
		}
	})
}

// directoryTenant is a tenant with a domain and a directory.
type directoryTenant struct {
	tenantBody

	domain string
}

func (s *ldapStack) tenantOf(t *testing.T, server *ldaptest.Server, more fields) directoryTenant {
	t.Helper()
	made := directoryTenant{domain: "d" + random(6) + ".example.org"}
	made.tenantBody = s.createTenant(t, s.root, fields{"domain_names": []string{made.domain}, "default_authentication_method": "ldap"})
	s.configure(t, made, server, more)
	return made
}

func (s *ldapStack) configure(t *testing.T, tenant directoryTenant, server *ldaptest.Server, more fields) {
	t.Helper()
	body := fields{"host": "127.0.0.1", "port": server.Port, "user_base_dn": ldaptest.PeopleDN, "user_login_attribute": "uid", "user_email_attribute": "mail",
		"bind_dn": ldaptest.ServiceDN, "bind_password": ldaptest.ServicePassword, "protocol_security": nil, "search_filters": nil}
	for k, v := range more {
		body[k] = v
	}
	a := s.ask(t, s.apis[0], request{method: http.MethodPut, path: "/backends/ldap", token: s.root, header: inTenant(tenant.UUID), body: body})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
}

func inTenant(id uuid.UUID) http.Header { return http.Header{"Wazo-Tenant": {id.String()}} }

func (s *ldapStack) member(t *testing.T, tenant directoryTenant, name string, more fields) userBody {
	t.Helper()
	body := fields{"username": "local-" + random(6), "password": s.password, "email_address": name + "@example.org"}
	for k, v := range more {
		body[k] = v
	}
	a := s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/users", token: s.root, header: inTenant(tenant.UUID), body: body})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var u userBody
	a.into(t, &u)
	return u
}

// enter logs in on the other API than the one that things are changed on.
func (s *ldapStack) enter(t *testing.T, login string, body fields) answer {
	t.Helper()
	return s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token", user: login, password: directoryPassword, body: body})
}

func (s *ldapStack) isRefused(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, http.StatusUnauthorized, a.status, "%s", a.body)
	require.Contains(t, string(a.body), `"Authentication Failed"`)
}

func directoryIsConfigured(t *testing.T, s *ldapStack) {
	tenant := s.tenantOf(t, s.directory, nil)
	s.member(t, tenant, "ann", nil)
	in := fields{"domain_name": tenant.domain}
	s.enter(t, "ann", in).token(t)
	get := request{method: http.MethodGet, path: "/backends/ldap", token: s.root, header: inTenant(tenant.UUID)}
	var shown fields
	s.ask(t, s.apis[1], get).into(t, &shown)
	require.Equal(t, fields{"tenant_uuid": tenant.UUID.String(), "host": "127.0.0.1", "port": float64(s.directory.Port), "protocol_version": 3.0, "protocol_security": nil,
		"bind_dn": ldaptest.ServiceDN, "user_base_dn": ldaptest.PeopleDN, "user_login_attribute": "uid", "user_email_attribute": "mail", "search_filters": nil}, shown)
	s.searchDatabase(t, s.finder())

	s.configure(t, tenant, s.directory, fields{"bind_password": "wrong"})
	s.isRefused(t, s.enter(t, "ann", in))
	s.configure(t, tenant, s.directory, fields{"protocol_version": 2, "search_filters": "(&(objectClass=inetOrgPerson)(mail={username}))"})
	s.enter(t, "ann@example.org", in).token(t)
	for _, filter := range []string{"((", "(uid={nobody})", "(uid={username"} {
		s.configure(t, tenant, s.directory, fields{"search_filters": filter})
		s.isRefused(t, s.enter(t, "ann", in))
	}
	remove := get
	remove.method = http.MethodDelete
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], remove).status)
	s.isRefused(t, s.enter(t, "ann", in))
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], remove).status)

	bare := s.createTenant(t, s.root, fields{"domain_names": []string{"d" + random(6) + ".example.org"}})
	gone := directoryTenant{tenantBody: bare, domain: bare.Domains[0]}
	s.configure(t, gone, s.directory, nil)
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], request{method: http.MethodDelete, path: "/tenants/" + bare.UUID.String(), token: s.root}).status)
	require.Zero(t, s.count(t, "SELECT count(*) FROM ldap_configs WHERE tenant_uuid = $1", bare.UUID))
}

func directoryUsersLogIn(t *testing.T, s *ldapStack) {
	tenant := s.tenantOf(t, s.directory, nil)
	u, in := s.member(t, tenant, "ben", nil), fields{"domain_name": tenant.domain}
	for name, change := range map[string]fields{
		"clear text": nil, "StartTLS": {"protocol_security": "tls"}, "ldaps": {"protocol_security": "ldaps", "port": s.directory.SecurePort},
		"without a service account": {"bind_dn": nil, "bind_password": nil}, "half of one": {"bind_password": nil},
	} {
		s.configure(t, tenant, s.directory, change)
		got := s.enter(t, "ben", in).token(t)
		require.Equal(t, fields{"auth_id": u.UUID.String(), "username": "ben@example.org", "xivo_uuid": "e2e", "pbx_user_uuid": u.UUID.String(),
			"uuid": u.UUID.String(), "tenant_uuid": tenant.UUID.String(), "purpose": "user"}, got.Metadata, name)
		require.Equal(t, http.StatusNoContent, s.check(t, s.apis[0], got.Token, noScope))
		for _, login := range []string{"b*", ")(uid=*", "ben,ou=people", "ben\x00", "*", "nomail", strings.Repeat("x", 5000)} {
			s.isRefused(t, s.enter(t, login, in))
		}
		wrong := s.loginRequest("ben", in) // the password of the user of ours
		s.isRefused(t, s.ask(t, s.apis[1], wrong))
	}
	// Whoever may not read the own address gets in through a service account only.
	s.member(t, tenant, "hidden", nil)
	s.configure(t, tenant, s.directory, nil)
	s.enter(t, "hidden", in).token(t)
	s.configure(t, tenant, s.directory, fields{"bind_dn": nil})
	s.isRefused(t, s.enter(t, "hidden", in))
	// The certificate is for 127.0.0.1.
	s.configure(t, tenant, s.directory, fields{"protocol_security": "tls", "host": "localhost"})
	s.isRefused(t, s.enter(t, "ben", in))
}

func requestNamesTenant(t *testing.T, s *ldapStack) {
	tenant := s.tenantOf(t, s.directory, nil)
	s.member(t, tenant, "cid", nil)
	for name, c := range map[string]struct {
		body fields
		want int
	}{
		"domain":                {fields{"domain_name": tenant.domain}, 200},
		"uuid":                  {fields{"tenant_id": tenant.UUID.String()}, 200},
		"slug":                  {fields{"tenant_id": tenant.Slug}, 200},
		"domain, empty tenant":  {fields{"domain_name": tenant.domain, "tenant_id": ""}, 200},
		"empty domain, tenant":  {fields{"domain_name": "", "tenant_id": tenant.Slug}, 401},
		"both":                  {fields{"domain_name": tenant.domain, "tenant_id": tenant.Slug}, 400},
		"empty domain":          {fields{"domain_name": ""}, 401},
		"unknown domain":        {fields{"domain_name": "no.such.domain"}, 401},
		"domain in capitals":    {fields{"domain_name": strings.ToUpper(tenant.domain)}, 401},
		"unknown tenant":        {fields{"tenant_id": "zz"}, 404},
		"empty tenant":          {fields{"tenant_id": ""}, 404},
		"null":                  {fields{"domain_name": nil}, 400},
		"tenant without config": {fields{"tenant_id": s.tenant(t)}, 401},
		"neither":               {fields{}, 401},
	} {
		a := s.enter(t, "cid", c.body)
		require.Equal(t, c.want, a.status, "%s: %s", name, a.body)
		if c.want == http.StatusNotFound {
			var body fields
			a.into(t, &body)
			id := fmt.Sprint(c.body["tenant_id"])
			require.Equal(t, "No such tenant: \""+id+"\"", body["message"])
			require.Equal(t, "unknown-tenant", body["error_id"])
			require.Equal(t, fields{"uuid": id}, body["details"])
			require.Equal(t, "tenants", body["resource"])
		}
	}
	require.Contains(t, s.apis[1].log.String(), "tenant_id, which is deprecated")
}

func methodDecidesAboutDirectory(t *testing.T, s *ldapStack) {
	tenant := s.tenantOf(t, s.directory, nil)
	u, in := s.member(t, tenant, "dora", nil), fields{"domain_name": tenant.domain}
	method := func(verb, name string) {
		t.Helper()
		a := s.ask(t, s.apis[0], request{method: verb, path: "/idp/" + name + "/users/" + u.UUID.String(), token: s.root})
		require.Equal(t, http.StatusNoContent, a.status)
	}
	native := func() int { return s.ask(t, s.apis[1], s.loginRequest("dora@example.org", fields{})).status }
	s.enter(t, "dora", in).token(t)
	require.Equal(t, 401, native())
	method(http.MethodPut, "native")
	s.isRefused(t, s.enter(t, "dora", in))
	require.Equal(t, 200, native(), "the password is as it was")
	method(http.MethodPut, "ldap")
	s.enter(t, "dora", in).token(t)
	method(http.MethodDelete, "ldap") // back to the tenant's default
	s.enter(t, "dora", in).token(t)
}

func onlyFittingUsers(t *testing.T, s *ldapStack) {
	tenant, other := s.tenantOf(t, s.directory, nil), s.tenantOf(t, s.directory, nil)
	s.isRefused(t, s.enter(t, "eve", fields{"domain_name": tenant.domain})) // not a user
	u := s.member(t, tenant, "eve", nil)
	s.enter(t, "eve", fields{"domain_name": tenant.domain}).token(t)
	s.isRefused(t, s.enter(t, "eve", fields{"domain_name": other.domain}))

	enabled := func(yes bool) {
		t.Helper()
		a := s.ask(t, s.apis[0], request{method: http.MethodPut, path: "/users/" + u.UUID.String(), token: s.root, body: fields{"username": *u.Username, "enabled": yes}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	}
	enabled(false)
	s.isRefused(t, s.enter(t, "eve", fields{"domain_name": tenant.domain}))
	enabled(true)
	confirmed := func(yes bool) {
		t.Helper()
		a := s.ask(t, s.apis[0], request{method: http.MethodPut, path: "/admin/users/" + u.UUID.String() + "/emails", token: s.root,
			body: fields{"emails": []fields{{"address": "Eve@example.org", "main": true, "confirmed": yes}}}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	}
	confirmed(false)
	s.isRefused(t, s.enter(t, "eve", fields{"domain_name": tenant.domain}))
	confirmed(true)
	s.enter(t, "eve", fields{"domain_name": tenant.domain}).token(t)
	s.member(t, tenant, "fay", fields{"username": "FAY@example.org", "email_address": nil})
	got := s.enter(t, "fay", fields{"domain_name": tenant.domain}).token(t)
	require.Equal(t, "fay@example.org", got.Metadata["username"], "the username counts like an address")
}

func refreshNeedsNoDirectory(t *testing.T, s *ldapStack) {
	own := ldaptest.New(t, directoryPeople("gus")...)
	tenant := s.tenantOf(t, own, nil)
	u := s.member(t, tenant, "gus", nil)
	got := s.enter(t, "gus", fields{"domain_name": tenant.domain, "access_type": "offline", "client_id": "phone"}).token(t)
	require.NotEmpty(t, got.RefreshToken)
	own.Stop()
	renew := func() tokenBody {
		t.Helper()
		return s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": got.RefreshToken, "client_id": "phone"}}).token(t)
	}
	require.Equal(t, got.Metadata, renew().Metadata)
	var list struct{ Items []struct{ Metadata fields } }
	s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/users/" + u.UUID.String() + "/tokens", token: s.root, header: inTenant(tenant.UUID)}).into(t, &list)
	require.Len(t, list.Items, 1)
	require.Empty(t, list.Items[0].Metadata)
	a := s.ask(t, s.apis[0], request{method: http.MethodPut, path: "/idp/native/users/" + u.UUID.String(), token: s.root})
	require.Equal(t, http.StatusNoContent, a.status)
	require.NotContains(t, renew().Metadata, "username", "it is of another source now")
}

func directoryIsAway(t *testing.T, s *ldapStack) {
	own := ldaptest.New(t, directoryPeople("hal")...)
	tenant := s.tenantOf(t, own, nil)
	s.member(t, tenant, "hal", nil)
	in := fields{"domain_name": tenant.domain}
	s.enter(t, "hal", in).token(t)
	near := s.login(t, s.apis[1], s.stack.root, nil)

	require.NoError(t, own.Pause())
	const hanging = 20
	refused := make(chan error, hanging)
	for range hanging {
		go func() {
			_, err := s.expect(http.StatusUnauthorized, s.apis[1], request{method: http.MethodPost, path: "/token", user: "hal", password: directoryPassword, body: in})
			refused <- err
		}()
	}
	for range 5 { // others are served while those wait
		begun := time.Now()
		require.Equal(t, http.StatusNoContent, s.check(t, s.apis[1], near.Token, noScope))
		s.login(t, s.apis[1], s.stack.root, nil)
		require.Less(t, time.Since(begun), bearable/10)
	}
	for range hanging {
		require.NoError(t, <-refused)
	}
	require.NoError(t, own.Resume())
	s.enter(t, "hal", in).token(t) // what nobody could tell does not count as wrong
	own.Stop()
	s.isRefused(t, s.enter(t, "hal", in))
	require.Contains(t, s.apis[1].log.String(), "a directory could not verify a login")
	require.NoError(t, own.Start(t.Context()))
	s.enter(t, "hal", in).token(t)
}

func commandsConfigureDirectory(t *testing.T, s *ldapStack) {
	tenant := s.createTenant(t, s.root, fields{"name": "commanded " + random(4)})
	run := func(wanted int, args ...string) string {
		t.Helper()
		out, code := command(t, env(map[string]string{"XIVO_AUTH_URL": s.apis[0].url, "XIVO_AUTH_TOKEN": s.root,
			"XIVO_AUTH_LDAP_BIND_PASSWORD": ldaptest.ServicePassword, "HOME": t.TempDir()}),
			program(t, "xivo-auth"), append([]string{"ldap", "config", "--tenant", *tenant.Name}, args...)...)
		require.Equal(t, wanted, code, out)
		require.NotContains(t, out, ldaptest.ServicePassword)
		return out
	}
	require.Contains(t, run(1, "show"), "no directory")
	update := []string{"update", "127.0.0.1", "389", ldaptest.PeopleDN, "uid", "mail"}
	require.Contains(t, run(0, append(update, "--bind_dn", ldaptest.ServiceDN, "--protocol_security", "tls", "--protocol_version", "2")...), `"protocol_version": 2`)
	shown := run(0, append(update, "--protocol_security=")...)
	require.Contains(t, shown, `"protocol_security": null`)
	require.Contains(t, shown, ldaptest.ServiceDN, "kept")
	require.Equal(t, shown, run(0, "show"))
	run(1, append(update, "--protocol_version", "4")...)
	run(1, "update", "127.0.0.1", "ldap", ldaptest.PeopleDN, "uid", "mail")
	run(0, "delete")
	run(1, "show")
}

func directoriesAreSwitchedOff(t *testing.T, s *ldapStack) {
	tenant := s.tenantOf(t, s.directory, nil)
	s.member(t, tenant, "ida", fields{"authentication_method": "ldap"})
	methods := func(p *process) []string {
		t.Helper()
		var list struct{ Items []string }
		s.ask(t, p, request{method: http.MethodGet, path: "/idp", token: s.root}).into(t, &list)
		return list.Items
	}
	require.ElementsMatch(t, []string{"ldap_user", "wazo_user"}, s.backends(t, s.apis[1]))
	require.Subset(t, methods(s.apis[1]), []string{"default", "ldap", "native"})
	require.NotContains(t, s.apis[1].log.String(), "Authentication method ldap is in use")
	login := request{method: http.MethodPost, path: "/token", user: "ida", password: directoryPassword, body: fields{"domain_name": tenant.domain}}
	for config, backends := range map[string][]string{
		"idp_plugins: {ldap: {enabled: false}}":       {"ldap_user", "wazo_user"},
		"enabled_backend_plugins: {ldap_user: false}": {"wazo_user"},
	} {
		p := s.plugged(t, config)
		require.ElementsMatch(t, backends, s.backends(t, p))
		require.NotContains(t, methods(p), "ldap")
		s.isRefused(t, s.ask(t, p, login))
		require.Contains(t, p.log.String(), "Authentication method ldap is in use but is not available")
	}
	s.enter(t, "ida", fields{"domain_name": tenant.domain}).token(t)
}
