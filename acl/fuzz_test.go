package acl_test

import (
	"strings"
	"testing"

	"github.com/xivo-auth/xivo-auth/acl"
)

// FuzzAllows compares with the oracle. Neither takes more time than the length of the patterns times that of the text,
// so bounding those bounds the time. Entries are separated by line feeds.
func FuzzAllows(f *testing.F) {
	for _, c := range loadCases(f) {
		f.Add(strings.Join(c.List, "\n"), c.Required, c.AuthID, c.Session)
	}
	hostile := strings.Join([]string{
		strings.Repeat("a#", 40) + "b", "!" + strings.Repeat("*a", 40) + "*b", strings.Repeat("a*#", 40) + "b",
		strings.Repeat("#.", 40), strings.Repeat("me.", 20) + "b", "#." + strings.Repeat("me.", 20) + "#",
	}, "\n")
	f.Add(hostile, strings.Repeat("a", 200), "123", "s1")
	f.Add(hostile, strings.Repeat("me.", 60), "me.me", "s1")
	f.Add("a*#b\n!a#*b*\n\xff*.me", "a\xff.b", "\xff", "\xfe")
	f.Fuzz(func(t *testing.T, entries, required, authID, session string) {
		if len(entries) > 1000 || len(required) > 500 || len(authID) > 50 || len(session) > 50 {
			t.Skip("too long")
		}
		list := strings.Split(entries, "\n")
		got := acl.Compile(list).Allows(required, authID, session)
		if want := oracleAllows(list, required, authID, session); got != want {
			t.Fatalf("%q, required %q, auth id %q, session %q: %t, must be %t", list, required, authID, session, got, want)
		}
	})
}
