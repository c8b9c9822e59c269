package e2e

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestAuthorizationMatrix walks through every operation that api.yml says to need a token: without one, with an unknown
// one, with one that has everything but the access, and with one of a sibling tenant that has everything. The document is
// compared with the table of routes elsewhere, so a new route is walked as soon as it is there.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 1, settings: map[string]string{"password_hash.memory_kib": "8192"}})
	p := s.apis[0]
	served := s.ask(t, p, request{method: http.MethodGet, path: "/api/api.yml"})
	written, err := os.ReadFile("../api/api.yml")
	require.NoError(t, err)
	require.Equal(t, string(written), string(served.body))
	d, err := parseDescription(served.body)
	require.NoError(t, err)
	m := s.matrix(t, p)
	rows := 0
	for _, row := range m.rows(d) {
		rows++
		t.Run(row.op.OperationID, func(t *testing.T) {
			allowed := s.ask(t, p, request{method: http.MethodOptions, path: row.path}).header.Get("Allow")
			require.Contains(t, strings.Split(allowed, ", "), row.method, "it is not there")
			s.refusedWithoutToken(t, p, row)
			s.refusedWithoutAccess(t, p, m, row)
			s.refusedToSibling(t, p, m, row)
		})
	}
	require.Greater(t, rows, 40)
	for _, row := range m.rows(d) { // who may, can: what was refused above is there
		a := s.ask(t, p, row.with(m.root))
		if linkedByConsent[row.op.OperationID] && a.status == http.StatusNotFound {
			require.Contains(t, string(a.body), "unknown-external-auth")
			continue
		}
		require.NotContains(t, []int{401, 404, 405, 500}, a.status, "%s: %s", row.op.OperationID, a.body)
	}
}

// linkedByConsent are the operations on what only a consent makes; TestExternal has them.
var linkedByConsent = map[string]bool{"getGoogleToken": true, "getMicrosoftToken": true, "deleteGoogleAccount": true, "deleteMicrosoftAccount": true}

// matrix is a tenant with one of everything, a tenant below it, and a sibling of it.
type matrix struct {
	left, below, right uuid.UUID
	user               uuid.UUID // in left, as are the rest
	username, password string
	address            string
	email, group       uuid.UUID
	policy, session    uuid.UUID
	stranger, root     string // tokens: of the sibling, and of the top tenant
}

const clientOfMatrix = "client"

func (s *stack) matrix(t *testing.T, p *process) *matrix {
	t.Helper()
	m := &matrix{password: s.password}
	m.left, m.right = s.addTenant(t, uuid.Nil), s.addTenant(t, uuid.Nil)
	m.below = s.addTenant(t, m.left)
	m.username, m.user = s.addMember(t, m.left)
	m.address = "address-" + random(6) + "@example.com"
	s.row(t, &m.group, "INSERT INTO groups (tenant_uuid, name, slug) VALUES ($1, 'left', 'left') RETURNING uuid", m.left)
	s.row(t, &m.policy, "INSERT INTO policies (tenant_uuid, name, slug, acl) VALUES ($1, 'left', 'left', '{x.y}') RETURNING uuid", m.left)
	_, err := s.db.Exec(t.Context(), "INSERT INTO domains (tenant_uuid, name) VALUES ($1, 'left.example.com')", m.below)
	require.NoError(t, err)
	_, err = s.db.Exec(t.Context(), `WITH d AS (INSERT INTO domains (tenant_uuid, name) SELECT uuid, 'top.example.com' FROM tenants WHERE uuid = parent_uuid RETURNING uuid, tenant_uuid)
		INSERT INTO saml_configs (tenant_uuid, domain_uuid, entity_id, acs_url, metadata, metadata_hash) SELECT tenant_uuid, uuid, 'e', 'a', '<a/>'::bytea, sha256('<a/>') FROM (SELECT * FROM d UNION ALL SELECT uuid, tenant_uuid FROM domains WHERE name = 'left.example.com') x`)
	require.NoError(t, err)
	offline := fields{"access_type": "offline", "client_id": clientOfMatrix}
	m.session = s.login(t, p, m.username, offline).Session
	stranger, _ := s.addMember(t, m.right, "#")
	m.stranger = s.login(t, p, stranger, nil).Token
	m.root = s.login(t, p, s.root, offline).Token
	var made []struct {
		UUID uuid.UUID `json:"uuid"`
	}
	s.ask(t, p, request{method: http.MethodPut, path: "/admin/users/" + m.user.String() + "/emails", token: m.root,
		body: fields{"emails": []fields{{"address": m.address, "main": true, "confirmed": true}}}}).into(t, &made)
	for _, typ := range []string{"google", "microsoft", "mobile"} {
		require.Equal(t, http.StatusCreated, s.ask(t, p, request{method: http.MethodPost, path: "/external/" + typ + "/config", token: m.root, body: fields{"client_id": "x"}}).status)
	}
	require.Equal(t, http.StatusOK, s.ask(t, p, request{method: http.MethodPut, path: "/users/" + m.user.String() + "/external/mobile", token: m.root, body: fields{}}).status)
	require.Len(t, made, 1)
	m.email = made[0].UUID
	return m
}

