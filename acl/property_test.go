package acl_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xivo-auth/xivo-auth/acl"
)

// Few words over few characters, so that patterns and texts meet often.
var (
	patternWord = rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "ab", "me", "my_session", "edit", "update", "*", "#", "*#", "#*", "a*", "*a", "a#b", "a*#b", "#a*b"}),
		rapid.StringOfN(rapid.SampledFrom([]rune("ab*#")), 0, 6, -1),
		rapid.StringOfN(rapid.SampledFrom([]rune("aé*#!\n +(\\")), 0, 4, -1),
	)
	textWord = rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "ab", "me", "my_session", "edit", "update", "123", "s1", "*", "#", "x"}),
		rapid.StringOfN(rapid.SampledFrom([]rune("ab*#!é\n")), 0, 6, -1),
	)
	pattern = joined(patternWord)
	text    = joined(textWord)
	entry   = rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "", "", "!", "!!"}).Draw(t, "sign") + pattern.Draw(t, "pattern")
	})
	list   = rapid.SliceOfN(entry, 0, 12)
	authID = rapid.OneOf(rapid.SampledFrom([]string{"123", "", "me", "me.me", "me.a", "a.b", ".", "a.", ".a", "edit", "*", "#"}), text)
	sessID = rapid.OneOf(rapid.SampledFrom([]string{"s1", "", "my_session", "my_session.my_session", "a", "me"}), text)
)

func joined(word *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(word, 1, 6), func(words []string) string { return strings.Join(words, ".") })
}

// required draws a text that often matches some entry: one of them with everything in it that stands for something
// else replaced.
func required(t *rapid.T, entries []string, authID, session string) string {
	if len(entries) == 0 || rapid.IntRange(0, 3).Draw(t, "unrelated") == 0 {
		return text.Draw(t, "text")
	}
	words := strings.Split(strings.TrimPrefix(rapid.SampledFrom(entries).Draw(t, "entry"), "!"), ".")
	for i, word := range words {
		switch word {
		case "me":
			words[i] = rapid.SampledFrom([]string{"me", authID}).Draw(t, "me")
		case "my_session":
			words[i] = rapid.SampledFrom([]string{"my_session", session}).Draw(t, "my_session")
		case "edit":
			words[i] = rapid.SampledFrom([]string{"edit", "update"}).Draw(t, "edit")
		default:
			var b strings.Builder
			for _, c := range word {
				switch c {
				case '*':
					b.WriteString(rapid.SampledFrom([]string{"", "a", "b", "aab", "*", "é", "#", "."}).Draw(t, "star"))
				case '#':
					b.WriteString(rapid.SampledFrom([]string{"", "a", "b", "a.b", ".", "#", "ab.me.x", "\n"}).Draw(t, "hash"))
				default:
					b.WriteRune(c)
				}
			}
			words[i] = b.String()
		}
	}
	return strings.Join(words, ".")
}

func TestAllowsAgreesWithOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, me, session := list.Draw(t, "list"), authID.Draw(t, "auth id"), sessID.Draw(t, "session")
		l := acl.Compile(entries)
		for range 8 {
			r := required(t, entries, me, session)
			if want := oracleAllows(entries, r, me, session); l.Allows(r, me, session) != want {
				t.Fatalf("%q, required %q, auth id %q, session %q: must be %t", entries, r, me, session, want)
			}
		}
	})
}

// One entry alone says more about a glob than many, which hide each other.
func TestSingleEntryAgreesWithOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, me, session := pattern.Draw(t, "pattern"), authID.Draw(t, "auth id"), sessID.Draw(t, "session")
		l := acl.Compile([]string{p})
		for range 8 {
			r := required(t, []string{p}, me, session)
			if want := oracleAllows([]string{p}, r, me, session); l.Allows(r, me, session) != want {
				t.Fatalf("%q, required %q, auth id %q, session %q: must be %t", p, r, me, session, want)
			}
		}
	})
}

func TestOrderAndRepetitionAreIrrelevant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, me, session := list.Draw(t, "list"), authID.Draw(t, "auth id"), sessID.Draw(t, "session")
		r := required(t, entries, me, session)
		other := rapid.Permutation(append(slices.Clone(entries), entries[:len(entries)/2]...)).Draw(t, "other")
		require.Equal(t, acl.Compile(entries).Allows(r, me, session), acl.Compile(other).Allows(r, me, session))
		require.Equal(t, acl.ID(acl.Canonical(entries)), acl.ID(acl.Canonical(other)))
		require.Equal(t, acl.Compile(entries).Size(), acl.Compile(other).Size())
	})
}

