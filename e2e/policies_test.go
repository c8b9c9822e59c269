package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestPolicies(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2})
	for name, part := range map[string]func(*testing.T, *stack){
		"from a tenant to a token":                             fromTenantToToken,
		"nobody hands out more than they have":                 nobodyHandsOutMore,
		"a shared policy is inherited, and nobody's to change": sharedPolicyIsInherited,
		"simultaneous creations":                               policyRaces,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
}

// policy is one of the answers' objects.
type policy struct {
	UUID        uuid.UUID `json:"uuid"`
	Tenant      uuid.UUID `json:"tenant_uuid"`
	Name        string    `json:"name"`
	Slug        string    `json:"slug"`
	Description *string   `json:"description"`
	ACL         []string  `json:"acl"`
	ReadOnly    bool      `json:"read_only"`
	Shared      bool      `json:"shared"`
}

func (s *stack) createPolicy(t *testing.T, token string, body fields) (made policy) {
	t.Helper()
	a := s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/policies", token: token, body: body})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &made)
	return made
}

// policies is a list, as the other API has it.
func (s *stack) policies(t *testing.T, token, path string) (items []policy) {
	t.Helper()
	a := s.ask(t, s.apis[1], request{method: http.MethodGet, path: path, token: token})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var page struct{ Items []policy }
	a.into(t, &page)
	return page.Items
}

// done asks for what answers with a status.
func (s *stack) done(t *testing.T, status int, token, method, path string, body any) {
	t.Helper()
	a := s.ask(t, s.apis[0], request{method: method, path: path, token: token, body: body})
	require.Equal(t, status, a.status, "%s %s: %s", method, path, a.body)
}

// fromTenantToToken is the example of docs/access.md.
func fromTenantToToken(t *testing.T, s *stack) {
	tenant, admin := s.administrator(t, uuid.Nil)
	agent := s.createPolicy(t, admin, fields{"name": "Agents", "acl": []string{"calld.calls.#", "confd.users.me.read", "!calld.calls.*.delete"}})
	require.Equal(t, policy{UUID: agent.UUID, Tenant: tenant, Name: "Agents", Slug: "Agents",
		ACL: []string{"calld.calls.#", "confd.users.me.read", "!calld.calls.*.delete"}}, agent)
	extra := s.createPolicy(t, admin, fields{"name": "extra", "acl": []string{"dird.read"}})
	username, user := s.addMember(t, tenant)
	team := s.createGroup(t, admin, fields{"name": "team"})
	before := s.login(t, s.apis[1], username, nil)
	for range 2 {
		s.done(t, http.StatusNoContent, admin, http.MethodPut, fmt.Sprintf("/groups/%s/users/%s", team.UUID, user), nil)
		s.done(t, http.StatusNoContent, admin, http.MethodPut, fmt.Sprintf("/groups/%s/policies/Agents", team.UUID), nil)
		s.done(t, http.StatusNoContent, admin, http.MethodPut, fmt.Sprintf("/users/%s/policies/%s", user, extra.UUID), nil)
	}
	require.Equal(t, []policy{agent}, s.policies(t, admin, fmt.Sprintf("/groups/%s/policies", team.UUID)))
	require.Contains(t, s.policies(t, admin, fmt.Sprintf("/users/%s/policies", user)), extra)

	tok := s.login(t, s.apis[1], username, nil)
	require.ElementsMatch(t, append([]string{"dird.read"}, agent.ACL...), tok.ACL)
	for access, want := range map[string]int{"calld.calls.7.read": http.StatusNoContent, "calld.calls.7.delete": http.StatusForbidden,
		"confd.users." + user.String() + ".read": http.StatusNoContent, "confd.users." + uuid.NewString() + ".read": http.StatusForbidden,
		"dird.read": http.StatusNoContent} {
		require.Equal(t, want, s.check(t, s.apis[0], tok.Token, access), access)
		require.Equal(t, http.StatusForbidden, s.check(t, s.apis[0], before.Token, access), "a token holds a copy of what it was issued with")
	}

	s.done(t, http.StatusNoContent, admin, http.MethodPut, "/policies/Agents/acl/agentd.%23", nil)
	s.done(t, http.StatusConflict, admin, http.MethodPut, "/policies/Agents/acl/agentd.%23", nil)
	s.done(t, http.StatusNoContent, admin, http.MethodDelete, "/policies/Agents/acl/dird.read", nil)
	s.done(t, http.StatusNoContent, admin, http.MethodDelete, "/policies/"+extra.UUID.String(), nil)
	require.ElementsMatch(t, append([]string{"agentd.#"}, agent.ACL...), s.login(t, s.apis[1], username, nil).ACL)
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[0], tok.Token, "dird.read"))
	s.done(t, http.StatusNoContent, admin, http.MethodDelete, "/groups/"+team.UUID.String(), nil)
	require.Empty(t, s.login(t, s.apis[1], username, nil).ACL)
}

