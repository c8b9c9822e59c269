package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// description is api.yml, prepared to judge answers.
type description struct {
	paths   []describedPath // static segments before parameters
	schemas openapi3.Schemas
}

type describedPath struct {
	template   string
	segments   []string
	operations map[string]*openapi3.Operation // by method
}

// described reads the document once for all tests; TestAuthorizationMatrix compares it with the one that is served.
var described = sync.OnceValues(func() (*description, error) {
	text, err := os.ReadFile("../api/api.yml")
	if err != nil {
		return nil, err
	}
	return parseDescription(text)
})

func parseDescription(text []byte) (*description, error) {
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	var v2 openapi2.T
	if err := json.Unmarshal(asJSON, &v2); err != nil {
		return nil, err
	}
	v3, err := openapi2conv.ToV3(&v2)
	if err != nil {
		return nil, err
	}
	d := &description{schemas: v3.Components.Schemas}
	for template, item := range v3.Paths.Map() {
		d.paths = append(d.paths, describedPath{template, strings.Split(template, "/"), item.Operations()})
	}
	slices.SortFunc(d.paths, func(a, b describedPath) int { return slices.CompareFunc(a.segments, b.segments, staticFirst) })
	return d, nil
}

func staticFirst(a, b string) int {
	switch p, q := strings.HasPrefix(a, "{"), strings.HasPrefix(b, "{"); {
	case p == q:
		return strings.Compare(a, b)
	case p:
		return 1
	}
	return -1
}

var doubledSlash = regexp.MustCompile("//+")

// path finds the template of an address below /0.1. The tests' client follows the redirection of doubled slashes.
func (d *description) path(address string) (describedPath, bool) {
	address, _, _ = strings.Cut(address, "?")
	address = doubledSlash.ReplaceAllString(address, "/")
	segments := strings.Split(address, "/")
	for _, p := range d.paths {
		if slices.EqualFunc(p.segments, segments, func(template, s string) bool {
			return template == s || strings.HasPrefix(template, "{") && s != ""
		}) {
			return p, true
		}
	}
	return describedPath{}, false
}

// check tells what in an answer is not as described. It shows neither addresses nor values: they may hold secrets.
func (d *description) check(method, address string, a answer) error {
	if a.status == http.StatusNotFound && a.header.Get("Content-Type") == "text/html; charset=utf-8" || a.status == http.StatusPermanentRedirect {
		return nil // no route
	}
	p, ok := d.path(address)
	if !ok {
		return fmt.Errorf("%s of a path that is not described: %d", method, a.status)
	}
	if err := d.checkOperation(p, method, a); err != nil {
		return fmt.Errorf("%s %s: %d: %w", method, p.template, a.status, err)
	}
	return nil
}

func (d *description) checkOperation(p describedPath, method string, a answer) error {
	op := p.operations[method]
	if op == nil && method == http.MethodHead {
		op = p.operations[http.MethodGet]
	}
	switch {
	case method == http.MethodOptions:
		return empty(a)
	case op == nil && a.status == http.StatusMethodNotAllowed:
		return d.matches(a, "FrameworkError")
	case op == nil:
		return errors.New("the method is not described")
	}
	r := op.Responses.Value(strconv.Itoa(a.status))
	if r == nil && slices.Contains([]int{405, 413, 500, 503}, a.status) {
		r = op.Responses.Default()
	}
	if r == nil {
		return errors.New("the status is not described")
	}
	for name, h := range r.Value.Headers {
		if _, err := strconv.Atoi(a.header.Get(name)); err != nil && h.Value.Schema.Value.Type.Is("integer") {
			return fmt.Errorf("the header %s is no integer", name)
		}
	}
	if method == http.MethodHead || len(r.Value.Content) == 0 {
		return empty(a)
	}
	for kind, content := range r.Value.Content {
		switch sent, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); {
		case sent != kind && r.Value != op.Responses.Default().Value && a.status < 400:
			return fmt.Errorf("it is %q", sent)
		case sent == "application/json":
			return d.matches(a, alternatives(content.Schema)...)
		}
	}
	return nil
}

func empty(a answer) error {
	if len(a.body) > 0 {
		return errors.New("it has a body")
	}
	return nil
}

// alternatives are the names of the definitions one of which is meant.
func alternatives(s *openapi3.SchemaRef) []string {
	var names []string
	if list, ok := s.Value.Extensions["x-one-of"].([]any); ok {
		for _, n := range list {
			names = append(names, fmt.Sprint(n))
		}
		return names
	}
	return []string{strings.TrimPrefix(s.Ref, "#/components/schemas/")}
}

// matches requires that a body is one of some definitions.
func (d *description) matches(a answer, definitions ...string) error {
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		return errors.New("it is not JSON")
	}
	var wrong []string
	for _, name := range definitions {
		s := d.schemas[name]
		if s == nil {
			return fmt.Errorf("there is no definition %q", name)
		}
		err := s.Value.VisitJSON(body, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation(), openapi3.WithStringFormatValidators(formats))
		if err == nil {
			return nil
		}
		wrong = append(wrong, name+": "+withoutValues(err))
	}
	return errors.New("the body is no " + strings.Join(wrong, "; no "))
}

