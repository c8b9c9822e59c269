package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestGroups(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2})
	for name, part := range map[string]func(*testing.T, *stack){
		"a group from its creation to its end":     groupLife,
		"accesses come and go with the membership": groupAccesses,
		"simultaneous changes":                     groupRaces,
		"who may do what":                          groupRights,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
}

// group is one of the answers' objects.
type group struct {
	UUID          uuid.UUID `json:"uuid"`
	Tenant        uuid.UUID `json:"tenant_uuid"`
	Name          string    `json:"name"`
	Slug          string    `json:"slug"`
	ReadOnly      bool      `json:"read_only"`
	SystemManaged bool      `json:"system_managed"`
}

type groupPage struct {
	Items           []group
	Total, Filtered int
}

// administrator is a token for everything in a new tenant.
func (s *stack) administrator(t *testing.T, parent uuid.UUID) (tenant uuid.UUID, token string) {
	t.Helper()
	tenant = s.addTenant(t, parent)
	name, _ := s.addMember(t, tenant, "#")
	return tenant, s.login(t, s.apis[0], name, nil).Token
}

func (s *stack) createGroup(t *testing.T, token string, body fields) (made group) {
	t.Helper()
	a := s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/groups", token: token, body: body})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &made)
	return made
}

// groups is a list, as the other API has it.
func (s *stack) groups(t *testing.T, token, path string) (page groupPage) {
	t.Helper()
	a := s.ask(t, s.apis[1], request{method: http.MethodGet, path: path, token: token})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &page)
	return page
}

func groupLife(t *testing.T, s *stack) {
	tenant, token := s.administrator(t, uuid.Nil)
	made := s.createGroup(t, token, fields{"name": "The admins!"})
	require.Equal(t, group{UUID: made.UUID, Tenant: tenant, Name: "The admins!", Slug: "Theadmins"}, made)
	require.Equal(t, groupPage{[]group{made}, 1, 1}, s.groups(t, token, "/groups"))
	require.Equal(t, groupPage{[]group{}, 1, 0}, s.groups(t, token, "/groups?search=nothing"))
	path := "/groups/" + made.UUID.String()
	a := s.ask(t, s.apis[1], request{method: http.MethodPut, path: path, token: token, body: fields{"name": "chiefs", "slug": "ignored"}})
	require.Equal(t, http.StatusOK, a.status)
	made.Name = "chiefs"
	var seen group
	s.ask(t, s.apis[0], request{method: http.MethodGet, path: path, token: token}).into(t, &seen)
	require.Equal(t, made, seen)
	for _, status := range []int{http.StatusNoContent, http.StatusNotFound} {
		require.Equal(t, status, s.ask(t, s.apis[0], request{method: http.MethodDelete, path: path, token: token}).status)
	}
	require.Empty(t, s.groups(t, token, "/groups").Items)
	require.Equal(t, http.StatusNotFound, s.ask(t, s.apis[1], request{method: http.MethodPut, path: path, token: token}).status, "before the body is read")
}

// groupAccesses: a membership changes tokens that are issued later only.
func groupAccesses(t *testing.T, s *stack) {
	tenant, token := s.administrator(t, uuid.Nil)
	name, user := s.addMember(t, tenant)
	made := s.createGroup(t, token, fields{"name": "dev"})
	var policy uuid.UUID
	s.row(t, &policy, "INSERT INTO policies (tenant_uuid, name, slug, acl) VALUES ($1, 'dev', 'dev', '{dev.read}') RETURNING uuid", tenant)
	_, err := s.db.Exec(t.Context(), "INSERT INTO group_policies (group_uuid, policy_uuid) VALUES ($1, $2)", made.UUID, policy)
	require.NoError(t, err)
	require.Equal(t, []group{made}, s.groups(t, token, "/groups?policy_slug=dev&policy_uuid="+policy.String()).Items)

	membership := request{path: fmt.Sprintf("/groups/%s/users/%s", made.UUID, user), token: token}
	before := s.login(t, s.apis[1], name, nil).Token
	membership.method = http.MethodPut
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], membership).status)
	require.Equal(t, []group{made}, s.groups(t, token, "/users/"+user.String()+"/groups").Items)
	require.Equal(t, []group{made}, s.groups(t, token, "/groups?user_uuid="+user.String()).Items)
	during := s.login(t, s.apis[1], name, nil).Token
	membership.method = http.MethodDelete
	require.Equal(t, http.StatusNoContent, s.ask(t, s.apis[0], membership).status)
	require.Equal(t, groupPage{Items: []group{}}, s.groups(t, token, "/users/"+user.String()+"/groups"))
	after := s.login(t, s.apis[1], name, nil).Token
	for held, want := range map[string]int{before: http.StatusForbidden, during: http.StatusNoContent, after: http.StatusForbidden} {
		require.Equal(t, want, s.check(t, s.apis[0], held, "dev.read"))
	}
}

