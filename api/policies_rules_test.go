package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
)

func TestTheOrderOfChecksOnPolicies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	root := b.as(t, b.top, "#")
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	h := b.as(t, child, "auth.#", "mine.#", "shared.#")
	foreign, unknown := h.in(uuid.New()), uuid.NewString()
	mine := str(t, b.policy(t, h, `{"name": "mine", "acl": ["mine.1"]}`), "uuid")
	b.policy(t, h, `{"name": "other"}`)
	beyond := str(t, b.policy(t, root.in(child), `{"name": "beyond", "acl": ["beyond.1"]}`), "uuid")
	inherited := str(t, b.policy(t, root, `{"name": "inherited", "shared": true, "acl": ["shared.1"]}`), "uuid")
	hidden := str(t, b.policy(t, root, `{"name": "hidden", "acl": []}`), "uuid")
	configured := str(t, b.policy(t, root, `{"name": "configured", "acl": ["shared.2"]}`), "uuid")
	b.exec(t, "UPDATE policies SET config_managed = true WHERE uuid = $1", configured)
	none := func(kind, id string) string { return "No such policy {'" + kind + "': '" + id + "'}" }
	forbidden := func(id string) string { return `Forbidden policy deletion: "` + id + `"` }
	const post, bad = "/0.1/policies", `{"name": "", "acl": ["lacking"]}`
	lacking := `{"name": "other", "acl": ["lacking"]}`
	ok := `{"name": "renamed", "acl": ["mine.2"]}`
	taken := `{"name": "other", "acl": ["mine.1"]}`
	all := func(path string) string { return "/0.1/policies/" + path }
	b.refuse(t, []refusal{
		{"no token", "POST", post, "", nil, 401, "unauthorized"},
		{"no access", "POST", post, "", b.as(t, child, "auth.policies.read"), 401, "unauthorized"},
		{"POST: JSON before R", "POST", post, "", foreign, 400, unreadable},
		{"POST: fields before R", "POST", post, bad, foreign, 400, "Invalid value supplied for field: name"},
		{"POST: R before the rule", "POST", post, lacking, foreign, 401, "unauthorized-tenant"},
		{"POST: the rule before conflicts", "POST", post, lacking, h, 401, "unauthorized"},
		{"POST: conflict", "POST", post, taken, h, 409, `Policy "other" already exists`},

		{"GET: R", "GET", all(unknown), "", foreign, 401, "unauthorized-tenant"},
		{"GET: unknown", "GET", all(unknown), "", h, 404, none("uuid", unknown)},
		{"GET: not below, not shared", "GET", all(hidden), "", h, 404, none("uuid", hidden)},
		{"GET: slug", "GET", all("hidden"), "", h, 404, none("slug", "hidden")},
		{"GET: case of a slug", "GET", all("MINE"), "", h, 404, none("slug", "MINE")},
		{"GET: a child's by slug", "GET", all("mine"), "", root, 404, none("slug", "mine")},
		{"GET: no slug can be that", "GET", all("a%00b"), "", h, 404, none("slug", "a\x00b")},

		{"PUT uuid: R before JSON", "PUT", all(unknown), "", foreign, 401, "unauthorized-tenant"},
		{"PUT uuid: JSON before 404", "PUT", all(unknown), "", h, 400, unreadable},
		{"PUT uuid: fields before 404", "PUT", all(unknown), bad, h, 400, "Invalid value supplied for field: name"},
		{"PUT uuid: the rule before 404", "PUT", all(unknown), lacking, h, 401, "unauthorized"},
		{"PUT uuid: 404", "PUT", all(unknown), ok, h, 404, none("uuid", unknown)},
		{"PUT uuid: removal before anything of the policy", "PUT", all(beyond), taken, h, 401, "unauthorized"},
		{"PUT uuid: configured", "PUT", all(configured), taken, h, 403, forbidden(configured)},
		{"PUT uuid: configured, for its owner", "PUT", all(configured), taken, root, 403, forbidden(configured)},
		{"PUT uuid: inherited", "PUT", all(inherited), taken, h, 403, forbidden(inherited)},
		{"PUT uuid: conflict", "PUT", all(mine), taken, h, 409, `Policy "other" already exists`},

		{"PUT slug: R before 404", "PUT", all("nope"), "", foreign, 401, "unauthorized-tenant"},
		{"PUT slug: 404 before JSON", "PUT", all("nope"), "", h, 404, none("slug", "nope")},
		{"PUT slug: JSON", "PUT", all("inherited"), "", h, 400, unreadable},
		{"PUT slug: fields before the rule", "PUT", all("inherited"), bad, h, 400, "Invalid value supplied for field: name"},
		{"PUT slug: the rule", "PUT", all("inherited"), lacking, h, 401, "unauthorized"},
		{"PUT slug: removal before 403", "PUT", all("beyond"), taken, h, 401, "unauthorized"},
		{"PUT slug: 403", "PUT", all("inherited"), taken, h, 403, forbidden(inherited)},
		{"PUT slug: conflict", "PUT", all("mine"), taken, h, 409, `Policy "other" already exists`},

		{"DELETE: R", "DELETE", all(unknown), "", foreign, 401, "unauthorized-tenant"},
		{"DELETE: 404", "DELETE", all(unknown), "", h, 404, none("uuid", unknown)},
		{"DELETE: 404 by slug", "DELETE", all("nope"), "", h, 404, none("slug", "nope")},
		{"DELETE: the rule", "DELETE", all(beyond), "", h, 401, "unauthorized"},
		{"DELETE: the rule, by slug", "DELETE", all("beyond"), "", h, 401, "unauthorized"},
		{"DELETE: inherited", "DELETE", all(inherited), "", h, 403, forbidden(inherited)},
		{"DELETE: inherited, by slug", "DELETE", all("inherited"), "", h, 403, forbidden(inherited)},
		{"DELETE: configured", "DELETE", all(configured), "", root, 403, forbidden(configured)},

		{"add: R", "PUT", all(unknown + "/acl/lacking"), "", foreign, 401, "unauthorized-tenant"},
		{"add: the rule before 404", "PUT", all(unknown + "/acl/lacking"), "", h, 401, "unauthorized"},
		{"add: 404", "PUT", all(unknown + "/acl/mine.1"), "", h, 404, none("uuid", unknown)},
		{"add, slug: 404 before the rule", "PUT", all("nope/acl/lacking"), "", h, 404, none("slug", "nope")},
		{"add, slug: the rule", "PUT", all("inherited/acl/lacking"), "", h, 401, "unauthorized"},
		{"add: inherited", "PUT", all(inherited + "/acl/shared.1"), "", h, 403, forbidden(inherited)},
		{"add: configured", "PUT", all(configured + "/acl/shared.2"), "", root, 403, forbidden(configured)},
		{"add: twice", "PUT", all(mine + "/acl/mine.1"), "", h, 409, "Policy already associated to mine.1"},
		{"add: twice, by slug", "PUT", all("mine/acl/mine.1"), "", h, 409, "Policy already associated to mine.1"},
		{"add: no text", "PUT", all("mine/acl/%00"), "", h, 400, "Invalid value supplied for field: access"},
		{"add: not UTF-8", "PUT", all("mine/acl/%FF"), "", h, 400, "Invalid value supplied for field: access"},

		{"remove: the rule before 404", "DELETE", all(unknown + "/acl/lacking"), "", h, 401, "unauthorized"},
		{"remove: a prohibition of what one lacks", "DELETE", all(mine + "/acl/%21lacking"), "", h, 401, "unauthorized"},
		{"remove: 404", "DELETE", all(unknown + "/acl/mine.1"), "", h, 404, none("uuid", unknown)},
		{"remove, slug: 404 before the rule", "DELETE", all("nope/acl/lacking"), "", h, 404, none("slug", "nope")},
		{"remove: inherited", "DELETE", all("inherited/acl/shared.1"), "", h, 403, forbidden(inherited)},

		{"list: parameters before R", "GET", post + "?limit=x", "", foreign, 400, "invalid-list-param"},
		{"list: R", "GET", post + "?order=read_only", "", foreign, 401, "unauthorized-tenant"},
		{"list: column", "GET", post + "?order=read_only", "", h, 400, "Invalid sort column: read_only"},
	})
	for id, acl := range map[string][]any{mine: {"mine.1"}, beyond: {"beyond.1"}, inherited: {"shared.1"}, configured: {"shared.2"}} {
		require.Equal(t, acl, b.do(t, "GET", "/0.1/policies/"+id, "", root).body["acl"], "nothing was changed")
	}
}

