package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/saml/samltest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

const (
	samlEntity  = "our-entity"
	samlACS     = "https://stack.example.com/api/auth/0.1/saml/acs"
	samlLanding = "https://app.example.com/landing"
)

// single is a tenant that logs in with an identity provider.
type single struct {
	*bundle

	idp            *samltest.IdP
	admin          string
	tenant, domain uuid.UUID
	name           string
}

func setupSAML(t *testing.T) *single {
	t.Helper()
	s := &single{bundle: setup(t), idp: samltest.New(t)}
	s.admin = s.bundle.admin(t, s.top)["X-Auth-Token"]
	s.tenant, s.domain, s.name = s.domainTenant(t)
	s.configure(t, s.tenant, s.domain, s.idp.Metadata())
	return s
}

func (s *single) configure(t *testing.T, tenant, domain uuid.UUID, metadata []byte) {
	t.Helper()
	a := s.upload(t, "POST", s.admin, tenant, upload{map[string]string{"domain_uuid": domain.String(), "entity_id": samlEntity, "acs_url": samlACS}, file(string(metadata))})
	require.Equal(t, http.StatusOK, a.status, a.text)
}

// member is a user with the method saml.
func (s *single) member(t *testing.T, tenant uuid.UUID) string {
	t.Helper()
	id, login := s.user(t, tenant, "mine")
	_, err := s.pool.Exec(t.Context(), "UPDATE users SET authentication_method = 'saml' WHERE uuid = $1", id)
	require.NoError(t, err)
	return login
}

// way is a login that was begun.
type way struct {
	session string
	request samltest.Request
}

func (s *single) begin(t *testing.T, domain, redirectURL string) way {
	t.Helper()
	a := s.do(t, "POST", "/0.1/saml/sso", fmt.Sprintf(`{"redirect_url": %q, "domain": %q}`, redirectURL, domain), nil)
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Len(t, a.body, 2)
	require.Len(t, str(t, a.body, "saml_session_id"), 22)
	r, err := samltest.Read(str(t, a.body, "location"), nil)
	require.NoError(t, err)
	require.Len(t, r.RelayState, 44)
	return way{str(t, a.body, "saml_session_id"), r}
}

func (s *single) post(t *testing.T, relay, response string) answer {
	t.Helper()
	return s.do(t, "POST", "/0.1/saml/acs", url.Values{"RelayState": {relay}, "SAMLResponse": {response}}.Encode(),
		headers{"Content-Type": "application/x-www-form-urlencoded"})
}

// answered is a login that the identity provider said yes to.
func (s *single) answered(t *testing.T, login string) way {
	t.Helper()
	w := s.begin(t, s.name, samlLanding)
	a := s.post(t, w.request.RelayState, s.idp.Post(t, s.idp.Good(w.request, login)))
	require.Equal(t, []any{http.StatusFound, samlLanding}, []any{a.status, a.header.Get("Location")}, a.text)
	return w
}

func (s *single) exchange(t *testing.T, session, more string) answer {
	t.Helper()
	return s.do(t, "POST", "/0.1/token", fmt.Sprintf(`{"saml_session_id": %q%s}`, session, more), nil)
}

const offline = `, "access_type": "offline", "client_id": "page"`

func data(t *testing.T, a answer) map[string]any {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.text)
	d, ok := a.body["data"].(map[string]any)
	require.True(t, ok)
	return d
}

func refused(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, []any{http.StatusUnauthorized, "Authentication Failed"}, []any{a.status, reason(a)}, a.text)
}

// isSAML compares an error with the whole shape that the page knows.
func isSAML(t *testing.T, a answer, status int, message, id string, details map[string]any) {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	require.IsType(t, 0.0, a.body["timestamp"])
	delete(a.body, "timestamp")
	require.Equal(t, map[string]any{"message": message, "error_id": id, "details": details, "resource": "saml"}, a.body)
}

