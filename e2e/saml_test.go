package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/saml/samltest"
)

// samlStack is an installation of two APIs: browsers come to the second one.
type samlStack struct {
	*stack

	root string // a token
	acs  string
}

func TestSAML(t *testing.T) {
	t.Parallel()
	s := &samlStack{stack: newStack(t, options{apis: 2})}
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.root, s.acs = s.login(t, s.apis[0], s.stack.root, nil).Token, s.apis[1].url+"/0.1/saml/acs"
	for name, part := range map[string]func(*testing.T, *samlStack){
		"a browser is led to the identity provider and back": browserIsLedThereAndBack,
		"wrong answers lead back without a login":            wrongAnswersLeadBack,
		"a change counts at once on all APIs":                changeCountsAtOnce,
		"a real browser logs in and out":                     realBrowserLogsIn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
	t.Run("logins survive restarts", func(t *testing.T) { loginsSurviveRestarts(t, s) }) // before the parallel parts
	t.Cleanup(func() {
		f := s.finder()
		for _, p := range s.apis {
			require.Empty(t, f.find([]byte(p.log.String())), "a secret in the log of %s", p.name)
		}
	})
}

// samlTenant is a tenant with an identity provider of its own.
type samlTenant struct {
	tenantBody

	idp                *samltest.IdP
	domain, domainUUID string
}

func (s *samlStack) tenantOf(t *testing.T) samlTenant {
	t.Helper()
	made := samlTenant{domain: "s" + random(6) + ".example.org", idp: samltest.New(t)}
	made.tenantBody = s.createTenant(t, s.root, fields{"domain_names": []string{made.domain}, "default_authentication_method": "saml"})
	var domains struct{ Items []struct{ UUID string } }
	s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/tenants/" + made.UUID.String() + "/domains", token: s.root}).into(t, &domains)
	require.Len(t, domains.Items, 1)
	made.domainUUID = domains.Items[0].UUID
	a := s.configure(t, http.MethodPost, made, map[string]string{"domain_uuid": made.domainUUID, "entity_id": "e2e", "acs_url": s.acs}, made.idp.Metadata())
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	return made
}

func (s *samlStack) configure(t *testing.T, method string, tenant samlTenant, values map[string]string, metadata []byte) answer {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, v := range values {
		require.NoError(t, w.WriteField(name, v))
	}
	part, err := w.CreateFormFile("metadata", "metadata.xml")
	require.NoError(t, err)
	_, err = part.Write(metadata)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	header := inTenant(tenant.UUID)
	header.Set("Content-Type", w.FormDataContentType())
	return s.ask(t, s.apis[0], request{method: method, path: "/backends/saml", token: s.root, header: header, body: b.String()})
}

func (s *samlStack) member(t *testing.T, tenant uuid.UUID) string {
	t.Helper()
	name := "member-" + random(6)
	a := s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/users", token: s.root, header: inTenant(tenant),
		body: fields{"username": name, "email_address": name + "@example.org"}})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	return name
}

// samlWay is a login that was begun.
type samlWay struct {
	session, location string
	request           samltest.Request
}

func (s *samlStack) begin(t *testing.T, tenant samlTenant, to string) samlWay {
	t.Helper()
	var got struct {
		Location string `json:"location"`
		Session  string `json:"saml_session_id"`
	}
	s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/saml/sso", body: fields{"redirect_url": to, "domain": tenant.domain}}).into(t, &got)
	s.secret(got.Session)
	r, err := samltest.Read(got.Location, nil)
	require.NoError(t, err)
	return samlWay{got.Session, got.Location, r}
}

func (s *samlStack) post(t *testing.T, relay, response string) answer {
	t.Helper()
	return s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/saml/acs", body: url.Values{"RelayState": {relay}, "SAMLResponse": {response}}.Encode(),
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
}

func (s *samlStack) exchange(t *testing.T, session string) answer {
	t.Helper()
	return s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/token", body: fields{"saml_session_id": session, "access_type": "offline", "client_id": "page"}})
}

func (s *samlStack) leadsTo(t *testing.T, a answer, location string) {
	t.Helper()
	require.Equal(t, []any{http.StatusFound, location}, []any{a.status, a.header.Get("Location")}, "%s", a.body)
}

const samlLanding = "https://app.example.com/landing?x=1"

