package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// accessTable runs the table of the access language with one user, policy and token for each distinct list. The file's
// header says how: our own ids stand for "123" and "s1".
func accessTable(t *testing.T, s *stack) {
	text, err := os.ReadFile("../acl/testdata/cases.yaml")
	require.NoError(t, err)
	type row struct {
		List      []string `yaml:"list"`
		Required  string   `yaml:"required"`
		Allowed   bool     `yaml:"allowed"`
		AuthID    string   `yaml:"auth_id"`
		SessionID string   `yaml:"session"`
	}
	var rows []row
	require.NoError(t, yaml.Unmarshal(text, &rows))
	lists, order, left := map[string][]row{}, []string(nil), 0
	for _, r := range rows {
		key := strings.Join(r.List, "\x00")
		// A session's uuid is not known before the login, so no list can hold it literally.
		if r.AuthID != "123" || r.SessionID != "s1" || strings.Contains(key, "s1") {
			left++
			continue
		}
		if _, known := lists[key]; !known {
			order = append(order, key)
		}
		lists[key] = append(lists[key], r)
	}
	require.Greater(t, len(rows)-left, 200)
	for n, key := range order {
		p := s.apis[n%len(s.apis)]
		user, id := s.addUser(t, "internal")
		accesses := []string{}
		if key != "" || len(lists[key][0].List) > 0 {
			accesses = strings.Split(strings.ReplaceAll(key, "123", id.String()), "\x00")
		}
		_, err := s.db.Exec(t.Context(), "UPDATE policies SET acl = $1 WHERE slug = $2", accesses, user)
		require.NoError(t, err)
		tok := s.login(t, p, user, nil)
		ours := strings.NewReplacer("123", id.String(), "s1", tok.Session.String())
		wanted := map[string]bool{}
		for _, r := range lists[key] {
			required, want := ours.Replace(r.Required), http.StatusForbidden
			if r.Allowed {
				want = http.StatusNoContent
			}
			wanted[required] = r.Allowed
			require.Equal(t, want, s.check(t, p, tok.Token, required), "list %q, required %q", accesses, required)
		}
		scopes := make([]string, 0, len(wanted))
		for required := range wanted {
			scopes = append(scopes, required)
		}
		var got struct{ Scopes map[string]bool }
		s.ask(t, p, request{method: http.MethodPost, path: "/token/" + tok.Token + "/scopes/check", body: fields{"scopes": scopes}}).into(t, &got)
		require.Equal(t, wanted, got.Scopes, "list %q", accesses)
	}
	t.Logf("%d rows of the table over %d lists; %d left out: they need an auth id or a session that cannot be chosen", len(rows)-left, len(order), left)
}