func processingError(t *testing.T, a answer, status int, text string) {
	t.Helper()
	isSAML(t, a, status, "SAML processing failed", "processing-error", map[string]any{"error": text})
}

func TestBeginningOfASingleSignOnIsChecked(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	for body, field := range map[string]string{
		`{}`: "redirect_url", `null`: "redirect_url", `[]`: "redirect_url", `[1]`: "_schema", `"x"`: "_schema",
		`{"domain": "x"}`: "redirect_url", `{"redirect_url": null, "domain": null}`: "redirect_url", `{"redirect_url": "", "domain": "x.y"}`: "redirect_url", `{"redirect_url": 1, "domain": "x.y"}`: "redirect_url",
		`{"redirect_url": "u"}`: "domain", `{"redirect_url": "u", "domain": null}`: "domain", `{"redirect_url": "u", "domain": []}`: "domain",
		`{"redirect_url": "u", "domain": "example"}`: "domain", `{"redirect_url": "u", "domain": "a_b.example.com"}`: "domain", `{"redirect_url": "u", "domain": "-a.example.com"}`: "domain",
		`{"redirect_url": "u", "domain": "a-.example.com"}`: "domain", `{"redirect_url": "u", "domain": "a..example.com"}`: "domain", `{"redirect_url": "u", "domain": "a.b\n"}`: "domain",
		`{"redirect_url": "u", "domain": "` + strings.Repeat("a.", 126) + `com"}`: "domain",
	} {
		isSAML(t, s.do(t, "POST", "/0.1/saml/sso", body, nil), http.StatusBadRequest, field, "invalid-data", map[string]any{})
	}
	for _, body := range []string{"", "{"} {
		a := s.do(t, "POST", "/0.1/saml/sso", body, nil)
		require.Equal(t, []any{http.StatusBadRequest, 1}, []any{a.status, len(a.body)}, a.text)
	}
	unconfigured := func(redirectURL, domain string) {
		a := s.do(t, "POST", "/0.1/saml/sso", fmt.Sprintf(`{"redirect_url": %q, "domain": %q}`, redirectURL, domain), headers{"Origin": "https://app.example.com"})
		require.Equal(t, "https://app.example.com", a.header.Get("Access-Control-Allow-Origin"))
		isSAML(t, a, http.StatusInternalServerError, "SAML client for domain not found or failed", "configuration-error", map[string]any{"domain": domain})
	}
	unconfigured("u", "unknown.example.com")
	unconfigured("u", "unknown.example.com.")
	unconfigured("u", strings.ToUpper(s.name))
	unconfigured(strings.Repeat("u", 513), s.name)
	_, _, bare := s.domainTenant(t)
	unconfigured("u", bare)
	for _, metadata := range []string{"<a/>", string(s.idp.MetadataWith()),
		string(s.idp.MetadataWith(`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>`)),
		strings.Replace(string(s.idp.Metadata()), "entityID=", `validUntil="2001-01-01T00:00:00Z" entityID=`, 1)} {
		require.Equal(t, http.StatusOK, s.upload(t, "PUT", s.admin, s.tenant, upload{nil, file(metadata)}).status)
		unconfigured("u", s.name)
	}
	require.Equal(t, http.StatusOK, s.upload(t, "PUT", s.admin, s.tenant, upload{nil, file(string(s.idp.Metadata()))}).status)
	w := s.begin(t, s.name, samlLanding)
	require.Equal(t, []string{"AuthnRequest", samlEntity, samlACS, s.idp.URL + "/sso"}, []string{w.request.Kind, w.request.Issuer, w.request.ACSURL, w.request.Destination})
}