func browserIsLedThereAndBack(t *testing.T, s *samlStack) {
	tenant := s.tenantOf(t)
	login := s.member(t, tenant.UUID)
	w := s.begin(t, tenant, samlLanding)
	s.leadsTo(t, s.post(t, w.request.RelayState, tenant.idp.Post(t, tenant.idp.Good(w.request, login))), samlLanding)
	made := s.exchange(t, w.session).token(t)
	require.NotEmpty(t, made.RefreshToken)
	require.Equal(t, tenant.UUID.String(), made.Metadata["tenant_uuid"])
	require.Equal(t, http.StatusUnauthorized, s.exchange(t, w.session).status)
	require.Equal(t, http.StatusUnauthorized, s.exchange(t, "token-already-used").status)

	var listed struct{ Items []string }
	s.ask(t, s.apis[0], request{method: http.MethodGet, path: "/idp", token: s.root}).into(t, &listed)
	require.ElementsMatch(t, []string{"native", "default", "ldap", "saml"}, listed.Items)

	// A user of another tenant, and one whom the identity provider of a tenant below names.
	w = s.begin(t, tenant, samlLanding)
	s.leadsTo(t, s.post(t, w.request.RelayState, tenant.idp.Post(t, tenant.idp.Good(w.request, s.stack.root))), samlLanding)
	require.Equal(t, http.StatusUnauthorized, s.exchange(t, w.session).status)
}

func wrongAnswersLeadBack(t *testing.T, s *samlStack) {
	tenant := s.tenantOf(t)
	login := s.member(t, tenant.UUID)
	stranger, _ := samltest.Key(t)
	for name, spoil := range map[string]func(*samltest.Answer){
		"the wrong key":             func(a *samltest.Answer) { a.Key = stranger },
		"expired":                   func(a *samltest.Answer) { a.NotOnOrAfter = time.Now().Add(-time.Minute) },
		"another audience":          func(a *samltest.Answer) { a.Audience = "other" },
		"another destination":       func(a *samltest.Answer) { a.Destination = "https://other.example.com" },
		"only the assertion signed": func(a *samltest.Answer) { a.SignResponse, a.SignAssertion = false, true },
		"unsolicited":               func(a *samltest.Answer) { a.InResponseTo, a.ConfirmationInResponseTo = "", "" },
	} {
		w := s.begin(t, tenant, samlLanding)
		a := tenant.idp.Good(w.request, login)
		spoil(&a)
		s.leadsTo(t, s.post(t, w.request.RelayState, tenant.idp.Post(t, a)), samlLanding+"&login_failure_code=500")
		require.Equal(t, http.StatusUnauthorized, s.exchange(t, w.session).status, name)
		require.Equal(t, http.StatusNotFound, s.post(t, w.request.RelayState, "x").status, name)
	}
	first, second := s.begin(t, tenant, samlLanding), s.begin(t, tenant, samlLanding)
	good := tenant.idp.Post(t, tenant.idp.Good(first.request, login))
	s.leadsTo(t, s.post(t, first.request.RelayState, good), samlLanding)
	s.leadsTo(t, s.post(t, second.request.RelayState, good), samlLanding+"&login_failure_code=500") // replayed
}

func changeCountsAtOnce(t *testing.T, s *samlStack) {
	tenant := s.tenantOf(t)
	login := s.member(t, tenant.UUID)
	other := samltest.New(t)
	w := s.begin(t, tenant, samlLanding)
	require.Equal(t, http.StatusOK, s.configure(t, http.MethodPut, tenant, nil, other.Metadata()).status)
	s.leadsTo(t, s.post(t, w.request.RelayState, tenant.idp.Post(t, tenant.idp.Good(w.request, login))), samlLanding+"&login_failure_code=500")
	w = s.begin(t, tenant, samlLanding)
	require.Equal(t, other.URL+"/sso", w.request.Destination)
	s.leadsTo(t, s.post(t, w.request.RelayState, other.Post(t, other.Good(w.request, login))), samlLanding)
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], request{method: http.MethodDelete, path: "/backends/saml", token: s.root, header: inTenant(tenant.UUID)}).status)
	require.Equal(t, http.StatusInternalServerError, s.post(t, w.request.RelayState, "x").status)
	s.exchange(t, w.session).token(t) // what was answered needs no configuration any more
}

// certificate is that of the key which all APIs share, made by the first login.
func (s *samlStack) certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	var der []byte
	s.row(t, &der, "SELECT certificate FROM saml_key")
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