func TestNegativeEntryNeverAllows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, me, session := list.Draw(t, "list"), authID.Draw(t, "auth id"), sessID.Draw(t, "session")
		negative := "!" + pattern.Draw(t, "negative")
		r := required(t, append(entries, negative), me, session)
		more := acl.Compile(append(slices.Clone(entries), negative))
		if more.Allows(r, me, session) && !acl.Compile(entries).Allows(r, me, session) {
			t.Fatalf("%q with %q allows %q", entries, negative, r)
		}
		if oracleMatches(negative[1:], r, me, session) && more.Allows(r, me, session) {
			t.Fatalf("%q does not deny %q", negative, r)
		}
	})
}

func TestPositiveEntryNeverDenies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, me, session := list.Draw(t, "list"), authID.Draw(t, "auth id"), sessID.Draw(t, "session")
		positive := rapid.Map(pattern, func(p string) string { return strings.TrimLeft(p, "!") }).Draw(t, "positive")
		r := required(t, append(entries, positive), me, session)
		more := acl.Compile(append(slices.Clone(entries), positive))
		if acl.Compile(entries).Allows(r, me, session) && !more.Allows(r, me, session) {
			t.Fatalf("%q with %q denies %q", entries, positive, r)
		}
	})
}

func TestHandingOutFollowsTheDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries, me, session := list.Draw(t, "list"), authID.Draw(t, "auth id"), sessID.Draw(t, "session")
		l, x := acl.Compile(entries), entry.Draw(t, "access")
		add := strings.HasPrefix(x, "!") || oracleAllows(entries, x, me, session)
		require.Equal(t, add, l.MayAdd(x, me, session))
		require.Equal(t, oracleAllows(entries, strings.TrimPrefix(x, "!"), me, session), l.MayRemove(x, me, session))
	})
}

func TestCanonicalIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		canonical := acl.Canonical(list.Draw(t, "list"))
		require.Equal(t, canonical, acl.Canonical(canonical))
	})
}

// Texts long enough for the set of positions to leave the stack.
func TestLongTextsAgreeWithOracle(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{60, 63, 64, 65, 127, 128, 4094, 4095, 4096, 4097, 9000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab.#"[random.IntN(35)]
		}
		r := string(b)
		for _, p := range []string{"#a#b#", "#ab#a*b#", "*a#b*a", "#.*a#a", "#b" + r[n-1:], "#." + "#" + r[n-2:], r[:2] + "*#a#" + r[n-3:]} {
			require.Equal(t, oracleMatches(p, r, "123", "s1"), acl.Compile([]string{p}).Allows(r, "123", "s1"), "%q, %d bytes", p, n)
		}
	}
}

func TestHostilePatternsTakeLittleTime(t *testing.T) {
	t.Parallel()
	const n = 250
	tests := map[string]struct{ pattern, required, authID, session string }{
		"hashes":              {strings.Repeat("a#", n) + "b", strings.Repeat("a", 4*n), "123", "s1"},
		"stars":               {strings.Repeat("*a", n) + "*b", strings.Repeat("a", 4*n), "123", "s1"},
		"stars and hashes":    {strings.Repeat("a*#a*", n) + "b", strings.Repeat("a", 4*n), "123", "s1"},
		"stars behind a hash": {"#" + strings.Repeat("*a", n) + "*bc", strings.Repeat("ab", 4*n), "123", "s1"},
		"hash words":          {strings.Repeat("#.", n) + "b", strings.Repeat("a.", 4*n), "123", "s1"},
		"star words":          {strings.Repeat("*.", n) + "b", strings.Repeat("a.", n) + "a", "123", "s1"},
		"me spans me":         {strings.Repeat("me.", n) + "b", strings.Repeat("me.", n+n/2) + "a", "me.me", "s1"},
		"session spans":       {strings.Repeat("my_session.", n) + "b", strings.Repeat("my_session.", n+n/2) + "a", "123", "my_session.my_session"},
		"me behind a hash":    {"#." + strings.Repeat("me.", n) + "b", strings.Repeat("me.", 4*n) + "a", "me.me", "s1"},
		"long prefixes":       {"#" + strings.Repeat("a", n) + "b#c", strings.Repeat("a", 4*n), "123", "s1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan bool)
			go func() { done <- acl.Compile([]string{test.pattern}).Allows(test.required, test.authID, test.session) }()
			select {
			case allowed := <-done:
				require.False(t, allowed)
			case <-time.After(10 * time.Second): // it takes milliseconds, and exponential time would take years
				t.Fatal("the pattern takes too long")
			}
		})
	}
}
