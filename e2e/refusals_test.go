package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestEveryDescribedRefusalIsGiven provokes each refusal that api.yml describes of an operation, but those for want of access,
// which TestAuthorizationMatrix has. A new operation, or a new refusal, fails it until there is a row.
func TestEveryDescribedRefusalIsGiven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "registration.yml"), []byte("enabled_http_plugins: {user_registration: true}\n"), 0o600))
	s := newStack(t, options{apis: 1, settings: map[string]string{"password_hash.memory_kib": "8192", "extra_config_files": dir}})
	p := s.apis[0]
	d, err := described()
	require.NoError(t, err)
	m := s.matrix(t, p)
	w := s.refusalWorld(t, p, m)
	seen := map[string]bool{}
	for _, row := range append(w.unknownParts(d), w.rows()...) {
		method, template, op := d.operation(t, row.op)
		name := row.op + " " + strconv.Itoa(row.status)
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			require.NotNil(t, op.Responses.Value(strconv.Itoa(row.status)), "api.yml does not describe it")
			r := request{method: method, path: w.fill.Replace(cmp.Or(row.path, template) + row.query), token: cmp.Or(row.token, m.root), body: w.filled(t, row.body), header: row.header}
			before := s.state(t, m)
			a := s.ask(t, p, r)
			require.Equal(t, row.status, a.status)
			require.Contains(t, string(a.body), w.fill.Replace(row.says))
			require.Equal(t, before, s.state(t, m), "something has changed")
		})
	}
	for _, path := range d.paths {
		for _, op := range path.operations {
			for status := range op.Responses.Map() {
				name := op.OperationID + " " + status
				if _, known := elsewhere[name]; known || status == "401" || status == "default" || status[0] == '2' {
					continue
				}
				require.True(t, seen[name], "no row for %s", name)
			}
		}
	}
}

// elsewhere are the refusals that need more than a request to an ordinary stack, and the tests that have them.
var elsewhere = map[string]string{
	"createToken 404":      "TestLDAP",
	"createToken 429":      "TestGuards",
	"registerUser 429":     "TestRegistrationsAreLimited",
	"changePassword 429":   "TestGuards",
	"answerSAMLLogin 302":  "TestSAML",
	"answerSAMLLogin 500":  "TestAnswersOfIdentityProvidersLeadBack",
	"logoutSAML 500":       "TestSAMLLogoutWithoutTheIdentityProvider",
	"finishSAMLLogout 302": "TestSAML",
}

// refusalRow is a request that is refused, and how.
type refusalRow struct {
	op          string // operationId
	status      int
	says        string // somewhere in the body
	path, query string // in place of that of the operation; after it
	body        any
	header      http.Header
	token       string // in place of the one that may do everything
}

// refusalWorld is what requests can fail at.
type refusalWorld struct {
	m    *matrix
	fill *strings.Replacer
}

func (s *stack) refusalWorld(t *testing.T, p *process, m *matrix) *refusalWorld {
	t.Helper()
	var top, managed, configured uuid.UUID
	s.row(t, &top, "SELECT uuid FROM tenants WHERE uuid = parent_uuid")
	s.row(t, &managed, "SELECT uuid FROM groups WHERE tenant_uuid = $1 AND system_managed ORDER BY slug LIMIT 1", top)
	s.row(t, &configured, "INSERT INTO policies (tenant_uuid, name, slug, acl, config_managed) VALUES ($1, 'configured', 'configured', '{x.y}', true) RETURNING uuid", top)
	taken := "taken-" + random(6)
	for _, statement := range []string{
		"INSERT INTO groups (tenant_uuid, name, slug) VALUES ($1, 'other', 'other')",
		"INSERT INTO policies (tenant_uuid, name, slug, acl) VALUES ($1, 'other', 'other', '{}')",
	} {
		_, err := s.db.Exec(t.Context(), statement, m.left)
		require.NoError(t, err)
	}
	other := s.newUser(t, p, m.root, fields{"username": taken, "email_address": taken + "@example.com"})
	directory := s.newUser(t, p, m.root, nil).UUID
	require.Equal(t, http.StatusNoContent, s.ask(t, p, request{method: http.MethodPut, path: "/idp/ldap/users/" + directory.String(), token: m.root}).status)
	return &refusalWorld{m: m, fill: strings.NewReplacer("{user_uuid}", m.user.String(), "{session_uuid}", m.session.String(), "{client_id}", clientOfMatrix,
		"{email_uuid}", m.email.String(), "{tenant_uuid}", m.below.String(), "{parent_tenant_uuid}", m.left.String(), "{group_uuid}", m.group.String(),
		"{policy}", m.policy.String(), "{access}", "a.b", "{type}", "google", "{idp_type}", "native", "{token}", m.stranger,
		"{nobody}", uuid.Nil.String(), "{top}", top.String(), "{managed}", managed.String(), "{configured}", configured.String(),
		"{taken}", taken, "{other}", other.UUID.String(), "{directory}", directory.String(), "{password}", s.password, "{left}", m.left.String(), "{below}", m.below.String())}
}