func TestAnswersOfIdentityProvidersLeadBack(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	form := headers{"Content-Type": "application/x-www-form-urlencoded"}
	for _, a := range []answer{s.do(t, "POST", "/0.1/saml/acs", "", nil), s.do(t, "POST", "/0.1/saml/acs", `{"RelayState": "x", "SAMLResponse": "y"}`, headers{"Content-Type": "application/json"}),
		s.do(t, "POST", "/0.1/saml/acs", "RelayState=x", form), s.do(t, "POST", "/0.1/saml/acs", "SAMLResponse=x", form)} {
		isSAML(t, a, http.StatusBadRequest, "RelayState and/or SAMLResponse", "invalid-data", map[string]any{})
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, s.do(t, "POST", "/0.1/saml/acs", "RelayState=x&SAMLResponse="+strings.Repeat("x", 1<<20), form).status)
	for _, relay := range []string{"", "x", base64.URLEncoding.EncodeToString(make([]byte, 32))} {
		processingError(t, s.post(t, relay, "x"), http.StatusNotFound, "Context not found")
	}
	login := s.member(t, s.tenant)
	failed := func(w way, response, location string) {
		a := s.post(t, w.request.RelayState, response)
		require.Equal(t, []any{http.StatusFound, location}, []any{a.status, a.header.Get("Location")}, a.text)
		refused(t, s.exchange(t, w.session, offline))
		processingError(t, s.post(t, w.request.RelayState, response), http.StatusNotFound, "Context not found")
	}
	failed(s.begin(t, s.name, samlLanding), "nonsense", samlLanding+"?login_failure_code=500")
	failed(s.begin(t, s.name, samlLanding+"?a=b"), "", samlLanding+"?a=b&login_failure_code=500")
	w, other := s.begin(t, s.name, samlLanding), s.begin(t, s.name, samlLanding)
	failed(w, s.idp.Post(t, s.idp.Good(other.request, login)), samlLanding+"?login_failure_code=500") // another login's answer
	unsigned := s.idp.Good(other.request, login)
	unsigned.SignResponse, unsigned.SignAssertion = false, true
	failed(other, s.idp.Post(t, unsigned), samlLanding+"?login_failure_code=500")

	w = s.begin(t, s.name, samlLanding+"?a=b")
	refused(t, s.exchange(t, w.session, offline))
	good := s.idp.Post(t, s.idp.Good(w.request, login))
	for range 2 { // a repeat leads to the same and changes nothing
		a := s.post(t, w.request.RelayState, good)
		require.Equal(t, []any{http.StatusFound, samlLanding + "?a=b"}, []any{a.status, a.header.Get("Location")}, a.text)
	}
	d := data(t, s.exchange(t, w.session, offline))
	require.Equal(t, samlLanding+"?a=b", s.post(t, w.request.RelayState, good).header.Get("Location"))
	refused(t, s.exchange(t, w.session, offline)) // a repeat brings no session back
	require.Equal(t, samlLanding+"?a=b&login_failure_code=500", s.post(t, w.request.RelayState, "x").header.Get("Location"))
	a := s.do(t, "GET", "/0.1/saml/logout", "", headers{"X-Auth-Token": str(t, d, "token")})
	require.Equal(t, http.StatusOK, a.status, "what was exchanged is not undone by nonsense: %s", a.text)

	// Somebody else's good answer does not take an answered login over.
	w = s.answered(t, login)
	require.Equal(t, samlLanding+"?login_failure_code=500", s.post(t, w.request.RelayState, s.idp.Post(t, s.idp.Good(w.request, s.member(t, s.tenant)))).header.Get("Location"))
	refused(t, s.exchange(t, w.session, offline))

	w = s.begin(t, s.name, samlLanding)
	require.Equal(t, http.StatusNoContent, s.do(t, "DELETE", "/0.1/backends/saml", "", headers{"X-Auth-Token": s.admin, "Wazo-Tenant": s.tenant.String()}).status)
	processingError(t, s.post(t, w.request.RelayState, good), http.StatusInternalServerError, "Unexpected error")
}

