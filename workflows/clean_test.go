package workflows

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTextFromOutsideIsCutAndCleaned(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in, want string
		limit    int
	}{
		"short":                {"curl/8", "curl/8", 10},
		"on a rune boundary":   {"ééé", "éé", 5},
		"control characters":   {"a\x00b\r\nc\x7f\u0085", "abc", 10},
		"hidden direction":     {"a\u202eb\u200bc\u2028d\ufeff", "abcd", 10},
		"broken UTF-8":         {"a\xff", "a\ufffd", 10},
		"cut before a control": {"abc\n", "abc", 3},
		"nothing left":         {"é", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, clean(test.in, test.limit))
		})
	}
}

func TestLongAuthIDStaysUnique(t *testing.T) {
	t.Parallel()
	require.Equal(t, "user", cleanAuthID("user"))
	long := strings.Repeat("a", 300)
	require.Regexp(t, "^sha256:[0-9a-f]{64}$", cleanAuthID(long))
	require.NotEqual(t, cleanAuthID(long), cleanAuthID(long+"b"))
}

func TestMarkdownIsEscaped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"6b0f5b1c-1f8a-4b43": "6b0f5b1c-1f8a-4b43",
		"wazo_user":          "wazo_user",
		"_a_ *b* `c`":        "\\_a\\_ \\*b\\* \\`c\\`",
		"[a](http://b)":      "\\[a\\](http\\://b)",
		"WWW.example.org":    "WWW\\.example.org",
		"<img src=x>":        "&lt;img src=x\\>",
		"&lt;":               "&amp;lt;",
		"# a":                "\\# a",
		"- a":                "\\- a",
		"a\\":                "a\\\\",
	} {
		require.Equal(t, want, escape(in), in)
	}
}

func TestSessionIsReadFromWorkflowID(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	got, ok := SessionOf(LifetimeID(id))
	require.True(t, ok)
	require.Equal(t, id, got)
	for _, foreign := range []string{"", id.String(), "token-lifetime-", "token-lifetime-x", "token-lifetime-" + strings.ToUpper(id.String()), "token-lifetime-{" + id.String() + "}"} {
		_, ok := SessionOf(foreign)
		require.False(t, ok, foreign)
	}
}

func FuzzTextFromOutside(f *testing.F) {
	for _, seed := range []string{"", "user", "é\xff", "<&>", strings.Repeat("\\", 300), "\u202e_*[a](b)`", strings.Repeat("世", 100)} {
		f.Add(seed, 20)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := clean(s, limit)
		if len(got) > max(0, limit) || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || clean(got, limit) != got {
			t.Fatalf("clean(%q, %d) = %q", s, limit, got)
		}
		escaped := escape(got)
		if strings.ContainsAny(escaped, "<") || strings.Contains(escaped, "://") || !utf8.ValidString(escaped) {
			t.Fatalf("escape(%q) = %q", got, escaped)
		}
		in := cleanInput(LifetimeInput{AuthID: s, TenantUUID: s, Backend: s, Kind: s, ExpiresAt: time.Unix(0, 0)})
		if len(in.AuthID) > maxAttribute || len(in.Backend) > maxAttribute {
			t.Fatalf("%q is too long for an attribute", in)
		}
		line := summary(in)
		encoded, err := json.Marshal(line)
		if err != nil || len(encoded) > 400 || strings.ContainsFunc(line, unicode.IsControl) {
			t.Fatalf("summary(%q) = %q, %d bytes", in, line, len(encoded))
		}
	})
}
