package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/seal"
)

const ldapPath = "/0.1/backends/ldap"

// minimalLDAP has the required fields only.
func minimalLDAP() map[string]any {
	return map[string]any{"host": "ldap.example.com", "port": 389, "user_base_dn": "ou=people,dc=example,dc=com",
		"user_login_attribute": "uid", "user_email_attribute": "mail"}
}

// with is a body with other fields; those that are absent are left out.
func with(body, more map[string]any) string {
	all := maps.Clone(body)
	maps.Copy(all, more)
	for k, v := range all {
		if v == absent {
			delete(all, k)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

var absent any = struct{ absent bool }{true}

func TestTheDirectoryOfATenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top, "auth.backends.ldap.#")
	token := str(t, b.login(t, login, `{}`, nil), "token")
	h := headers{"X-Auth-Token": token}
	none := map[string]any{"tenant_uuid": nil, "host": nil, "port": nil, "protocol_version": nil, "protocol_security": nil, "bind_dn": nil,
		"user_base_dn": nil, "user_login_attribute": nil, "user_email_attribute": nil, "search_filters": nil}
	get := func(h headers) map[string]any {
		t.Helper()
		a := b.do(t, "GET", ldapPath, "", h)
		require.Equal(t, http.StatusOK, a.status, a.text)
		return a.body
	}
	require.Equal(t, none, get(h))
	require.Equal(t, http.StatusNoContent, b.do(t, "DELETE", ldapPath, "", h).status, "there is none")

	want := map[string]any{"tenant_uuid": b.top.String(), "host": "ldap.example.com", "port": 389.0, "protocol_version": 3.0, "protocol_security": nil, "bind_dn": nil,
		"user_base_dn": "ou=people,dc=example,dc=com", "user_login_attribute": "uid", "user_email_attribute": "mail", "search_filters": nil}
	stored := func(more, change map[string]any) {
		t.Helper()
		maps.Copy(want, change)
		a := b.do(t, "PUT", ldapPath, with(minimalLDAP(), more), h)
		require.Equal(t, http.StatusOK, a.status, a.text)
		require.Equal(t, want, a.body)
		require.Equal(t, want, get(h))
	}
	stored(map[string]any{"tenant_uuid": uuid.NewString(), "other": 1}, nil)
	full := map[string]any{"protocol_version": 2, "protocol_security": "tls", "bind_dn": "cn=svc", "search_filters": "(uid={username})", "bind_password": "very-s3cret"}
	shown := map[string]any{"protocol_version": 2.0, "protocol_security": "tls", "bind_dn": "cn=svc", "search_filters": "(uid={username})"}
	stored(full, shown)
	require.Equal(t, "very-s3cret", b.bindPassword(t))
	stored(nil, map[string]any{"protocol_version": 3.0}) // the version alone is not kept
	require.Equal(t, "very-s3cret", b.bindPassword(t))
	stored(map[string]any{"protocol_security": nil, "bind_dn": nil, "search_filters": nil, "bind_password": nil, "host": "", "port": "-7"},
		map[string]any{"protocol_security": nil, "bind_dn": nil, "search_filters": nil, "host": "", "port": -7.0})
	require.Empty(t, b.bindPassword(t))
	stored(map[string]any{"port": 389.7, "protocol_version": "2", "host": "x"}, map[string]any{"port": 389.0, "protocol_version": 2.0, "host": "x"})

	below := factory.Tenant(t.Context(), t, b.pool, b.top)
	inBelow := headers{"X-Auth-Token": token, "Wazo-Tenant": below.String()}
	require.Equal(t, none, get(inBelow), "nothing is inherited")
	require.Equal(t, http.StatusNoContent, b.do(t, "DELETE", ldapPath, "", h).status)
	require.Equal(t, none, get(h))
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		elsewhere := uuid.NewString()
		a := b.do(t, method, ldapPath, "{}", headers{"X-Auth-Token": token, "Wazo-Tenant": elsewhere})
		require.Equal(t, http.StatusUnauthorized, a.status, method)
		require.Equal(t, "unauthorized-tenant", a.body["error_id"])
		require.Equal(t, map[string]any{"tenant_uuid": elsewhere}, a.body["details"])
	}
	require.Equal(t, http.StatusMethodNotAllowed, b.do(t, "POST", ldapPath, "{}", h).status)
	require.NotContains(t, b.log.String(), "very-s3cret")
}

// bindPassword is the password of the top tenant's service account, which must not be found in the database as it is.
func (b *bundle) bindPassword(t *testing.T) string {
	t.Helper()
	var row string
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT encode(coalesce(sealed_bind_password, ''), 'escape') FROM ldap_configs").Scan(&row))
	require.NotContains(t, row, "s3cret")
	ring, err := seal.New([]seal.Key{{ID: "k1", Secret: [32]byte{1}}}) // setup's
	require.NoError(t, err)
	d, err := identity.NewLDAPConfigs(b.pool, ring).OfTenant(t.Context(), b.top.String())
	require.NoError(t, err)
	return d.BindPassword
}

