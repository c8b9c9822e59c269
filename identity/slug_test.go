package identity

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlugsComeFromTheNameThenFromChance(t *testing.T) {
	t.Parallel()
	drawn := regexp.MustCompile(`^[a-z0-9]+$`)
	for name, c := range map[string]struct {
		name    string
		allowed func(rune) bool
		most    int
		first   string // empty: a drawn one
	}{
		"what is allowed is kept, case too": {"My Tenant! é-x", tenantSlugRune, 10, "MyTenantx"},
		"a dash is for groups and policies": {"My Tenant! é-x", slugRune, 80, "MyTenant-x"},
		"cut to the greatest length":        {strings.Repeat("ab", 100), slugRune, 80, strings.Repeat("ab", 40)},
		"cut after cleaning":                {strings.Repeat("é ", 20) + "0123456789a", tenantSlugRune, 10, "0123456789"},
		"an underscore alone":               {"_", tenantSlugRune, 10, "_"},
		"no name":                           {"", tenantSlugRune, 10, ""},
		"nothing of use":                    {"éàü !\xff日本", slugRune, 80, ""},
	} {
		all := slices.Collect(slugCandidates(c.name, c.allowed, c.most))
		if c.first != "" {
			require.Equal(t, c.first, all[0], name)
			all = all[1:]
		}
		require.Greater(t, len(all), drawnSlugTries, name)
		for i, s := range all {
			require.Regexp(t, drawn, s, name)
			require.LessOrEqual(t, len(s), min(c.most, longestDrawnSlug), name)
			if i < drawnSlugTries {
				require.Len(t, s, drawnSlug, name)
			}
		}
		require.Len(t, all[len(all)-1], longestDrawnSlug, name)
		slices.Sort(all)
		require.Greater(t, len(slices.Compact(all)), len(all)/2, "%s: drawn anew each time", name)
	}
}

func TestNoMoreSlugsAreDrawnThanAskedFor(t *testing.T) {
	t.Parallel()
	for s := range slugCandidates("name", slugRune, 80) {
		require.Equal(t, "name", s)
		break
	}
	n := 0
	for range slugCandidates("", slugRune, 80) {
		if n++; n == drawnSlugTries+1 {
			break
		}
	}
	require.Equal(t, drawnSlugTries+1, n)
}