func TestSAMLSessionsAreExchangedOnce(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	login := s.member(t, s.tenant)
	w := s.answered(t, login)
	d := data(t, s.exchange(t, w.session, `, "tenant_id": "nobody", "backend": "x"`+offline)) // what else was sent does not count
	require.NotEmpty(t, d["refresh_token"])
	require.Equal(t, []any{"mine"}, d["acl"])
	refused(t, s.exchange(t, w.session, offline))
	refused(t, s.exchange(t, w.session, ""))
	for _, session := range []string{"token-already-used", "x", w.request.RelayState} {
		refused(t, s.exchange(t, session, offline))
	}
	renewed := data(t, s.do(t, "POST", "/0.1/token", fmt.Sprintf(`{"refresh_token": %q, "client_id": "page"}`, d["refresh_token"]), nil))
	require.Nil(t, renewed["refresh_token"])
	require.Equal(t, d["auth_id"], renewed["auth_id"])

	online := s.answered(t, login)
	data(t, s.exchange(t, online.session, ""))
	refused(t, s.exchange(t, online.session, "")) // the reference goes on for a week

	again := data(t, s.exchange(t, s.answered(t, login).session, offline))
	require.Equal(t, d["refresh_token"], again["refresh_token"], "the same client gets the same")

	many := s.answered(t, login)
	var wg sync.WaitGroup
	statuses := make(chan int, 4)
	for range cap(statuses) {
		wg.Go(func() { statuses <- s.exchange(t, many.session, `, "expiration": 60`).status })
	}
	wg.Wait()
	close(statuses)
	won := 0
	for status := range statuses {
		if status == http.StatusOK {
			won++
		} else {
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusTooManyRequests}, status)
		}
	}
	require.Equal(t, 1, won)
}

func TestSAMLLogsInUsersOfItsTenantOnly(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	below := factory.Tenant(t.Context(), t, s.pool, s.tenant)
	data(t, s.exchange(t, s.answered(t, s.member(t, below)).session, ""))
	refused(t, s.exchange(t, s.answered(t, s.member(t, s.top)).session, ""))
	sibling := factory.Tenant(t.Context(), t, s.pool, s.top)
	refused(t, s.exchange(t, s.answered(t, s.member(t, sibling)).session, ""))

	id, native := s.user(t, s.tenant)
	w := s.answered(t, native)
	refused(t, s.exchange(t, w.session, "")) // its method is not saml
	_, err := s.pool.Exec(t.Context(), "UPDATE users SET authentication_method = 'saml' WHERE uuid = $1", id)
	require.NoError(t, err)
	data(t, s.exchange(t, w.session, "")) // the session stayed usable
	refused(t, s.exchange(t, s.answered(t, "nobody@example.com").session, ""))
	_, err = s.pool.Exec(t.Context(), "UPDATE users SET enabled = false WHERE uuid = $1", id)
	require.NoError(t, err)
	refused(t, s.exchange(t, s.answered(t, native).session, ""))
}

func (s *single) logout(t *testing.T, token string) answer {
	t.Helper()
	return s.do(t, "GET", "/0.1/saml/logout?token="+url.QueryEscape(token), "", nil)
}

func (s *single) live(t *testing.T, token string) int {
	t.Helper()
	return s.do(t, "HEAD", "/0.1/token/"+token, "", nil).status
}

