package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTenants(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2, workers: 1})
	for name, part := range map[string]func(*testing.T, *stack){
		"a tenant from its creation to its end":      tenantLife,
		"simultaneous creations":                     tenantRaces,
		"moves count from the next request on":       tenantMoves,
		"who sees whom":                              tenantSight,
		"sessions end with their tenant, and say so": tenantSessions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
}

// tenantBody is one of the answers' objects.
type tenantBody struct {
	UUID    uuid.UUID          `json:"uuid"`
	Parent  uuid.UUID          `json:"parent_uuid"`
	Name    *string            `json:"name"`
	Slug    string             `json:"slug"`
	Contact *uuid.UUID         `json:"contact"`
	Phone   *string            `json:"phone"`
	Method  string             `json:"default_authentication_method"`
	Domains []string           `json:"domain_names"`
	Address map[string]*string `json:"address"`
}

func (s *stack) createTenant(t *testing.T, token string, body fields) (made tenantBody) {
	t.Helper()
	a := s.ask(t, s.apis[0], request{method: http.MethodPost, path: "/tenants", token: token, body: body})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &made)
	return made
}

// tenants is a list, as the other API has it.
func (s *stack) tenants(t *testing.T, token, query string) (items []tenantBody, total, filtered int) {
	t.Helper()
	a := s.ask(t, s.apis[1], request{method: http.MethodGet, path: "/tenants" + query, token: token})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var page struct {
		Items           []tenantBody
		Total, Filtered int
	}
	a.into(t, &page)
	return page.Items, page.Total, page.Filtered
}

func tenantLife(t *testing.T, s *stack) {
	_, token := s.administrator(t, uuid.Nil)
	domain := random(6) + ".example.org"
	made := s.createTenant(t, token, fields{"name": "é!", "domain_names": []string{domain}, "address": fields{"city": "Québec"}})
	require.Regexp(t, "^[a-z0-9]{3,10}$", made.Slug)
	items, total, filtered := s.tenants(t, token, "?domain_name="+domain)
	require.Equal(t, []tenantBody{made}, items)
	require.Equal(t, []int{2, 1}, []int{total, filtered})
	path := "/tenants/" + made.UUID.String()
	a := s.ask(t, s.apis[1], request{method: http.MethodPut, path: path, token: token, body: fields{"name": "new"}})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var changed tenantBody
	a.into(t, &changed)
	require.Equal(t, "new", *changed.Name)
	require.Empty(t, changed.Domains)
	require.Nil(t, changed.Address["city"])
	require.Equal(t, made.Slug, changed.Slug)
	s.createTenant(t, token, fields{"domain_names": []string{domain}}) // it is free again

	id := uuid.NewString()
	for range 3 {
		again := s.createTenant(t, token, fields{"uuid": id, "slug": "x" + id[:8], "domain_names": []string{"again." + domain}})
		name, _ := s.addMember(t, again.UUID, "x")
		session := s.login(t, s.apis[1], name, nil)
		s.done(t, http.StatusNoContent, token, http.MethodDelete, "/tenants/"+id, nil)
		require.Equal(t, http.StatusNotFound, s.check(t, s.apis[1], session.Token, "x"))
		s.done(t, http.StatusNotFound, token, http.MethodDelete, "/tenants/"+id, nil)
	}
}