func TestTheFirstFaultyFieldOfADirectoryIsNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, login := b.user(t, b.top, "auth.backends.ldap.update")
	h := headers{"X-Auth-Token": str(t, b.login(t, login, `{}`, nil), "token")}
	long := func(n int) string { return strings.Repeat("é", n) }
	for name, c := range map[string]struct {
		body  string
		field string // empty: accepted
	}{
		"empty object":              {`{}`, "host"},
		"null":                      {`null`, "host"},
		"empty list":                {`[]`, "host"},
		"a list":                    {`[1]`, "_schema"},
		"a text":                    {`"x"`, "_schema"},
		"a number":                  {`7`, "_schema"},
		"null host":                 {with(minimalLDAP(), map[string]any{"host": nil, "port": "x"}), "host"},
		"a host that is no text":    {with(minimalLDAP(), map[string]any{"host": 1}), "host"},
		"long host":                 {with(minimalLDAP(), map[string]any{"host": long(513)}), "host"},
		"longest host":              {with(minimalLDAP(), map[string]any{"host": long(512)}), ""},
		"no port":                   {with(minimalLDAP(), map[string]any{"port": absent, "user_base_dn": absent}), "port"},
		"boolean port":              {with(minimalLDAP(), map[string]any{"port": true}), "port"},
		"a port that is no number":  {with(minimalLDAP(), map[string]any{"port": "389x"}), "port"},
		"a port beyond 32 bits":     {with(minimalLDAP(), map[string]any{"port": 1 << 31}), "port"},
		"a port below 32 bits":      {with(minimalLDAP(), map[string]any{"port": -1<<31 - 1}), "port"},
		"the largest port":          {with(minimalLDAP(), map[string]any{"port": 1<<31 - 1}), ""},
		"null version":              {with(minimalLDAP(), map[string]any{"protocol_version": nil}), "protocol_version"},
		"version 1":                 {with(minimalLDAP(), map[string]any{"protocol_version": 1}), "protocol_version"},
		"version 4":                 {with(minimalLDAP(), map[string]any{"protocol_version": 4, "protocol_security": "x"}), "protocol_version"},
		"empty security":            {with(minimalLDAP(), map[string]any{"protocol_security": ""}), "protocol_security"},
		"security in capitals":      {with(minimalLDAP(), map[string]any{"protocol_security": "TLS"}), "protocol_security"},
		"long name of the service":  {with(minimalLDAP(), map[string]any{"bind_dn": long(257)}), "bind_dn"},
		"no base":                   {with(minimalLDAP(), map[string]any{"user_base_dn": absent}), "user_base_dn"},
		"null base":                 {with(minimalLDAP(), map[string]any{"user_base_dn": nil}), "user_base_dn"},
		"long base":                 {with(minimalLDAP(), map[string]any{"user_base_dn": long(257)}), "user_base_dn"},
		"long attribute of logins":  {with(minimalLDAP(), map[string]any{"user_login_attribute": long(65)}), "user_login_attribute"},
		"no attribute of addresses": {with(minimalLDAP(), map[string]any{"user_email_attribute": absent}), "user_email_attribute"},
		"long one":                  {with(minimalLDAP(), map[string]any{"user_email_attribute": long(65)}), "user_email_attribute"},
		"filters that are no text":  {with(minimalLDAP(), map[string]any{"search_filters": []string{}}), "search_filters"},
		"any filter":                {with(minimalLDAP(), map[string]any{"search_filters": long(5000) + "{"}), ""},
		"a password that is none":   {with(minimalLDAP(), map[string]any{"bind_password": 1}), "bind_password"},
		"an empty password":         {with(minimalLDAP(), map[string]any{"bind_password": ""}), ""},
	} {
		a := b.do(t, "PUT", ldapPath, c.body, h)
		if c.field == "" {
			require.Equal(t, http.StatusOK, a.status, "%s: %s", name, a.text)
			continue
		}
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", name, a.text)
		require.Equal(t, "Invalid value supplied for field: "+c.field, reason(a), name)
	}
	for name, body := range map[string]string{"empty": "", "malformed": "{"} {
		a := b.do(t, "PUT", ldapPath, body, h)
		require.Equal(t, http.StatusBadRequest, a.status, name)
		require.NotEmpty(t, a.body["message"], name)
	}
	form := maps.Clone(h)
	form["Content-Type"] = "application/x-www-form-urlencoded"
	require.Equal(t, http.StatusBadRequest, b.do(t, "PUT", ldapPath, with(minimalLDAP(), nil), form).status)
	require.Equal(t, http.StatusUnauthorized, b.do(t, "GET", ldapPath, "", h).status, "another access")
	require.Equal(t, http.StatusUnauthorized, b.do(t, "DELETE", ldapPath, "", h).status)
}