// row makes a row that has one column to give back.
func (s *stack) row(t *testing.T, into any, statement string, args ...any) {
	t.Helper()
	require.NoError(t, s.db.QueryRow(t.Context(), statement, args...).Scan(into))
}

// addTenant makes a tenant by SQL; without a parent, below the top.
func (s *stack) addTenant(t *testing.T, parent uuid.UUID) (id uuid.UUID) {
	t.Helper()
	s.row(t, &id, `INSERT INTO tenants (parent_uuid, name, slug) SELECT uuid, 'tenant', $2 FROM tenants
		WHERE uuid = $1 OR ($1 = '00000000-0000-0000-0000-000000000000' AND uuid = parent_uuid) RETURNING uuid`, parent, random(5))
	return id
}

// addMember is addUser for a tenant.
func (s *stack) addMember(t *testing.T, tenant uuid.UUID, accesses ...string) (username string, id uuid.UUID) {
	t.Helper()
	username, id = s.addUser(t, "internal", accesses...)
	_, err := s.db.Exec(t.Context(), `WITH p AS (UPDATE policies SET tenant_uuid = $1 WHERE slug = $2) UPDATE users SET tenant_uuid = $1 WHERE uuid = $3`, tenant, username, id)
	require.NoError(t, err)
	return username, id
}

// matrixRow is an operation with the resources of the left tenant.
type matrixRow struct {
	op             *openapi3.Operation
	method, path   string
	access, tenant string
	body           any
	named          bool // it names a resource of the left tenant
}

func (r matrixRow) with(token string) request {
	return request{method: r.method, path: r.path, token: token, body: r.body}
}

// rows are in an order in which all of them can be done: what is deleted is deleted last, and from the inside.
func (m *matrix) rows(d *description) []matrixRow {
	fill := strings.NewReplacer("{user_uuid}", m.user.String(), "{session_uuid}", m.session.String(), "{client_id}", clientOfMatrix,
		"{email_uuid}", m.email.String(), "{tenant_uuid}", m.below.String(), "{parent_tenant_uuid}", m.left.String(),
		"{group_uuid}", m.group.String(), "{policy}", m.policy.String(), "{access}", "a.b", "{type}", "google", "{idp_type}", "native")
	bodies := map[string]any{
		"updateUser":              fields{"username": m.username},
		"changePassword":          fields{"old_password": m.password, "new_password": "a new password"},
		"resetPassword":           fields{"password": nil},
		"updateUserEmails":        fields{"emails": []fields{{"address": m.address, "main": true}}},
		"updateUserEmailsAsAdmin": fields{"emails": []fields{{"address": m.address, "main": true, "confirmed": true}}},
		"updateExternalConfig":    fields{"client_id": "x"},
		"createGroup":             fields{"name": "new"},
		"updateGroup":             fields{"name": "renamed"},
		"createPolicy":            fields{"name": "new"},
		"updatePolicy":            fields{"name": "renamed"},
		"updateLDAPConfig":        fields{"host": "ldap.example.com", "port": 389, "user_base_dn": "dc=example", "user_login_attribute": "uid", "user_email_attribute": "mail"},
		"setUsersMethod":          fields{"users": []fields{{"uuid": m.user}}},
		"patchConfig":             []fields{},
	}
	var rows []matrixRow
	for _, p := range d.paths {
		for method, op := range p.operations {
			access, _ := op.Extensions["x-access"].(string)
			if access == "" || method == http.MethodHead { // which goes along with GET
				continue
			}
			tenant, _ := op.Extensions["x-tenant"].(string)
			r := matrixRow{op: op, method: method, path: fill.Replace(p.template), access: fill.Replace(access), tenant: tenant}
			if strings.Contains(access, "password.reset") {
				r.path += "?user_uuid=" + m.user.String()
			}
			if op.RequestBody != nil {
				r.body = fields{}
				if body, ok := bodies[op.OperationID]; ok {
					r.body = body
				}
			}
			r.named = r.path != p.template && !strings.HasPrefix(p.template, "/idp/") || op.OperationID == "setUsersMethod" || strings.Contains(p.template, "{user_uuid}")
			rows = append(rows, r)
		}
	}
	order := []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete}
	slices.SortFunc(rows, func(a, b matrixRow) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.method), slices.Index(order, b.method)),
			-cmp.Compare(strings.Count(a.path, "/"), strings.Count(b.path, "/")), strings.Compare(a.path, b.path))
	})
	return rows
}

