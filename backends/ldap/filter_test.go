package ldap

import (
	"strings"
	"testing"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

func TestFiltersAreFilledFromTheirTemplates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ template, login, want string }{
		"none":                            {"", "alice", "(uid=alice)"},
		"without parentheses":             {"uid={username}", "alice", "(uid=alice)"},
		"with parentheses":                {"(uid={username})", "alice", "(uid=alice)"},
		"blanks around":                   {" (uid={username}) ", "alice", "(uid=alice)"},
		"all placeholders":                {"(|({user_login_attribute}={username})({user_email_attribute}={username}))", "a", "(|(uid=a)(mail=a))"},
		"an operator without parentheses": {"&(uid={username})(active=TRUE)", "a", "(&(uid=a)(active=TRUE))"},
		"doubled braces":                  {"(uid={{{username}}})", "a", "(uid={a})"},
		"a wildcard in the login":         {"", "a*", `(uid=a\2a)`},
		"syntax in the login":             {"", ")(uid=*", `(uid=\29\28uid=\2a)`},
		"a backslash in the login":        {"", `a\2a`, `(uid=a\5c2a)`},
		"a placeholder in the login":      {"", "{user_email_attribute}", "(uid={user_email_attribute})"},
		"another alphabet":                {"", "é", `(uid=\c3\a9)`},
	} {
		got, err := buildFilter(c.template, c.login, "uid", "mail")
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	for name, template := range map[string]string{
		"an unknown placeholder": "(uid={login})", "no name": "(uid={})", "a conversion": "(uid={username!r})", "a format": "(uid={username:>9})",
		"an opening brace": "(uid={username", "a closing brace": "(uid=a})", "two filters": "(uid=a)(uid=b)", "no filter": "uid",
		"open parentheses": "((uid=a)", "too long": "(uid=" + strings.Repeat("a", maxTemplate) + ")",
	} {
		_, err := buildFilter(template, "alice", "uid", "mail")
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "alice", name)
	}
}

// FuzzFilter has logins and templates of all kinds make filters: whatever the login, the structure is the template's.
func FuzzFilter(f *testing.F) {
	for _, login := range []string{"alice", "a*", ")(uid=*", "*", "\x00", `\`, "(", "é", "{username}", "a)(|(uid=b"} {
		for _, template := range []string{"", "(uid={username})", "(&(uid={username})(!(x={user_email_attribute})))", "{{", "uid=*{username}*"} {
			f.Add(template, login)
		}
	}
	f.Fuzz(func(t *testing.T, template, login string) {
		plain, errPlain := buildFilter(template, "x", "uid", "mail")
		got, err := buildFilter(template, login, "uid", "mail")
		if errPlain != nil || err != nil {
			// Where the placeholder is the filter's syntax, a login can make it none: no harm.
			return
		}
		if template == "" {
			want, err := goldap.CompileFilter("(uid=x)")
			require.NoError(t, err)
			want.Children[1].Value, want.Children[1].ByteValue = login, []byte(login)
			made, err := goldap.CompileFilter(got)
			require.NoError(t, err)
			require.Equal(t, want.Tag, made.Tag)
			require.Equal(t, login, made.Children[1].Data.String())
		}
		for _, special := range "(*" { // ")" can only close what is open
			require.Equal(t, strings.Count(plain, string(special)), strings.Count(got, string(special)))
		}
	})
}

func FuzzDN(f *testing.F) {
	for _, login := range []string{"alice", "a,ou=other", "a+b=c", " a ", "#a", `a\`, `"`, "a;b<c>d", "\x00", "=", "é"} {
		f.Add(login)
	}
	f.Fuzz(func(t *testing.T, login string) {
		if login == "" || !utf8.ValidString(login) {
			return // it does not come here
		}
		dn, err := goldap.ParseDN(buildDN("uid", login, "ou=people,dc=example,dc=org"))
		require.NoError(t, err)
		require.Len(t, dn.RDNs, 4)
		require.Len(t, dn.RDNs[0].Attributes, 1)
		require.Equal(t, "uid", dn.RDNs[0].Attributes[0].Type)
		require.Equal(t, login, dn.RDNs[0].Attributes[0].Value)
	})
}