func tenantRaces(t *testing.T, s *stack) {
	_, token := s.administrator(t, uuid.Nil)
	id, text := uuid.NewString(), random(4)
	for name, body := range map[string]func(i int) fields{
		"uuid":   func(int) fields { return fields{"uuid": id} },
		"slug":   func(int) fields { return fields{"slug": text} },
		"domain": func(i int) fields { return fields{"domain_names": []string{fmt.Sprintf("%d.io", i), text + ".io"}} },
	} {
		const rivals = 100
		var made, refused atomic.Int32
		var group sync.WaitGroup
		for i := range rivals {
			group.Go(func() {
				a, err := s.do(s.apis[i%2], request{method: http.MethodPost, path: "/tenants", token: token, body: body(i)})
				switch {
				case err != nil:
					t.Error(err)
				case a.status == http.StatusOK:
					made.Add(1)
				case a.status == http.StatusConflict:
					refused.Add(1)
				default:
					t.Errorf("%s: %d %s", name, a.status, a.body)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 1, made.Load(), name)
		require.EqualValues(t, rivals-1, refused.Load(), name)
	}
	_, total, _ := s.tenants(t, token, "")
	require.Equal(t, 4, total)
}

func tenantMoves(t *testing.T, s *stack) {
	top, token := s.administrator(t, uuid.Nil)
	a, b := s.createTenant(t, token, fields{"name": "a"}).UUID, s.createTenant(t, token, fields{"name": "b"}).UUID
	name, _ := s.addMember(t, a, "#")
	inA := s.login(t, s.apis[0], name, nil).Token
	see := func() int {
		return s.ask(t, s.apis[1], request{method: http.MethodGet, path: "/tenants", token: inA, header: http.Header{"Wazo-Tenant": {b.String()}}}).status
	}
	require.Equal(t, http.StatusUnauthorized, see())
	s.done(t, http.StatusNoContent, token, http.MethodPut, "/tenants/"+b.String()+"/parent/"+a.String(), nil)
	require.Equal(t, http.StatusOK, see())
	s.done(t, http.StatusConflict, token, http.MethodPut, "/tenants/"+a.String()+"/parent/"+b.String(), nil)
	s.done(t, http.StatusConflict, token, http.MethodPut, "/tenants/"+top.String()+"/parent/"+b.String(), nil)
	s.done(t, http.StatusBadRequest, token, http.MethodDelete, "/tenants/"+a.String(), nil)
	s.done(t, http.StatusNoContent, token, http.MethodPut, "/tenants/"+b.String()+"/parent/"+top.String(), nil)
	require.Equal(t, http.StatusUnauthorized, see())
	s.done(t, http.StatusNoContent, token, http.MethodDelete, "/tenants/"+a.String(), nil)
	require.Equal(t, http.StatusUnauthorized, see(), "its token went with it")
}

func tenantSight(t *testing.T, s *stack) {
	_, mine := s.administrator(t, uuid.Nil)
	other, _ := s.administrator(t, uuid.Nil)
	child := s.createTenant(t, mine, fields{"domain_names": []string{random(6) + ".io"}})
	for _, x := range []struct {
		tenant uuid.UUID
		status int
	}{{child.UUID, http.StatusOK}, {other, http.StatusNotFound}, {uuid.New(), http.StatusNotFound}} {
		for _, path := range []string{"/tenants/" + x.tenant.String(), "/tenants/" + x.tenant.String() + "/domains"} {
			s.done(t, x.status, mine, http.MethodGet, path, nil)
		}
		s.done(t, x.status, mine, http.MethodPut, "/tenants/"+x.tenant.String(), fields{})
	}
	s.done(t, http.StatusNotFound, mine, http.MethodDelete, "/tenants/"+other.String(), nil)
	items, total, _ := s.tenants(t, mine, "")
	require.Len(t, items, 2)
	require.Equal(t, 2, total)
}

func tenantSessions(t *testing.T, s *stack) {
	_, token := s.administrator(t, uuid.Nil)
	made := s.createTenant(t, token, fields{})
	name, _ := s.addMember(t, made.UUID, "x")
	session := s.login(t, s.apis[0], name, nil)
	s.awaitRunning(t, session.Session)
	s.done(t, http.StatusNoContent, token, http.MethodDelete, "/tenants/"+made.UUID.String(), nil)
	ended, _ := s.awaitOutcome(t, bearable, session.Session)
	require.Equal(t, outcome{"revoked", "tenant deleted"}, ended)
}