func nobodyHandsOutMore(t *testing.T, s *stack) {
	tenant, admin := s.administrator(t, uuid.Nil)
	deputyName, deputyUser := s.addMember(t, tenant, "auth.#", "calld.#", "!calld.secret.#")
	deputy := s.login(t, s.apis[0], deputyName, nil).Token
	high := s.createPolicy(t, admin, fields{"name": "high", "acl": []string{"calld.x", "calld.secret.x"}})
	low := s.createPolicy(t, deputy, fields{"name": "low", "acl": []string{"calld.#", "!anything"}})
	me := "/users/" + deputyUser.String() + "/policies/"
	for _, r := range []struct {
		method, path string
		body         any
		access       string
	}{
		{http.MethodPost, "/policies", fields{"name": "x", "acl": []string{"#"}}, "#"},
		{http.MethodPut, "/policies/low", fields{"name": "low", "acl": []string{"calld.x", "confd.#"}}, "confd.#"},
		{http.MethodPut, "/policies/low/acl/%23", nil, "#"},
		{http.MethodPut, me + "high", nil, "calld.secret.x"},
		{http.MethodPut, me + high.UUID.String(), nil, "calld.secret.x"},
		{http.MethodDelete, "/policies/high", nil, "calld.secret.x"},
		{http.MethodPut, "/policies/high", fields{"name": "high", "acl": []string{"calld.x"}}, "calld.secret.x"},
		{http.MethodDelete, "/policies/high/acl/calld.secret.x", nil, "calld.secret.x"},
		{http.MethodDelete, "/policies/low/acl/%21anything", nil, "!anything"},
	} {
		said := s.refused(t, s.apis[0], request{method: r.method, path: r.path, token: deputy, body: r.body})
		require.Equal(t, r.access, said.Details["required_access"], r.path)
	}
	require.ElementsMatch(t, []policy{high, low}, append(s.policies(t, admin, "/policies?name=high"), s.policies(t, admin, "/policies?name=low")...))
	s.done(t, http.StatusNoContent, deputy, http.MethodPut, me+"low", nil)
}

func sharedPolicyIsInherited(t *testing.T, s *stack) {
	parent, above := s.administrator(t, uuid.Nil)
	child, local := s.administrator(t, parent)
	name, user := s.addMember(t, child)
	shared := s.createPolicy(t, above, fields{"name": "shared", "acl": []string{"a.b"}, "shared": true})
	hidden := s.createPolicy(t, above, fields{"name": "hidden", "acl": []string{"c.d"}})
	seen := shared
	seen.Tenant, seen.ReadOnly, seen.Shared = child, true, false
	require.Equal(t, []policy{seen}, s.policies(t, local, "/policies?search=shared"))
	require.Equal(t, []policy{shared}, s.policies(t, above, "/policies?search=shared"))
	require.Empty(t, s.policies(t, local, "/policies?name=hidden"))
	path := "/policies/" + shared.UUID.String()
	s.done(t, http.StatusForbidden, local, http.MethodPut, path, fields{"name": "mine"})
	s.done(t, http.StatusForbidden, local, http.MethodDelete, "/policies/shared", nil)
	s.done(t, http.StatusForbidden, local, http.MethodPut, path+"/acl/x", nil)
	s.done(t, http.StatusForbidden, local, http.MethodDelete, path+"/acl/a.b", nil)
	s.done(t, http.StatusConflict, local, http.MethodPost, "/policies", fields{"name": "shared"})
	s.done(t, http.StatusNotFound, local, http.MethodGet, "/policies/"+hidden.UUID.String(), nil)

	of := "/users/" + user.String() + "/policies/"
	s.done(t, http.StatusNoContent, local, http.MethodPut, of+"shared", nil)
	s.done(t, http.StatusNoContent, above, http.MethodPut, of+hidden.UUID.String(), nil)
	require.ElementsMatch(t, []string{"a.b", "c.d"}, s.login(t, s.apis[1], name, nil).ACL)
	s.done(t, http.StatusNoContent, above, http.MethodPut, path+"/acl/x", nil)
	require.ElementsMatch(t, []string{"a.b", "x", "c.d"}, s.login(t, s.apis[1], name, nil).ACL)

	_, err := s.db.Exec(t.Context(), "UPDATE policies SET config_managed = true WHERE uuid = $1", hidden.UUID)
	require.NoError(t, err)
	s.done(t, http.StatusForbidden, above, http.MethodDelete, "/policies/"+hidden.UUID.String(), nil)
	require.Len(t, s.policies(t, local, "/policies?name=hidden&read_only=true"), 1)
	_, err = s.db.Exec(t.Context(), "UPDATE policies SET config_managed = false WHERE uuid = $1", hidden.UUID)
	require.NoError(t, err)
	s.done(t, http.StatusNoContent, above, http.MethodDelete, "/policies/"+hidden.UUID.String(), nil)
}

func policyRaces(t *testing.T, s *stack) {
	parent, above := s.administrator(t, uuid.Nil)
	_, local := s.administrator(t, parent)
	for name, who := range map[string]func(i int) (string, fields){
		"one slug": func(int) (string, fields) { return above, fields{"name": random(6), "slug": "slug"} },
		"shared above, or the child's": func(i int) (string, fields) {
			return []string{above, local}[i%2], fields{"name": "either", "shared": i%2 == 0}
		},
	} {
		var wg sync.WaitGroup
		var mu sync.Mutex
		statuses := map[int]int{}
		for i := range 100 {
			wg.Go(func() {
				token, body := who(i)
				a, err := s.do(s.apis[i/2%2], request{method: http.MethodPost, path: "/policies", token: token, body: body})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[a.status]++
			})
		}
		wg.Wait()
		require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusConflict: 99}, statuses, name)
	}
}
