package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestContentOfTheConfiguration changes what the configuration wants to be there, and starts two APIs at once each time.
func TestContentOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2})
	tenant, token := s.administrator(t, uuid.Nil)
	restarted := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(s.common["extra_config_files"], name), []byte(text), 0o600))
		for _, p := range s.apis {
			p.kill()
		}
		for _, p := range s.apis { // neither waits for the other
			_, _ = p.log.Write([]byte(restartMark + "\n"))
			p.start(t)
		}
		for _, p := range s.apis {
			s.awaitAPI(t, p)
		}
	}
	acls := func() map[string][]string {
		t.Helper()
		found := map[string][]string{}
		for _, p := range s.policies(t, token, "/policies?read_only=true") {
			found[p.Slug] = p.ACL
		}
		return found
	}
	groups := func() (slugs []string) {
		t.Helper()
		for _, g := range s.groups(t, token, "/groups?order=name").Items {
			slugs = append(slugs, g.Slug)
		}
		return slugs
	}
	everyone := "wazo-all-users-tenant-" + tenant.String()

	require.Empty(t, acls())
	restarted("1.yml", `
default_policies:
  everybody: {acl: [a, b]}
  admin: {acl: ['#'], description: all of it}
all_users_policies: {everybody: true, nowhere: true}
tenant_default_groups: {admins: {policies: {admin: true}}}
`)
	restarted("2.yml", "default_policies: {everybody: {acl: [b, c]}}\n")
	require.Equal(t, map[string][]string{"everybody": {"a", "b", "c"}, "admin": {"#"}}, acls())
	require.Equal(t, []string{"admins", everyone}, groups())
	require.Contains(t, s.apis[0].log.String(), "all_users_policies: the top tenant has no such policy: skipped")
	name, _ := s.addMember(t, tenant)
	_, err := s.db.Exec(t.Context(), "INSERT INTO user_groups SELECT u.uuid, g.uuid FROM users u, groups g WHERE u.username = $1 AND g.slug = $2", name, everyone)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, s.login(t, s.apis[0], name, nil).ACL)
	s.done(t, http.StatusInternalServerError, token, http.MethodPost, "/tenants", fields{}) // there is no policy "nowhere"
	_, total, _ := s.tenants(t, token, "")
	require.Equal(t, 1, total)

	restarted("1.yml", `
default_policies: {everybody: {acl: [d]}}
all_users_policies: {other: false}
tenant_default_groups: {admins: {}}
`)
	require.Equal(t, map[string][]string{"everybody": {"d", "b", "c"}, "admin": {"#"}}, acls(), "one that a group has stays")
	require.Contains(t, s.apis[1].log.String(), "(SKIPPED: associated)")
	require.Empty(t, s.login(t, s.apis[0], name, nil).ACL)
	made := s.createTenant(t, token, fields{})
	require.Equal(t, 2, s.count(t, "SELECT count(*) FROM groups WHERE tenant_uuid = $1", made.UUID))

	restarted("1.yml", "update_policy_on_startup: false\ndefault_policies: {more: {acl: []}}\n")
	require.Equal(t, map[string][]string{"everybody": {"d", "b", "c"}, "admin": {"#"}}, acls())
}