// formats are those that the document uses for answers.
var formats = map[string]openapi3.StringFormatValidator{
	"uuid": openapi3.NewRegexpFormatValidator(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`),
}

func withoutValues(err error) string {
	var e *openapi3.SchemaError
	if !errors.As(err, &e) {
		return "it is wrong"
	}
	where := strings.Join(e.JSONPointer(), "/")
	if e.SchemaField == "properties" || e.SchemaField == "required" { // the reason has the name of a property
		return where + ": " + e.Reason
	}
	return where + ": its " + e.SchemaField
}

// obey notes what in an answer is not as described, until the end of the test.
func (s *stack) obey(r request, a answer) error {
	d, err := described()
	if err != nil {
		return err
	}
	if err := d.check(r.method, r.path, a); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.disobeyed[err.Error()] = true
	}
	return nil
}

// reportDisobedience fails the test for every answer that was not as described.
func (s *stack) reportDisobedience(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range slices.Sorted(maps.Keys(s.disobeyed)) {
		t.Errorf("not as api.yml says: %s", text)
	}
}

func TestAnswersThatAreNotAsDescribedAreFound(t *testing.T) {
	t.Parallel()
	d, err := described()
	require.NoError(t, err)
	const (
		id     = "5d80bfbf-7edb-417f-b305-3fb745ff332b"
		user   = `"uuid": "` + id + `", "username": null, "firstname": "a", "lastname": null, "purpose": "user", "enabled": true, "authentication_method": "default", "tenant_uuid": "` + id + `"`
		modern = `{"message": "m", "error_id": "e", "details": {}, "timestamp": 1.5, "resource": "users"}`
	)
	for _, c := range []struct {
		method, path string
		status       int
		kind, body   string
		finds        string // a regular expression; nothing is to be found when it is empty
	}{
		{"GET", "/users/" + id, 200, "", `{` + user + `, "emails": []}`, ""},
		{"HEAD", "/users/" + id, 200, "", ``, ""},
		{"GET", "/users/" + id + "?recurse=true", 404, "", modern, ""},
		{"GET", "/users/x", 404, "text/html; charset=utf-8", "<html>", ""},
		{"OPTIONS", "/users/" + id, 200, "text/html", "", ""},
		{"POST", "/users/" + id, 405, "", `{"message": "m"}`, ""},
		{"POST", "/users", 400, "", `{"message": "m"}`, ""},
		{"POST", "/users", 500, "", `{"message": "m"}`, ""},
		{"DELETE", "/users/" + id, 204, "", ``, ""},
		{"PUT", "/users/" + id + "/emails", 200, "", `[]`, ""},
		{"GET", "/users/me/tokens", 200, "", `{"items": [], "total": 0, "filtered": 0}`, ""},
		{"GET", "//users/" + id, 200, "", `{` + user + `, "emails": []}`, ""},
		{"GET", "/nowhere", 200, "", `{}`, `a path that is not described`},
		{"GET", "/users/" + id, 418, "", `{}`, `GET /users/\{user_uuid\}: 418: the status is not described`},
		{"POST", "/users/" + id, 200, "", `{}`, `the method is not described`},
		{"GET", "/users/" + id, 200, "", `{` + user + `}`, `"emails" is missing`},
		{"GET", "/users/" + id, 200, "", `{` + user + `, "emails": [], "password": "s3cr37"}`, `"password" is unsupported`},
		{"GET", "/users/" + id, 200, "", `{` + user + `, "emails": [{"uuid": "` + id + `", "address": 5, "main": true, "confirmed": true}]}`, `emails/0/address: its type`},
		{"GET", "/users/" + id, 200, "", `{` + user + `, "emails": [{"uuid": "s3cr37", "address": "a@b.co", "main": true, "confirmed": null}]}`, `emails/0/`},
		{"GET", "/users/" + id, 200, "", `not JSON`, `not JSON`},
		{"GET", "/users/" + id, 200, "text/plain", `{` + user + `, "emails": []}`, `it is "text/plain"`},
		{"HEAD", "/users/" + id, 200, "", `{}`, `has a body`},
		{"DELETE", "/users/" + id, 204, "", `{}`, `has a body`},
		{"POST", "/users", 400, "", `{"reason": ["s3cr37"], "timestamp": [1], "status_code": 400}`, `no ModernError.*no FrameworkError`},
		{"POST", "/token", 200, "", `{}`, `the header Wazo-Sessions-Revoked`},
	} {
		h := http.Header{"Content-Type": {c.kind}}
		if c.kind == "" {
			h.Set("Content-Type", "application/json")
		}
		err := d.check(c.method, c.path, answer{status: c.status, header: h, body: []byte(c.body)})
		if c.finds == "" {
			require.NoError(t, err, "%s %s", c.method, c.body)
			continue
		}
		require.Error(t, err, "%s %s", c.method, c.body)
		require.Regexp(t, c.finds, err.Error())
		require.NotContains(t, err.Error(), "s3cr37")
		require.NotContains(t, err.Error(), id)
	}
}