func TestSAMLLogoutGoesThroughTheIdentityProvider(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	login := s.member(t, s.tenant)
	for _, token := range []string{"", "x", uuid.NewString()} {
		a := s.logout(t, token)
		require.Equal(t, []any{http.StatusNotFound, "No such token"}, []any{a.status, reason(a)}, a.text)
	}
	processingError(t, s.logout(t, s.admin), http.StatusNotFound, "Context not found")
	stranger := s.answered(t, login) // hole 4: a session that nothing is tied to is nobody's
	processingError(t, s.logout(t, s.admin), http.StatusNotFound, "Context not found")

	d := data(t, s.exchange(t, stranger.session, offline))
	first, refresh := str(t, d, "token"), str(t, d, "refresh_token")
	renew := func() answer {
		return s.do(t, "POST", "/0.1/token", fmt.Sprintf(`{"refresh_token": %q, "client_id": "page"}`, refresh), nil)
	}
	second := str(t, data(t, renew()), "token")
	a := s.do(t, "GET", "/0.1/saml/logout", "", headers{"X-Auth-Token": first})
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Len(t, a.body, 1)
	r, err := samltest.Read(str(t, a.body, "location"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"LogoutRequest", samlEntity, s.idp.URL + "/slo", "nobody-in-particular", "index-1"},
		[]string{r.Kind, r.Issuer, r.Destination, r.Root.FindElement("./NameID").Text(), r.Root.FindElement("./SessionIndex").Text()})
	require.NotContains(t, str(t, a.body, "location"), "Signature=")
	require.Equal(t, http.StatusNotFound, s.live(t, first))
	require.Equal(t, http.StatusNoContent, s.live(t, second))
	processingError(t, s.post(t, stranger.request.RelayState, "x"), http.StatusNotFound, "Context not found")

	a = s.logout(t, second) // another token of the same refresh token
	require.Equal(t, http.StatusOK, a.status, a.text)
	last, err := samltest.Read(str(t, a.body, "location"), nil)
	require.NoError(t, err)
	data(t, renew())

	sls := func(query string) answer { return s.do(t, "GET", "/0.1/saml/sls?"+query, "", nil) }
	for query, text := range map[string]string{
		"": "unknown relay state", s.idp.LogoutResponse(r.ID, r.RelayState, true): "unknown relay state",
		"SAMLResponse=x&RelayState=" + url.QueryEscape(last.RelayState):                  "no answer, or not base64",
		s.idp.LogoutResponse(r.ID, last.RelayState, true):                                "an answer to another request",
		samltest.New(t).LogoutResponse(last.ID, last.RelayState, true):                   "another issuer",
		s.idp.LogoutResponse(last.ID, last.RelayState, false) + "&SigAlg=x&Signature=eA": "signed in an unknown way",
	} {
		processingError(t, sls(query), http.StatusInternalServerError, "Unable to process logout request response ("+text+")")
	}
	good := s.idp.LogoutResponse(last.ID, last.RelayState, true)
	a = sls(good)
	require.Equal(t, []any{http.StatusFound, samlLanding + "?logged_out=true"}, []any{a.status, a.header.Get("Location")}, a.text)
	processingError(t, sls(good), http.StatusInternalServerError, "Unable to process logout request response (unknown relay state)")
	refused(t, renew()) // nothing needs it any more
}

func TestSAMLLogoutOfAnOnlineLogin(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	login := s.member(t, s.tenant)
	token := str(t, data(t, s.exchange(t, s.answered(t, login).session, "")), "token")
	a := s.logout(t, token)
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Equal(t, http.StatusNotFound, s.live(t, token))
}

func TestSAMLLogoutWithoutTheIdentityProvider(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	login := s.member(t, s.tenant)
	d := data(t, s.exchange(t, s.answered(t, login).session, offline))
	token := str(t, d, "token")
	shared := data(t, s.exchange(t, s.answered(t, login).session, offline))
	require.Equal(t, d["refresh_token"], shared["refresh_token"])

	require.Equal(t, http.StatusOK, s.upload(t, "PUT", s.admin, s.tenant, upload{nil, file(string(s.idp.MetadataWith()))}).status)
	processingError(t, s.logout(t, token), http.StatusInternalServerError, "The identity provider has no usable single logout endpoint")
	require.Equal(t, http.StatusNoContent, s.live(t, token), "the token is kept")

	_, err := s.pool.Exec(t.Context(), "UPDATE saml_logins SET provider_until = now()")
	require.NoError(t, err)
	renew := func() answer {
		return s.do(t, "POST", "/0.1/token", fmt.Sprintf(`{"refresh_token": %q, "client_id": "page"}`, d["refresh_token"]), nil)
	}
	for _, x := range []map[string]any{d, shared} {
		data(t, renew()) // it lives as long as one login needs it
		a := s.logout(t, str(t, x, "token"))
		require.Equal(t, []any{http.StatusOK, map[string]any{"location": samlLanding + "?logged_out=true"}}, []any{a.status, a.body}, a.text)
		require.Equal(t, http.StatusNotFound, s.live(t, str(t, x, "token")))
	}
	refused(t, renew())
}