func TestNobodyGrantsWhatTheyLack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user, login := b.user(t, b.top, "auth.#", "authorized", "!unauthorized", "conf.*.read", "x.me.#")
	h := headers{"X-Auth-Token": str(t, b.login(t, login, "{}", nil), "token")}
	list := func(acl ...string) string { text, _ := json.Marshal(acl); return string(text) }
	granted := []string{"authorized", "!anything", "auth.#", "auth.*", "conf.*.read", "x.me.1", "x." + user.String() + ".1"}
	made := b.policy(t, h, `{"name": "all", "acl": `+list(granted...)+`}`)
	for _, access := range []string{"unauthorized", "#", "*", "conf.#.read", "conf.a.b.read", "x.#", ""} {
		for _, r := range [][3]string{{"POST", "/0.1/policies", `{"name": "p", "acl": ` + list("authorized", access, "#") + `}`},
			{"PUT", "/0.1/policies/" + str(t, made, "uuid"), `{"name": "all", "acl": ` + list("authorized", access, "#") + `}`}} {
			a := b.do(t, r[0], r[1], r[2], h)
			require.Equal(t, 401, a.status, access)
			require.ElementsMatch(t, []string{"message", "error_id", "details", "timestamp"}, keys(a.body), access)
			require.Equal(t, "Unauthorized", a.body["message"])
			require.Equal(t, "unauthorized", a.body["error_id"])
			details, _ := a.body["details"].(map[string]any)
			require.NotEmpty(t, details["invalid_token"])
			delete(details, "invalid_token")
			want := map[string]any{"required_access": access}
			if access == "" {
				want = map[string]any{}
			}
			require.Equal(t, want, details, access)
		}
	}
	root := b.as(t, b.top, "#")
	for _, access := range []string{"!unauthorized", "foreign", "!foreign"} {
		p := b.policy(t, root, `{"name": `+list("has " + access)[1:len(list("has "+access))-1]+`, "acl": ["`+access+`"]}`)
		path := "/0.1/policies/" + str(t, p, "uuid")
		for _, r := range [][3]string{{"DELETE", path, ""}, {"PUT", path, `{"name": "emptied"}`}, {"DELETE", path + "/acl/" + strings.ReplaceAll(access, "!", "%21"), ""}} {
			a := b.do(t, r[0], r[1], r[2], h)
			require.Equal(t, 401, a.status, "%s %s", r[0], access)
			details, _ := a.body["details"].(map[string]any)
			require.Equal(t, access, details["required_access"], "with its !")
		}
	}
	require.Equal(t, 204, b.do(t, "PUT", "/0.1/policies/all/acl/%21whatever", "", h).status, "forbidding is always allowed")
	require.Equal(t, 200, b.do(t, "PUT", "/0.1/policies/all", `{"name": "all", "acl": ["!whatever", "!anything"]}`, h).status, "what stays is not removed")
}