// refusal is what a 401 says.
type refusal struct {
	ID       string         `json:"error_id"`
	Resource *string        `json:"resource"`
	Details  map[string]any `json:"details"`
}

func (s *stack) refused(t *testing.T, p *process, r request) refusal {
	t.Helper()
	a := s.ask(t, p, r)
	require.Equal(t, http.StatusUnauthorized, a.status, "%s", a.body)
	var said refusal
	a.into(t, &said)
	require.Nil(t, said.Resource)
	return said
}

func (s *stack) refusedWithoutToken(t *testing.T, p *process, row matrixRow) {
	t.Helper()
	for _, token := range []string{"", "nonsense", unknown} {
		said := s.refused(t, p, row.with(token))
		require.Equal(t, "unauthorized", said.ID)
		if row.op.OperationID != "resetPassword" { // which tells nothing more
			require.Equal(t, "not_found_or_expired", said.Details["reason"])
			require.Equal(t, row.access, said.Details["required_access"])
		}
		require.NotEqual(t, unknown, said.Details["invalid_token"], "it is masked")
		if row.method == http.MethodGet {
			head := row.with(token)
			head.method = http.MethodHead
			require.Equal(t, http.StatusUnauthorized, s.ask(t, p, head).status)
		}
	}
}

func (s *stack) refusedWithoutAccess(t *testing.T, p *process, m *matrix, row matrixRow) {
	t.Helper()
	user, _ := s.addMember(t, m.left, "#", "!"+row.access)
	token := s.login(t, p, user, nil).Token
	said := s.refused(t, p, row.with(token))
	require.Equal(t, "unauthorized", said.ID)
	if row.op.OperationID == "resetPassword" {
		return
	}
	require.Equal(t, "missing_permission_or_invalid_tenant", said.Details["reason"])
	require.Equal(t, row.access, said.Details["required_access"])
	require.Contains(t, said.Details, "tenant_uuid")
	require.Nil(t, said.Details["tenant_uuid"])
	nowhere := row.with(token)
	nowhere.header = http.Header{"Wazo-Tenant": {"nonsense"}}
	require.Equal(t, "nonsense", s.refused(t, p, nowhere).Details["tenant_uuid"], "the access comes before the tenant")
}

