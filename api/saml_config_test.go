package api

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

// upload is a multipart body; a file without a name is sent with an empty filename.
type upload struct {
	values map[string]string
	file   *formFile
}

func (u upload) encode(t *testing.T) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, v := range u.values {
		require.NoError(t, w.WriteField(name, v))
	}
	if u.file != nil {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="metadata"; filename="` + u.file.name + `"`}})
		require.NoError(t, err)
		_, err = part.Write(u.file.text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func (b *bundle) upload(t *testing.T, method, token string, tenant uuid.UUID, u upload) answer {
	t.Helper()
	body, kind := u.encode(t)
	return b.do(t, method, "/0.1/backends/saml", body, headers{"X-Auth-Token": token, "Wazo-Tenant": tenant.String(), "Content-Type": kind})
}

// domainTenant is a tenant below the top with a domain.
func (b *bundle) domainTenant(t *testing.T) (tenant, domain uuid.UUID, name string) {
	t.Helper()
	tenant, name = factory.Tenant(t.Context(), t, b.pool, b.top), "d"+strings.ReplaceAll(uuid.NewString(), "-", "")+".example.com"
	require.NoError(t, b.pool.QueryRow(t.Context(), "INSERT INTO domains (tenant_uuid, name) VALUES ($1, $2) RETURNING uuid", tenant, name).Scan(&domain))
	return tenant, domain, name
}

func file(text string) *formFile { return &formFile{name: "metadata.xml", text: []byte(text)} }

func TestSAMLConfigurationIsMadeReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.admin(t, b.top)["X-Auth-Token"]
	tenant, domain, _ := b.domainTenant(t)
	h := headers{"X-Auth-Token": admin, "Wazo-Tenant": tenant.String()}
	const metadata = "<?xml version=\"1.0\"?>\r\n<!-- kept --><p:a xmlns:p='u' b=\"é\"/>\n"
	none := func(a answer) {
		require.Equal(t, http.StatusNotFound, a.status, a.text)
		require.Equal(t, []any{`No SAML IDP config found for this tenant: "` + tenant.String() + `"`, "unknown-saml-config", map[string]any{"uuid": tenant.String()}, "saml_config"},
			[]any{a.body["message"], a.body["error_id"], a.body["details"], a.body["resource"]})
	}
	none(b.do(t, "GET", "/0.1/backends/saml", "", h))
	none(b.do(t, "GET", "/0.1/backends/saml/metadata", "", h))
	none(b.upload(t, "PUT", admin, tenant, upload{}))
	require.Equal(t, http.StatusNoContent, b.do(t, "DELETE", "/0.1/backends/saml", "", h).status)

	values := map[string]string{"domain_uuid": domain.String(), "entity_id": "entity", "acs_url": "https://s/acs", "tenant_uuid": uuid.NewString()}
	want := map[string]any{"domain_uuid": domain.String(), "entity_id": "entity", "acs_url": "https://s/acs", "tenant_uuid": tenant.String()}
	a := b.upload(t, "POST", admin, tenant, upload{values, file(metadata)})
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Equal(t, want, a.body)
	require.Equal(t, want, b.do(t, "GET", "/0.1/backends/saml", "", h).body)
	a = b.do(t, "GET", "/0.1/backends/saml/metadata", "", h)
	require.Equal(t, []any{http.StatusOK, "application/xml", "attachment", metadata}, []any{a.status, a.header.Get("Content-Type"), a.header.Get("Content-Disposition"), a.text})

	a = b.upload(t, "PUT", admin, tenant, upload{})
	require.Equal(t, []any{http.StatusOK, "{}\n"}, []any{a.status, a.text})
	require.Equal(t, want, b.do(t, "GET", "/0.1/backends/saml", "", h).body)
	form := headers{"X-Auth-Token": admin, "Wazo-Tenant": tenant.String(), "Content-Type": "application/x-www-form-urlencoded"}
	require.Equal(t, http.StatusOK, b.do(t, "PUT", "/0.1/backends/saml", url.Values{"entity_id": {"other"}}.Encode(), form).status)
	require.Equal(t, http.StatusOK, b.upload(t, "PUT", admin, tenant, upload{nil, file("<b/>")}).status)
	want["entity_id"] = "other"
	require.Equal(t, want, b.do(t, "GET", "/0.1/backends/saml", "", h).body)
	require.Equal(t, "<b/>", b.do(t, "GET", "/0.1/backends/saml/metadata", "", h).text)

	require.Equal(t, http.StatusNoContent, b.do(t, "DELETE", "/0.1/backends/saml", "", h).status)
	none(b.do(t, "GET", "/0.1/backends/saml", "", h))
	require.Equal(t, http.StatusOK, b.upload(t, "POST", admin, tenant, upload{values, file(metadata)}).status)
	_, err := b.pool.Exec(t.Context(), "DELETE FROM domains WHERE uuid = $1", domain)
	require.NoError(t, err)
	none(b.do(t, "GET", "/0.1/backends/saml", "", h))

	a = b.do(t, "GET", "/0.1/backends/saml/acs_url_template", "", headers{"X-Auth-Token": admin, "Wazo-Tenant": "nobody's"})
	require.Equal(t, []any{http.StatusOK, map[string]any{"acs_url": "https://{{STACK_URL}}/acs"}}, []any{a.status, a.body})

	var actions []string
	rows, err := b.pool.Query(t.Context(), "SELECT action FROM trail WHERE tenant_uuid = $1 ORDER BY id", tenant)
	require.NoError(t, err)
	for rows.Next() {
		var action string
		require.NoError(t, rows.Scan(&action))
		actions = append(actions, action)
	}
	require.Equal(t, []string{"saml_config created", "saml_config updated", "saml_config updated", "saml_config updated", "saml_config deleted", "saml_config created"}, actions)
}

func TestSAMLConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.admin(t, b.top)["X-Auth-Token"]
	tenant, domain, _ := b.domainTenant(t)
	_, foreign, _ := b.domainTenant(t)
	long, id := strings.Repeat("x", 513), domain.String()
	with := func(changes ...string) map[string]string {
		v := map[string]string{"domain_uuid": id, "entity_id": "e", "acs_url": "a"}
		for i := 0; i < len(changes); i += 2 {
			v[changes[i]] = changes[i+1]
		}
		return v
	}
	length := func(low, high float64, text string) map[string]any {
		return map[string]any{"constraint_id": "length", "constraint": map[string]any{"min": low, "max": high}, "message": text}
	}
	required := map[string]any{"message": "Missing data for required field.", "constraint_id": "required", "constraint": "required"}
	xml := "<a/>"
	for name, x := range map[string]struct {
		in      upload
		message string
		details map[string]any
	}{
		"nothing":       {upload{}, "Missing data for required field.", map[string]any{"domain_uuid": required}},
		"only a domain": {upload{map[string]string{"domain_uuid": id}, nil}, "Missing data for required field.", map[string]any{"entity_id": required}},
		"a short domain, a long address": {upload{with("domain_uuid", "x", "acs_url", long), nil}, "Length must be between 36 and 38.",
			map[string]any{"domain_uuid": length(36, 38, "Length must be between 36 and 38.")}},
		"a short tenant, a long address": {upload{with("tenant_uuid", "x", "acs_url", long), nil}, "Length must be between 36 and 38.",
			map[string]any{"tenant_uuid": length(36, 38, "Length must be between 36 and 38.")}},
		"an empty entity":           {upload{with("entity_id", ""), nil}, "Length must be between 1 and 512.", map[string]any{"entity_id": length(1, 512, "Length must be between 1 and 512.")}},
		"a long address":            {upload{with("acs_url", long), file(xml)}, "Length must be between 1 and 512.", map[string]any{"acs_url": length(1, 512, "Length must be between 1 and 512.")}},
		"no file":                   {upload{with(), nil}, "No metadata file provided", nil},
		"a field in its place":      {upload{with("metadata", xml), nil}, "No metadata file provided", nil},
		"a file without a name":     {upload{with(), &formFile{text: []byte(xml)}}, "Empty metadata file provided", nil},
		"an empty file":             {upload{with(), file("")}, "Invalid XML (no element found)", nil},
		"no XML":                    {upload{with("domain_uuid", foreign.String()), file("<a>")}, "Invalid XML (", nil},
		"a document type":           {upload{with(), file("<!DOCTYPE a><a/>")}, "Invalid XML (line 1: document types are not allowed)", nil},
		"another tenant's domain":   {upload{with("domain_uuid", foreign.String()), file(xml)}, "Domain not from tenant", nil},
		"a domain that is no uuid":  {upload{with("domain_uuid", strings.Repeat("x", 36)), file(xml)}, "Domain not from tenant", nil},
		"a domain that nobody has":  {upload{with("domain_uuid", uuid.NewString()), file(xml)}, "Domain not from tenant", nil},
		"the nil uuid for a domain": {upload{with("domain_uuid", uuid.Nil.String()), file(xml)}, "Domain not from tenant", nil},
	} {
		a := b.upload(t, "POST", admin, tenant, x.in)
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", name, a.text)
		if x.details != nil {
			require.Equal(t, []any{x.message, "invalid-list-param", "users", x.details}, []any{a.body["message"], a.body["error_id"], a.body["resource"], a.body["details"]}, name)
			continue
		}
		require.Contains(t, a.body["message"], x.message, name)
		require.Equal(t, []any{"unknown-saml-config", "saml_config", map[string]any{"uuid": tenant.String()}}, []any{a.body["error_id"], a.body["resource"], a.body["details"]}, name)
	}
	json := b.do(t, "POST", "/0.1/backends/saml", `{"domain_uuid": "`+id+`"}`, headers{"X-Auth-Token": admin, "Wazo-Tenant": tenant.String(), "Content-Type": "application/json"})
	require.Equal(t, []any{http.StatusBadRequest, "invalid-list-param"}, []any{json.status, json.body["error_id"]}, json.text)
	large := b.upload(t, "POST", admin, tenant, upload{with(), file("<a>" + strings.Repeat("x", 1<<20) + "</a>")})
	require.Equal(t, http.StatusRequestEntityTooLarge, large.status)

	require.Equal(t, http.StatusOK, b.upload(t, "POST", admin, tenant, upload{with("domain_uuid", "{"+id+"}"), file(xml)}).status)
	a := b.upload(t, "POST", admin, tenant, upload{with("domain_uuid", foreign.String()), file(xml)})
	require.Equal(t, http.StatusConflict, a.status, a.text)
	require.Equal(t, []any{"Conflict detected", "conflict", "saml_config", map[string]any{"tenant_uuid": map[string]any{"constraint_id": "unique", "message": "Duplicated SAML config exists"}}},
		[]any{a.body["message"], a.body["error_id"], a.body["resource"], a.body["details"]})
	for name, x := range map[string]struct {
		in      upload
		message string
	}{
		"limits":   {upload{map[string]string{"acs_url": long}, &formFile{}}, "Length must be between 1 and 512."}, // 500 on the reference
		"filename": {upload{map[string]string{"domain_uuid": foreign.String()}, &formFile{}}, "Empty metadata file provided"},
		"XML":      {upload{map[string]string{"domain_uuid": foreign.String()}, file("<")}, "Invalid XML ("},
		"domain":   {upload{map[string]string{"domain_uuid": foreign.String()}, file(xml)}, "Domain not from tenant"},
	} {
		a := b.upload(t, "PUT", admin, tenant, x.in)
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", name, a.text)
		require.Contains(t, a.body["message"], x.message, name)
	}
	other, _, _ := b.domainTenant(t)
	require.Equal(t, "Domain not from tenant", b.upload(t, "PUT", admin, other, upload{map[string]string{"domain_uuid": id}, nil}).body["message"], "before it is known whether there is one")
}