func loginsSurviveRestarts(t *testing.T, s *samlStack) {
	again := func() {
		for _, p := range s.apis {
			p.kill()
			s.restart(t, p)
		}
	}
	tenant := s.tenantOf(t)
	login := s.member(t, tenant.UUID)
	w := s.begin(t, tenant, samlLanding)
	again()
	encrypted := tenant.idp.Good(w.request, login)
	encrypted.EncryptFor = s.certificate(t) // the key survived too
	s.leadsTo(t, s.post(t, w.request.RelayState, tenant.idp.Post(t, encrypted)), samlLanding)
	again()
	made := s.exchange(t, w.session).token(t)
	again()
	renewed := s.ask(t, s.apis[1], request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": made.RefreshToken, "client_id": "page"}}).token(t)
	var got struct {
		Location string `json:"location"`
	}
	s.ask(t, s.apis[1], request{method: http.MethodGet, path: "/saml/logout", token: renewed.Token}).into(t, &got)
	r, err := samltest.Read(got.Location, nil)
	require.NoError(t, err)
	again()
	sls := request{method: http.MethodGet, path: "/saml/sls?" + tenant.idp.LogoutResponse(r.ID, r.RelayState, true)}
	s.leadsTo(t, s.ask(t, s.apis[0], sls), samlLanding+"&logged_out=true")
	require.Equal(t, http.StatusInternalServerError, s.ask(t, s.apis[1], sls).status)
	require.Equal(t, http.StatusUnauthorized, s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/token", body: fields{"refresh_token": made.RefreshToken, "client_id": "page"}}).status)
	s.begin(t, tenant, samlLanding)
	s.searchDatabase(t, s.finder())
}

// appPage is a page of another origin: it logs in, and out.
const appPage = `<!doctype html><title>app</title><script>
const api = %q, domain = %q, report = (what, value) => fetch("/report?" + new URLSearchParams({what, value}));
const call = async (method, path, body, token) => {
	const headers = {"Content-Type": "application/json"};
	if (token) headers["X-Auth-Token"] = token;
	const r = await fetch(api + "/0.1" + path, {method, headers, body: body && JSON.stringify(body)});
	return [r.status, await r.json()];
};
(async () => {
	const asked = new URLSearchParams(location.search), session = sessionStorage.getItem("session");
	if (asked.has("logged_out")) return report("done", "logged out");
	if (asked.has("login_failure_code")) return report("failed", location.search);
	if (!session) {
		const [, begun] = await call("POST", "/saml/sso", {redirect_url: location.href, domain});
		sessionStorage.setItem("session", begun.saml_session_id);
		location.href = begun.location;
		return;
	}
	const [status, made] = await call("POST", "/token", {saml_session_id: session, access_type: "offline", client_id: "page"});
	await report("token", status + " " + (made.data ? made.data.metadata.tenant_uuid : JSON.stringify(made)));
	const [, out] = await call("GET", "/saml/logout", null, made.data.token);
	location.href = out.location;
})().catch(e => report("failed", e));
</script>`

// realBrowserLogsIn has Chromium go the whole way: a page of another origin, the identity provider's form, and back.
func realBrowserLogsIn(t *testing.T, s *samlStack) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium: scripts/ci-deps installs it")
	}
	tenant := s.tenantOf(t)
	tenant.idp.LogIn(s.member(t, tenant.UUID), s.apis[1].url+"/0.1/saml/sls")
	reports := make(chan string, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /app", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, appPage, s.apis[0].url, tenant.domain)
	})
	mux.HandleFunc("GET /report", func(_ http.ResponseWriter, r *http.Request) {
		reports <- r.FormValue("what") + ": " + r.FormValue("value")
	})
	app := httptest.NewServer(mux)
	defer app.Close()
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	browser := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
		"--no-first-run", "--no-proxy-server", "--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", app.URL+"/app")
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	browser.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	browser.Cancel = func() error { return syscall.Kill(-browser.Process.Pid, syscall.SIGKILL) } // its children too
	require.NoError(t, browser.Start())
	defer func() { cancel(); _ = browser.Wait() }()
	for _, want := range []string{"token: 200 " + tenant.UUID.String(), "done: logged out"} {
		select {
		case got := <-reports:
			require.Equal(t, want, got)
		case <-ctx.Done():
			t.Fatalf("the browser never said %q", want)
		}
	}
}
