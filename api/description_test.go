package api

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/external"
)

// parseDescription reads a description as generators do: YAML, then Swagger 2.0.
func parseDescription(t *testing.T, text []byte) *openapi2.T {
	t.Helper()
	var tree any
	require.NoError(t, yaml.Unmarshal(text, &tree))
	asJSON, err := json.Marshal(tree)
	require.NoError(t, err)
	var doc openapi2.T
	require.NoError(t, json.Unmarshal(asJSON, &doc))
	return &doc
}

var (
	pathParameter   = regexp.MustCompile(`\{(\w+)\}`)
	statusOfAnswer  = regexp.MustCompile(`^([1-5]\d\d|default)$`)
	tenantTreatment = regexp.MustCompile(`^(own|own\+r|sub|hdr|none|top)$`)
)

func TestTheDescriptionIsValidSwagger(t *testing.T) {
	t.Parallel()
	doc := parseDescription(t, apiDescription)
	require.Equal(t, "2.0", doc.Swagger)
	require.Equal(t, "/0.1", doc.BasePath)
	require.Equal(t, []string{"http"}, doc.Schemes)
	require.EqualValues(t, 9497, doc.Extensions["x-xivo-port"])
	require.Equal(t, "auth", doc.Extensions["x-xivo-name"])
	v3, err := openapi2conv.ToV3(doc) // resolves every reference
	require.NoError(t, err)
	require.NoError(t, v3.Validate(t.Context()))

	tags, seen, used := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, tag := range doc.Tags {
		tags[tag.Name] = true
	}
	for path, item := range doc.Paths {
		for method, op := range item.Operations() {
			name := method + " " + path
			require.NotEmpty(t, op.OperationID, name)
			require.False(t, seen[op.OperationID], "%s: the operation id %s is used twice", name, op.OperationID)
			seen[op.OperationID] = true
			require.NotEmpty(t, op.Summary, name)
			require.Len(t, op.Tags, 1, name)
			require.True(t, tags[op.Tags[0]], "%s: the tag %s", name, op.Tags[0])
			used[op.Tags[0]] = true
			declared := map[string]bool{}
			for _, p := range append(item.Parameters[:len(item.Parameters):len(item.Parameters)], op.Parameters...) {
				if ref := strings.TrimPrefix(p.Ref, "#/parameters/"); ref != p.Ref {
					require.Contains(t, doc.Parameters, ref, name)
					p = doc.Parameters[ref]
				}
				require.False(t, declared[p.In+p.Name], "%s: the parameter %s is declared twice", name, p.Name)
				declared[p.In+p.Name] = true
				require.Equal(t, p.In == "path", strings.Contains(path, "{"+p.Name+"}"), "%s: the parameter %s", name, p.Name)
			}
			for _, p := range pathParameter.FindAllStringSubmatch(path, -1) {
				require.True(t, declared["path"+p[1]], "%s: the parameter %s is not declared", name, p[1])
			}
			for status, r := range op.Responses.Map() {
				require.Regexp(t, statusOfAnswer, status, name)
				if ref := strings.TrimPrefix(r.Ref, "#/responses/"); ref != r.Ref {
					require.Contains(t, doc.Responses, ref, name)
					r = doc.Responses[ref]
				}
				require.NotEmpty(t, r.Description, "%s: %s", name, status)
			}
		}
	}
	require.Equal(t, tags, used)
	shown := string(apiDescription)
	for d := range doc.Definitions {
		require.Regexp(t, `definitions/`+d+`'|x-one-of: \[.*\b`+d+`\b`, shown, "a definition that nothing uses")
	}
}

// TestTheDescriptionDescribesEveryRoute compares api.yml with the table of routes, both ways, down to the access.
func TestTheDescriptionDescribesEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.do(t, "GET", "/0.1/api/api.yml", "", headers{"X-Script-Name": "/api/auth"})
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "application/x-yaml", a.header.Get("Content-Type"))
	doc := parseDescription(t, []byte(a.text))
	require.Equal(t, "/api/auth/0.1", doc.BasePath)
	require.Equal(t, []string{"https"}, doc.Schemes)

	described := map[string]*openapi2.Operation{}
	for path, item := range doc.Paths {
		for method, op := range item.Operations() {
			described[method+" "+path] = op
		}
	}
	for _, r := range describedRoutes() {
		name := r.method + " " + regexp.MustCompile(`:(\w+)`).ReplaceAllString(r.path, "{$1}")
		op := described[name]
		require.NotNil(t, op, "%s is not described", name)
		delete(described, name)
		access, _ := op.Extensions["x-access"].(string)
		if readsTokenItself[name] {
			require.NotEmpty(t, access, name)
		} else {
			require.Equal(t, r.access, access, name)
		}
		secured := false
		if op.Security != nil {
			for _, s := range *op.Security {
				_, token := s["wazo_auth_token"]
				secured = secured || token
			}
		}
		require.Equal(t, access != "", secured, "%s: its security", name)
		treatment, _ := op.Extensions["x-tenant"].(string)
		if access == "" {
			require.Empty(t, treatment, name)
			continue
		}
		require.Regexp(t, tenantTreatment, treatment, name)
		header := false
		for _, p := range op.Parameters {
			header = header || p.Ref == "#/parameters/wazo_tenant"
		}
		require.Equal(t, treatment != "none" && treatment != "top", header, "%s: the parameter Wazo-Tenant", name)
		require.NotNil(t, op.Responses.Value("401"), name)
	}
	require.Empty(t, slices.Collect(maps.Keys(described)), "described, but no route")
}

// readsTokenItself are the routes whose token may stand in the query, so that their handlers look for it.
var readsTokenItself = map[string]bool{
	"POST /users/password/reset":        true,
	"GET /emails/{email_uuid}/confirm":  true,
	"HEAD /emails/{email_uuid}/confirm": true,
}

// describedRoutes is the table of all routes, those that a configuration has to enable included.
func describedRoutes() []route {
	s := &server{}
	s.Config = live(nil, new(slog.LevelVar), map[string]bool{"user_registration": true})
	s.Mail.Service = struct{ Mails }{}
	s.External = external.New(external.Deps{Enabled: []string{external.Google, external.Microsoft, external.Mobile}})
	return s.routes()
}
