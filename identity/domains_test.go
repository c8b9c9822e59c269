package identity

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDomainNames(t *testing.T) {
	t.Parallel()
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("b", 64)
	long := strings.Repeat("a", 120) + "." + strings.Repeat("b", 120) + "." // 242
	for name, want := range map[string]bool{
		"wazo.io": true, "a.b": true, "a.example.org": true, "wazo.io.": true, "WAZO.Io": true, "1.2.3.4": true, "a.123": true, "a-b.c--d": true,
		label63 + ".io": true, label64 + ".io": true, strings.Repeat("a.", 62) + "a": true, strings.Repeat("a.", 63): true,
		long + strings.Repeat("c", 11): true, long + strings.Repeat("c", 12): false, long + strings.Repeat("c", 11) + ".": false,
		strings.Repeat("a.", 63) + "a": false, "wazo": false, "wazo.": false, "123": false, "-wazo.io": false, "wazo.io-": false, "wazo-.io": false,
		"wazo.-io": false, "_wazo.io": false, "wazo_io": false, "wa_zo.io": false, "wazo.io_": false, " wazo.io": false, "wazo.io ": false,
		"wazo .io": false, "+wazo.io": false, "=wazo.io": false, "#": false, "": false, ".": false, "..": false, ".io": false, "*.a.io": false,
		"a.io:80": false, "é.io": false, "a..io": false, "a.io..": false, "wazo.io\n": false, "wazo.io\x00": false, "-.io": false, "-": false,
	} {
		require.Equal(t, want, DomainName(name), "%q", name)
	}
}

// sameDomain is the contract's expression without look-around, length apart.
var sameDomain = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.){1,62}[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?$`)

func FuzzDomainName(f *testing.F) {
	for _, s := range []string{"wazo.io", "wazo.io.", "-a.b", "a-.b", "a_b.c", "a..b", "é.io", strings.Repeat("a.", 63), "a.b\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, len(s) <= 253 && sameDomain.MatchString(s), DomainName(s), "%q", s)
	})
}
