package identity_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/identity"
)

func TestAddressesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("x", 63)
	for address, want := range map[string]bool{
		"a@localhost": true, "a@LOCALHOST": false, "a+b@b.co": true, "a@[127.0.0.1]": true, "a@b.123": true, "é@b.co": true, "a@exämple.com": true,
		"Alice@Example.com": true, "x_y-z!#$%&'*+/=?^`{}|~@b.co": true, `"a.b"@b.co`: true, `"a\ b"@b.co`: true, `"a\"b"@b.co`: true, `""@b.co`: true,
		"密码@例え.テスト": true, "a@b.c-": true, "a@" + label + ".co": true, "a@b.co" + label: true, "½@b.co": true, "a@[001.02.3.255]": true,
		"a@xn--exmple-cua.com": true, "a@straße.de": true, "a@b。co": true,

		"": false, "a": false, "@": false, "a@": false, "@b.co": false, "a@b": false, "a@b.c": false, "a b@b.co": false, "a..b@b.co": false,
		".a@b.co": false, "a.@b.co": false, "a@b_c.co": false, "a@-b.co": false, "a@b-.co": false, "a@b.co.": false, "a@.co": false, "a@b..co": false,
		" a@b.co": false, "a@b.co ": false, "a@b.co\n": false, "\ta@b.co": false, `"q q"@b.co`: false, `"q"q"@b.co`: false, `"q\"@b.co`: false,
		`"é"@b.co`: false, "\"\r\n\"@b.co": false, "a@b@b.co": false, `"a@b"@b.co`: true, "a,b@b.co": false, "a<b@b.co": false, "a@" + label + "x.co": false,
		"a@[127.0.0]": false, "a@[127.0.0.256]": false, "a@[127.0.0.1": false, "a@127.0.0.1]": false, "a@[1.2.3.]": false, "a@[0001.2.3.4]": false,
		"a@exä mple.com": false, "a@exämple": false, "a@exämple.com.": false, "a@ä_b.com": false, "a\x00@b.co": false, "\xff@b.co": false, "a\u0301@b.co": false,
	} {
		require.Equal(t, want, identity.ValidAddress(address), "%q", address)
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@b.co", `"a\ b"@b.co`, "é@exämple.com", "a@[127.0.0.1]", "a@b.co\n", "a@b\r\nBcc: c.co"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !identity.ValidAddress(s) {
			return
		}
		require.Equal(t, strings.TrimFunc(s, unicode.IsSpace), s)
		require.NotContains(t, s, "\n")
		require.NotContains(t, s, "\r")
		require.NotContains(t, s, "\x00")
		require.Positive(t, strings.LastIndexByte(s, '@'))
		require.Less(t, strings.LastIndexByte(s, '@'), len(s)-1)
	})
}