func TestDeletingARefreshTokenEndsItsSAMLLogins(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	login := s.member(t, s.tenant)
	d := data(t, s.exchange(t, s.answered(t, login).session, offline))
	token := str(t, d, "token")
	a := s.do(t, "DELETE", "/0.1/users/"+str(t, d, "auth_id")+"/tokens/page", "", headers{"X-Auth-Token": s.admin})
	require.Equal(t, http.StatusNoContent, a.status, a.text)
	processingError(t, s.logout(t, token), http.StatusNotFound, "Context not found")
	require.Equal(t, http.StatusNoContent, s.live(t, token))
}

func TestWaitingSAMLLoginsAreBoundedAndEnd(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	from := func(address string) answer {
		return s.do(t, "POST", "/0.1/saml/sso", fmt.Sprintf(`{"redirect_url": "u", "domain": %q}`, s.name), headers{"X-Forwarded-For": address})
	}
	relayOf := func(a answer) string {
		r, err := samltest.Read(str(t, a.body, "location"), nil)
		require.NoError(t, err)
		return r.RelayState
	}
	mine := relayOf(from("192.0.2.1"))
	_, err := s.pool.Exec(t.Context(), `INSERT INTO saml_logins (uuid, relay, request_id, redirect_url, tenant_uuid, domain_uuid, source, expires_at, started_at)
		SELECT gen_random_uuid(), sha256(i::text::bytea), 'r', 'u', $1, $2, '2001:db8::/64', now() + interval '1 hour', now() + make_interval(secs => i) FROM generate_series(1, 200) i`, s.tenant, s.domain)
	require.NoError(t, err)
	theirs := relayOf(from("2001:db8::1")) // the oldest of its network goes: itself, since the others came later
	processingError(t, s.post(t, theirs, "x"), http.StatusNotFound, "Context not found")
	require.Equal(t, http.StatusFound, s.post(t, mine, "x").status)
	require.Contains(t, s.log.String(), "too many SAML logins wait for an answer")

	w := s.begin(t, s.name, samlLanding)
	_, err = s.pool.Exec(t.Context(), "UPDATE saml_logins SET expires_at = now() WHERE request_id = $1", w.request.ID)
	require.NoError(t, err)
	processingError(t, s.post(t, w.request.RelayState, s.idp.Post(t, s.idp.Good(w.request, "x"))), http.StatusNotFound, "Context not found")
	w = s.answered(t, s.member(t, s.tenant))
	var left time.Duration
	require.NoError(t, s.pool.QueryRow(t.Context(), "SELECT expires_at - started_at FROM saml_logins WHERE request_id = $1", w.request.ID).Scan(&left))
	require.Equal(t, 7*24*time.Hour, left)
}

func TestSAMLKeepsNoSecretsInTheOpen(t *testing.T) {
	t.Parallel()
	s := setupSAML(t)
	w := s.answered(t, s.member(t, s.tenant))
	var rows string
	require.NoError(t, s.pool.QueryRow(t.Context(), "SELECT string_agg(l::text, '') FROM saml_logins l").Scan(&rows))
	require.NotContains(t, rows, w.session)
	var sealed []byte
	require.NoError(t, s.pool.QueryRow(t.Context(), "SELECT sealed FROM saml_key").Scan(&sealed))
	require.NotContains(t, s.log.String(), w.session)
	require.Greater(t, len(sealed), 1000)
}