// filled is a body with its placeholders filled.
func (w *refusalWorld) filled(t *testing.T, body any) any {
	t.Helper()
	if _, plain := body.(string); plain || body == nil {
		return body
	}
	text, err := json.Marshal(body)
	require.NoError(t, err)
	return w.fill.Replace(string(text))
}

// operation finds one by its id.
func (d *description) operation(t *testing.T, id string) (method, template string, op *openapi3.Operation) {
	t.Helper()
	for _, p := range d.paths {
		for method, op := range p.operations {
			if op.OperationID == id {
				return method, p.template, op
			}
		}
	}
	require.Fail(t, "no operation "+id)
	return "", "", nil
}

// unknownParts are requests in whose paths one part names nothing, each in turn.
func (w *refusalWorld) unknownParts(d *description) []refusalRow {
	bodies := map[string]any{"updateUser": fields{"username": "x"}, "changePassword": fields{"old_password": "x", "new_password": "y"},
		"updateUserEmails": fields{"emails": []fields{}}, "updateUserEmailsAsAdmin": fields{"emails": []fields{}}, "updateTenant": fields{}, "updateGroup": fields{"name": "x"},
		"updatePolicy": fields{"name": "x"}, "setUsersMethod": fields{"users": []fields{}}, "checkScopes": fields{"scopes": []string{}}}
	// Parts that may name what is not there, and operations where all may.
	silent := map[string]bool{"session_uuid": true, "access": true}
	tolerant := map[string]bool{"listUserExternal": true, "getSenderID": true, "createExternalConfig": true}
	var rows []refusalRow
	for _, p := range d.paths {
		for _, op := range p.operations {
			if op.Responses.Value("404") == nil || tolerant[op.OperationID] {
				continue
			}
			for _, part := range p.segments {
				name := strings.Trim(part, "{}")
				if name == part || silent[name] {
					continue
				}
				row := refusalRow{op: op.OperationID, status: http.StatusNotFound, path: strings.Replace(p.template, part, "{nobody}", 1)}
				if op.RequestBody != nil {
					row.body = fields{}
					if b, ok := bodies[op.OperationID]; ok {
						row.body = b
					}
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// rows are the other refusals.
func (w *refusalWorld) rows() []refusalRow {
	left := http.Header{"Wazo-Tenant": {w.m.left.String()}}
	right := http.Header{"Wazo-Tenant": {w.m.right.String()}}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	const boundary = "boundary"
	multipart := func(parts ...string) (http.Header, string) {
		var b strings.Builder
		for _, x := range parts {
			name, value, _ := strings.Cut(x, "=")
			file := ""
			if name == "metadata" {
				file = `; filename="metadata.xml"`
			}
			fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q%s\r\n\r\n%s\r\n", boundary, name, file, value)
		}
		return http.Header{"Content-Type": {"multipart/form-data; boundary=" + boundary}}, b.String() + "--" + boundary + "--\r\n"
	}
	samlHeader, samlForm := multipart("domain_uuid="+uuid.NewString(), "entity_id=e", "acs_url=a", "metadata=<a/>")
	bad, forbidden, conflict, notFound := http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusNotFound
	tooLarge := "RelayState=" + strings.Repeat("a", 2<<20)
	rows := []refusalRow{
		{op: "createToken", status: bad, says: "expiration", body: fields{"expiration": "soon"}},
		{op: "getToken", status: forbidden, says: "Unauthorized for tenant {left}", query: "?scope=a&tenant={left}"},
		{op: "checkToken", status: forbidden, query: "?tenant={left}"},
		{op: "checkScopes", status: bad, says: "scopes", body: fields{"scopes": "a"}},
		{op: "checkScopes", status: forbidden, body: fields{"scopes": []string{"a"}, "tenant_uuid": w.m.left}},
		{op: "listMyRefreshTokens", status: notFound, says: "unknown-user", header: left},
		{op: "createUser", status: bad, says: "username", body: fields{"username": 5}},
		{op: "createUser", status: conflict, says: "username", body: fields{"username": w.m.username}},
		{op: "updateUser", status: bad, says: "username", body: fields{"username": 5}},
		{op: "updateUser", status: conflict, says: "username", body: fields{"username": "{taken}"}},
		{op: "registerUser", status: bad, says: "username", body: fields{"username": 5}},
		{op: "registerUser", status: conflict, says: "username", body: fields{"username": w.m.username, "password": "a password", "email_address": "new@example.com"}},
		{op: "changePassword", status: bad, says: "new_password", body: fields{"old_password": "x", "new_password": 5}},
		{op: "changePassword", status: http.StatusMethodNotAllowed, path: "/users/{directory}/password", body: fields{"old_password": "{password}", "new_password": "y"}},
		{op: "requestPasswordReset", status: bad, says: "invalid"},
		{op: "resetPassword", status: bad, says: "Not a valid string.", query: "?user_uuid={user_uuid}", body: fields{"password": 5}},
		{op: "resetPassword", status: notFound, says: "{nobody}", query: "?user_uuid={nobody}", body: fields{"password": "a password"}},
		{op: "resetPassword", status: http.StatusMethodNotAllowed, query: "?user_uuid={directory}", body: fields{"password": "a password"}},
		{op: "updateUserEmails", status: bad, says: "emails", body: fields{"emails": 5}},
		{op: "updateUserEmails", status: conflict, says: "address", body: fields{"emails": []fields{{"address": "{taken}@example.com", "main": true}}}},
		{op: "updateUserEmailsAsAdmin", status: bad, says: "emails", body: fields{"emails": 5}},
		{op: "updateUserEmailsAsAdmin", status: conflict, says: "address", body: fields{"emails": []fields{{"address": "{taken}@example.com", "main": true}}}},
		{op: "requestEmailConfirmation", status: conflict, says: "confirmed"},
		{op: "createTenant", status: bad, says: "name", body: fields{"name": 5}},
		{op: "createTenant", status: forbidden, body: fields{"name": "x", "uuid": "{top}"}},
		{op: "createTenant", status: notFound, says: "{nobody}", body: fields{"name": "x", "contact": "{nobody}"}},
		{op: "createTenant", status: conflict, says: "uuid", body: fields{"name": "x", "uuid": "{left}"}},
		{op: "updateTenant", status: bad, says: "name", body: fields{"name": 5}},
		{op: "updateTenant", status: conflict, says: "domain_names", path: "/tenants/{left}", body: fields{"domain_names": []string{"left.example.com"}}},
		{op: "deleteTenant", status: bad, path: "/tenants/{left}"},
		{op: "deleteTenant", status: forbidden, path: "/tenants/{top}"},
		{op: "moveTenant", status: conflict, path: "/tenants/{left}/parent/{below}"},
		{op: "createGroup", status: bad, says: "name", body: fields{"name": 5}},
		{op: "createGroup", status: conflict, says: "already exists", header: left, body: fields{"name": "other"}},
		{op: "updateGroup", status: bad, says: "name", body: fields{"name": 5}},
		{op: "updateGroup", status: forbidden, path: "/groups/{managed}", body: fields{"name": "x"}},
		{op: "updateGroup", status: conflict, says: "already exists", body: fields{"name": "other"}},
		{op: "deleteGroup", status: forbidden, path: "/groups/{managed}"},
		{op: "addGroupUser", status: bad, says: "missmatching-tenant", path: "/groups/{managed}/users/{user_uuid}"},
		{op: "addGroupUser", status: forbidden, says: "forbidden-group", path: "/groups/{managed}/users/{other}"},
		{op: "removeGroupUser", status: forbidden, path: "/groups/{managed}/users/{user_uuid}"},
		{op: "createPolicy", status: bad, says: "name", body: fields{"name": 5}},
		{op: "createPolicy", status: conflict, says: "already exists", header: left, body: fields{"name": "other"}},
		{op: "updatePolicy", status: bad, says: "name", body: fields{"name": 5}},
		{op: "updatePolicy", status: forbidden, path: "/policies/{configured}", body: fields{"name": "x"}},
		{op: "updatePolicy", status: conflict, says: "already exists", body: fields{"name": "other"}},
		{op: "deletePolicy", status: forbidden, path: "/policies/{configured}"},
		{op: "addPolicyAccess", status: bad, path: "/policies/{policy}/acl/a%00b"},
		{op: "addPolicyAccess", status: forbidden, path: "/policies/{configured}/acl/a.b"},
		{op: "addPolicyAccess", status: conflict, path: "/policies/{policy}/acl/x.y"},
		{op: "removePolicyAccess", status: bad, path: "/policies/{policy}/acl/a%00b"},
		{op: "removePolicyAccess", status: forbidden, path: "/policies/{configured}/acl/a.b"},
		{op: "setUsersMethod", status: bad, says: "users", body: fields{"users": 5}},
		{op: "startGoogleConsent", status: bad, says: "scope", body: fields{"scope": 5}},
		{op: "startMicrosoftConsent", status: bad, says: "scope", body: fields{"scope": 5}},
		{op: "createPushTokens", status: bad, says: "token", body: fields{"token": 5}},
		{op: "createPushTokens", status: conflict, says: "mobile", body: fields{"token": "t", "apns_token": "a"}},
		{op: "updatePushTokens", status: bad, says: "token", body: fields{"token": 5}},
		{op: "listUserExternal", status: notFound, says: "unknown-user", token: w.m.stranger},
		{op: "getSenderID", status: notFound, says: "unknown-user", header: right},
		{op: "createExternalConfig", status: notFound, path: "/external/" + strings.Repeat("x", 257) + "/config", body: fields{}},
		{op: "createExternalConfig", status: bad, body: "{"},
		{op: "createExternalConfig", status: conflict, says: "google", body: fields{"client_id": "x"}},
		{op: "updateExternalConfig", status: bad, body: "{"},
		{op: "updateLDAPConfig", status: bad, says: "host", body: fields{"host": 5}},
		{op: "getSAMLConfig", status: notFound, says: "unknown-saml-config", header: right},
		{op: "createSAMLConfig", status: bad, says: "domain_uuid", header: form, body: "entity_id=e"},
		{op: "createSAMLConfig", status: conflict, says: "Duplicated SAML config exists", header: samlHeader, body: samlForm},
		{op: "createSAMLConfig", status: http.StatusRequestEntityTooLarge, header: form, body: tooLarge},
		{op: "updateSAMLConfig", status: bad, says: "entity_id", header: form, body: "entity_id=" + strings.Repeat("e", 513)},
		{op: "updateSAMLConfig", status: notFound, says: "unknown-saml-config", header: http.Header{"Wazo-Tenant": right["Wazo-Tenant"], "Content-Type": form["Content-Type"]}, body: "entity_id=e"},
		{op: "updateSAMLConfig", status: http.StatusRequestEntityTooLarge, header: form, body: tooLarge},
		{op: "getSAMLMetadata", status: notFound, says: "unknown-saml-config", header: right},
		{op: "beginSAMLLogin", status: bad, says: "redirect_url", body: fields{"redirect_url": nil, "domain": "example.com"}},
		{op: "beginSAMLLogin", status: http.StatusInternalServerError, says: "configuration-error", body: fields{"redirect_url": "https://app.example.com", "domain": "example.com"}},
		{op: "answerSAMLLogin", status: bad, says: "RelayState", body: fields{}},
		{op: "answerSAMLLogin", status: notFound, says: "Context not found", header: form, body: "RelayState=x&SAMLResponse=x"},
		{op: "answerSAMLLogin", status: http.StatusRequestEntityTooLarge, header: form, body: tooLarge},
		{op: "logoutSAML", status: notFound, says: "Context not found"},
		{op: "finishSAMLLogout", status: http.StatusInternalServerError, says: "Unable to process logout request response"},
		{op: "patchConfig", status: bad, body: fields{}},
	}
	for _, list := range []string{"listRefreshTokens", "listMyRefreshTokens", "listUserRefreshTokens", "listSessions", "listUserSessions", "listUsers", "listTenants",
		"listUserGroups", "listGroups", "listGroupUsers", "listUserPolicies", "listGroupPolicies", "listPolicies", "listUserExternal", "listExternalUsers"} {
		rows = append(rows, refusalRow{op: list, status: bad, says: "limit", query: "?limit=-1"})
	}
	return rows
}