func groupRaces(t *testing.T, s *stack) {
	tenant, token := s.administrator(t, uuid.Nil)
	_, user := s.addMember(t, tenant)
	made := s.createGroup(t, token, fields{"name": "team"})
	atOnce := func(r request, body func(i int) any) map[int]int {
		t.Helper()
		const many = 100
		statuses, failures := make([]int, many), make([]error, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				mine := r
				if body != nil {
					mine.body = body(i)
				}
				var a answer
				a, failures[i] = s.do(s.apis[i%2], mine)
				statuses[i] = a.status
			})
		}
		wg.Wait()
		counted := map[int]int{}
		for i := range many {
			require.NoError(t, failures[i])
			counted[statuses[i]]++
		}
		return counted
	}
	membership := request{method: http.MethodPut, path: fmt.Sprintf("/groups/%s/users/%s", made.UUID, user), token: token}
	require.Equal(t, map[int]int{http.StatusNoContent: 100}, atOnce(membership, nil))
	require.Equal(t, 1, s.count(t, "SELECT count(*) FROM user_groups WHERE group_uuid = $1", made.UUID))
	creation := request{method: http.MethodPost, path: "/groups", token: token}
	oneWinner := map[int]int{http.StatusOK: 1, http.StatusConflict: 99}
	require.Equal(t, oneWinner, atOnce(creation, func(i int) any { return fields{"name": fmt.Sprint("name ", i), "slug": "same"} }))
	require.Equal(t, oneWinner, atOnce(creation, func(i int) any { return fields{"name": "same"} }))
	require.Equal(t, map[int]int{http.StatusOK: 100}, atOnce(creation, func(i int) any { return fields{"name": "alike" + strings.Repeat("!", i)} }))
	require.Equal(t, 103, s.groups(t, token, "/groups").Total)
}

func groupRights(t *testing.T, s *stack) {
	tenant, token := s.administrator(t, uuid.Nil)
	below, childToken := s.administrator(t, tenant)
	_, strangerToken := s.administrator(t, uuid.Nil)
	made, lower := s.createGroup(t, token, fields{"name": "upper"}), s.createGroup(t, childToken, fields{"name": "lower"})
	_, user := s.addMember(t, tenant)
	status := func(token, method, path string, body any) int {
		t.Helper()
		return s.ask(t, s.apis[0], request{method: method, path: path, token: token, body: body}).status
	}
	upperPath, lowerPath := "/groups/"+made.UUID.String(), "/groups/"+lower.UUID.String()
	require.Equal(t, below, lower.Tenant)
	require.Equal(t, http.StatusOK, status(token, http.MethodGet, lowerPath, nil), "from above")
	require.Len(t, s.groups(t, token, "/groups?recurse=true").Items, 2)
	require.Len(t, s.groups(t, token, "/groups").Items, 1)
	for what, outside := range map[string]string{"below": childToken, "beside": strangerToken} {
		require.Equal(t, http.StatusNotFound, status(outside, http.MethodGet, upperPath, nil), what)
		require.Equal(t, http.StatusNotFound, status(outside, http.MethodPut, upperPath, fields{"name": "x"}), what)
		require.Equal(t, http.StatusNotFound, status(outside, http.MethodDelete, upperPath, nil), what)
		require.Equal(t, http.StatusNotFound, status(outside, http.MethodPut, upperPath+"/users/"+user.String(), nil), what)
		require.Equal(t, http.StatusNotFound, status(outside, http.MethodDelete, upperPath+"/users/"+user.String(), nil), what)
		require.Equal(t, http.StatusNotFound, status(outside, http.MethodGet, "/users/"+user.String()+"/groups", nil), what)
	}
	require.Equal(t, http.StatusBadRequest, status(token, http.MethodPut, lowerPath+"/users/"+user.String(), nil), "not of one tenant")

	_, err := s.db.Exec(t.Context(), "UPDATE groups SET system_managed = true WHERE uuid = $1", made.UUID)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status(token, http.MethodPut, upperPath, fields{"name": "x"}))
	require.Equal(t, http.StatusForbidden, status(token, http.MethodDelete, upperPath, nil))
	require.Equal(t, http.StatusForbidden, status(token, http.MethodPut, upperPath+"/users/"+user.String(), nil))

	limited, _ := s.addMember(t, tenant, "auth.groups.read", "auth.groups."+made.UUID.String()+".#", "!auth.groups.*.delete")
	few := s.login(t, s.apis[0], limited, nil).Token
	require.Equal(t, http.StatusOK, status(few, http.MethodGet, "/groups", nil))
	require.Equal(t, http.StatusOK, status(few, http.MethodGet, "/groups/"+strings.ToUpper(made.UUID.String()), nil))
	require.Equal(t, http.StatusUnauthorized, status(few, http.MethodPost, "/groups", ""), "before the body")
	require.Equal(t, http.StatusUnauthorized, status(few, http.MethodDelete, upperPath, nil))
	require.Equal(t, http.StatusUnauthorized, status(few, http.MethodGet, lowerPath, nil))
	require.Equal(t, http.StatusUnauthorized, status("", http.MethodGet, "/groups", nil))
}