func (s *stack) refusedToSibling(t *testing.T, p *process, m *matrix, row matrixRow) {
	t.Helper()
	before := s.state(t, m)
	if row.tenant != "none" && row.tenant != "top" {
		r := row.with(m.stranger)
		r.header = http.Header{"Wazo-Tenant": {m.left.String()}}
		said := s.refused(t, p, r)
		require.Equal(t, "unauthorized-tenant", said.ID)
		require.Equal(t, m.left.String(), said.Details["tenant_uuid"])
	}
	r := row.with(m.stranger)
	if row.tenant == "own+r" {
		r.path += "?recurse=true"
	}
	a := s.ask(t, p, r)
	switch {
	case row.tenant == "top":
		require.Equal(t, http.StatusUnauthorized, a.status)
	case row.op.OperationID == "deleteSession":
		require.Equal(t, http.StatusNoContent, a.status, "it says nothing about sessions of others")
	case row.op.OperationID == "createExternalConfig":
		require.Equal(t, http.StatusCreated, a.status, "in its own tenant")
	case row.op.OperationID == "deleteExternalConfig":
		require.Equal(t, http.StatusNoContent, a.status, "what it has just made")
	case row.named && a.status == http.StatusOK: // a few lists tell a foreign parent from an empty one as little as an unknown one
		require.JSONEq(t, `{"items": [], "total": 0, "filtered": 0}`, string(a.body))
	case row.named:
		require.Equal(t, http.StatusNotFound, a.status, "%s", a.body)
	case row.op.OperationID == "deleteLDAPConfig", row.op.OperationID == "deleteSAMLConfig":
		require.Equal(t, http.StatusNoContent, a.status, "its own, which is not there")
	case row.op.OperationID == "createSAMLConfig":
		require.Equal(t, http.StatusBadRequest, a.status, "an empty form")
	case strings.HasPrefix(row.path, "/backends/saml") && row.op.OperationID != "getACSURLTemplate":
		require.Equal(t, http.StatusNotFound, a.status, "its own, which is not there")
	case row.method == http.MethodPost:
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		var made struct {
			Tenant uuid.UUID `json:"tenant_uuid"`
			Parent uuid.UUID `json:"parent_uuid"`
		}
		a.into(t, &made)
		require.Equal(t, m.right, cmp.Or(made.Tenant, made.Parent))
	default:
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		for _, id := range []uuid.UUID{m.left, m.below, m.user, m.email, m.group, m.policy, m.session} {
			require.NotContains(t, string(a.body), id.String())
		}
	}
	require.Equal(t, before, s.state(t, m), "something has changed")
}

// state is a digest of everything in the left tenant and below it.
func (s *stack) state(t *testing.T, m *matrix) (digest string) {
	t.Helper()
	s.row(t, &digest, `SELECT md5(string_agg(x, '|' ORDER BY x)) FROM (
		SELECT t::text FROM tenants t WHERE t.uuid = ANY ($1) UNION ALL
		SELECT d::text FROM domains d WHERE d.tenant_uuid = ANY ($1) UNION ALL
		SELECT c::text FROM saml_configs c WHERE c.tenant_uuid = ANY ($1) UNION ALL
		SELECT u::text FROM users u WHERE u.tenant_uuid = ANY ($1) UNION ALL
		SELECT e::text FROM emails e JOIN users u ON u.uuid = e.user_uuid WHERE u.tenant_uuid = ANY ($1) UNION ALL
		SELECT g::text FROM groups g WHERE g.tenant_uuid = ANY ($1) UNION ALL
		SELECT p::text FROM policies p WHERE p.tenant_uuid = ANY ($1) UNION ALL
		SELECT x::text FROM user_groups x JOIN groups g ON g.uuid = x.group_uuid WHERE g.tenant_uuid = ANY ($1) UNION ALL
		SELECT x::text FROM user_policies x JOIN users u ON u.uuid = x.user_uuid WHERE u.tenant_uuid = ANY ($1) UNION ALL
		SELECT x::text FROM group_policies x JOIN groups g ON g.uuid = x.group_uuid WHERE g.tenant_uuid = ANY ($1) UNION ALL
		SELECT a::text FROM external_accounts a JOIN users u ON u.uuid = a.user_uuid WHERE u.tenant_uuid = ANY ($1) UNION ALL
		SELECT c::text FROM external_configs c WHERE c.tenant_uuid = ANY ($1) UNION ALL
		SELECT r::text FROM refresh_tokens r JOIN users u ON u.uuid = r.user_uuid WHERE u.tenant_uuid = ANY ($1) UNION ALL
		SELECT k.session_uuid::text FROM tokens k WHERE k.tenant_uuid = ANY ($1)) AS rows (x)`, []uuid.UUID{m.left, m.below})
	return digest
}
