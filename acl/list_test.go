package acl_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/acl"
)

const (
	userUUID    = "8c55c3a2-3e2b-4c8c-9d33-2a1c4f0e7b11"
	sessionUUID = "0f0f9f54-6a51-4a5d-8f5a-0d4e3cb1c6f2"
)

type accessCase struct {
	List     []string `yaml:"list"`
	Required string   `yaml:"required"`
	Allowed  bool     `yaml:"allowed"`
	AuthID   string   `yaml:"auth_id"`
	Session  string   `yaml:"session"`
}

func (c *accessCase) String() string {
	return fmt.Sprintf("%q of %q in %q requires %q", c.List, c.AuthID, c.Session, c.Required)
}

func loadCases(tb testing.TB) []accessCase {
	tb.Helper()
	text, err := os.ReadFile("testdata/cases.yaml")
	require.NoError(tb, err)
	var cases []accessCase
	require.NoError(tb, yaml.UnmarshalWithOptions(text, &cases, yaml.Strict()))
	require.Greater(tb, len(cases), 400)
	return cases
}

func TestAllowsFollowsTheTableOfCases(t *testing.T) {
	t.Parallel()
	for _, c := range loadCases(t) {
		require.Equal(t, c.Allowed, acl.Compile(c.List).Allows(c.Required, c.AuthID, c.Session), "%s", &c)
		require.Equal(t, c.Allowed, oracleAllows(c.List, c.Required, c.AuthID, c.Session), "the oracle: %s", &c)
	}
}

// Executors that cannot choose ids rely on it.
func TestCasesHoldForOtherIDsPutInPlace(t *testing.T) {
	t.Parallel()
	ids := strings.NewReplacer("123", userUUID, "s1", sessionUUID)
	for _, c := range loadCases(t) {
		if c.AuthID != "123" || c.Session != "s1" {
			continue
		}
		for i := range c.List {
			c.List[i] = ids.Replace(c.List[i])
		}
		c.Required = ids.Replace(c.Required)
		require.Equal(t, c.Allowed, acl.Compile(c.List).Allows(c.Required, userUUID, sessionUUID), "%s", &c)
	}
}

func TestZeroListAllowsNothing(t *testing.T) {
	t.Parallel()
	var l acl.List
	require.False(t, l.Allows("", "", ""))
	require.False(t, l.Allows("a", "123", "s1"))
}

func TestMayAddAndMayRemove(t *testing.T) {
	t.Parallel()
	tests := []struct {
		list        []string
		access      string
		add, remove bool
	}{
		{[]string{"foo.#"}, "foo.bar", true, true},
		{[]string{"foo.#"}, "foo.*", true, true},
		{[]string{"foo.#"}, "foo.#", true, true},
		{[]string{"foo.#"}, "foo", false, false},
		{[]string{"foo.#"}, "#", false, false},
		{[]string{"foo.*"}, "foo.bar", true, true},
		{[]string{"foo.*"}, "foo.*", true, true},
		{[]string{"foo.*"}, "foo.#", false, false},
		{[]string{"foo.*"}, "foo.a#b", false, false},
		{[]string{"foo.#", "!foo.bar"}, "foo.bar", false, false},
		{[]string{"foo.#", "!foo.bar"}, "foo.#", true, true},
		{[]string{"foo.#", "!foo.*"}, "foo.*", false, false},
		{[]string{"foo.#", "!foo.*"}, "foo.#", true, true},
		{[]string{"foo.me"}, "foo.me", true, true},
		{[]string{"foo.me"}, "foo.123", true, true},
		{[]string{"foo.123"}, "foo.me", false, false},
		{[]string{"foo.#"}, "!foo.bar", true, true},
		{[]string{"foo.#"}, "!bar", true, false},
		{[]string{"foo.#"}, "!#", true, false},
		{[]string{"foo.#", "!foo.bar"}, "!foo.bar", true, false},
		{nil, "!anything", true, false},
		{nil, "!", true, false},
		{nil, "", false, false},
		{[]string{"#"}, "!!a", true, true},
		{[]string{"#", "!!a"}, "!!a", true, false}, // what is left of it, "!a", is what "!!a" denies
		{[]string{"#", "!a"}, "!!a", true, true},
	}
	for _, test := range tests {
		l := acl.Compile(test.list)
		require.Equal(t, test.add, l.MayAdd(test.access, "123", "s1"), "adding %q with %q", test.access, test.list)
		require.Equal(t, test.remove, l.MayRemove(test.access, "123", "s1"), "removing %q with %q", test.access, test.list)
	}
}

func TestCanonicalSortsACopyWithoutRepetitions(t *testing.T) {
	t.Parallel()
	entries := []string{"b", "!a", "a", "b", "", "B"}
	before := slices.Clone(entries)
	require.Equal(t, []string{"", "!a", "B", "a", "b"}, acl.Canonical(entries))
	require.Equal(t, before, entries)
	require.Equal(t, []string{}, acl.Canonical(nil))

	sorted := []string{"a", "b"}
	acl.Canonical(sorted)[0] = "changed"
	require.Equal(t, "a", sorted[0])
}

func TestIDTellsListsApart(t *testing.T) {
	t.Parallel()
	seen := make(map[[32]byte][]string)
	for _, list := range [][]string{
		{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"a\x00b"}, {"a,b"}, {"a\nb"},
		{"\x00\x00\x00\x00\x00\x00\x00\x00"}, {"a\x00\x00\x00\x00\x00\x00\x00\x01b"},
	} {
		id := acl.ID(list)
		require.NotContains(t, seen, id, "%q and %q", list, seen[id])
		seen[id] = list
	}
}

// Stored lists keep their ids.
func TestIDNeverChanges(t *testing.T) {
	t.Parallel()
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", fmt.Sprintf("%x", acl.ID(nil)))
	require.Equal(t, "76b658b40cfe5ac242ea64a0c63a951440bf429e7dea8209c151b26e6f981d84",
		fmt.Sprintf("%x", acl.ID([]string{"!a.#", "a.b"})))
}

func TestSizeGrowsWithTheList(t *testing.T) {
	t.Parallel()
	last := acl.Compile(nil).Size()
	require.Positive(t, last)
	var entries []string
	for _, entry := range []string{
		"a.b", "a.*.c", "a.x*.c", "a.x#.c.#.d", "me.a", "a.my_session", "a.edit", "!a.b.c", "!a.b.#", "*.c", "#",
	} {
		entries = append(entries, entry)
		size := acl.Compile(entries).Size()
		require.GreaterOrEqual(t, size, last+len(entry), "%q", entry)
		last = size
	}
	long := acl.Compile([]string{strings.Repeat("x", 10_000)})
	require.Greater(t, long.Size(), 10_000)
	require.Less(t, acl.Compile(typicalEntries()).Size(), 200_000)
}

func TestListsMayBeUsedByManyAtATime(t *testing.T) {
	t.Parallel()
	l := acl.Compile(typicalEntries())
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for range 1000 {
				id := fmt.Sprint("user-", i)
				require.True(t, l.Allows("service3.things.me.read", id, sessionUUID))
				require.True(t, l.Allows("service3.things."+id+".read", id, sessionUUID))
				require.False(t, l.Allows("service3.things.user-9.read", id, sessionUUID))
			}
		})
	}
}