// insist is do that comes again when it is told to: so many requests at once may have to wait for a connection too long.
func (b *bundle) insist(t *testing.T, method, path, body string, h headers) answer {
	t.Helper()
	for {
		if a := b.do(t, method, path, body, h); a.status != http.StatusServiceUnavailable {
			return a
		}
	}
}

func TestOfManyCreationsOfOnePolicyOneWins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	child := factory.Tenant(t.Context(), t, b.pool, b.top)
	root := b.as(t, b.top, "#")
	race := func(body func(i int) (string, headers)) map[int]int {
		var mu sync.Mutex
		statuses := map[int]int{}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				text, h := body(i)
				a := b.insist(t, "POST", "/0.1/policies", text, h)
				mu.Lock()
				defer mu.Unlock()
				statuses[a.status]++
			})
		}
		wg.Wait()
		return statuses
	}
	require.Equal(t, map[int]int{200: 1, 409: 99}, race(func(i int) (string, headers) {
		return `{"name": "n` + uuid.NewString() + `", "slug": "` + []string{"same", "SAME"}[i%2] + `"}`, root
	}))
	require.Equal(t, map[int]int{200: 1, 409: 99}, race(func(int) (string, headers) { return `{"name": "same name"}`, root }))
	require.Equal(t, map[int]int{200: 100}, race(func(i int) (string, headers) {
		return `{"name": "` + strings.Repeat(" ", i%80) + `d` + strings.Repeat(" ", i/80) + `"}`, root
	}),
		"slugs made of names give way to each other")
	require.Equal(t, map[int]int{200: 1, 409: 99}, race(func(i int) (string, headers) {
		if i%2 == 0 {
			return `{"name": "either", "slug": "either", "shared": true}`, root
		}
		return `{"name": "either", "slug": "either"}`, root.in(child)
	}), "shared above, or the child's")
}

func TestAccessesAreAddedOnceByMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	root := b.as(t, b.top, "#")
	b.policy(t, root, `{"name": "p"}`)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 40 {
		wg.Go(func() {
			a := b.insist(t, "PUT", "/0.1/policies/p/acl/a."+string(rune('a'+i%20)), "", root)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	wg.Wait()
	require.Equal(t, map[int]int{204: 20, 409: 20}, statuses)
	require.Len(t, b.do(t, "GET", "/0.1/policies/p", "", root).body["acl"], 20)
}
