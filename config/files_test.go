package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestYAMLOfTheReferenceIsRead(t *testing.T) {
	t.Parallel()
	tree, err := parseYAML([]byte("a: &x {b: 1, c: !!str 2}\nd: *x\ne:\n  <<: *x\n  b: 3\nf: yes\n1: one\na2: first\na2: second\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"a":  map[string]any{"b": uint64(1), "c": "2"},
		"d":  map[string]any{"b": uint64(1), "c": "2"},
		"e":  map[string]any{"b": uint64(3), "c": "2"},
		"f":  "yes",
		"1":  "one",
		"a2": "second",
	}, tree)
}

func TestYAMLThatIsRefused(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i, name := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
		bomb += name + ": &" + name + " [" + strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+i))+",", 10), ",") + "]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases that blow up": {bomb, "more than 200000 values"},
		"too long":             {strings.Repeat("#", maxFileSize+1), "longer than"},
		"unknown alias":        {"a: *nowhere", "alias without an anchor"},
		"alias of itself":      {"a: &a [*a]", "alias without an anchor"},
		"a list":               {"- 1", "must be a mapping"},
		"a word":               {"word", "must be a mapping"},
		"foreign tag":          {"a: {b: [!python/object x]}", "only YAML's own tags"},
		"two documents":        {"a: 1\n---\nb: 2\n", "more than one YAML document"},
		"exec in a list":       {"a:\n- !exec {command: id}\n", "line 2: tag refused: !exec"},
	} {
		_, err := parseYAML([]byte(c.text))
		require.ErrorContains(t, err, c.want, name)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("a: 1\nb: {c: [1], d: x}"), []byte("a: 2\nb: {c: [2], e: y}\nf:"))
	f.Add([]byte("a: &x {b: 1}\nc: {<<: *x}"), []byte("a:\nc: []"))
	f.Add([]byte("a: !exec {command: id}"), []byte("# nothing"))
	f.Fuzz(func(t *testing.T, high, low []byte) {
		h, errHigh := parseYAML(high)
		l, errLow := parseYAML(low)
		if errHigh != nil || errLow != nil {
			return
		}
		merged := merge(h, l)
		names := maps.Clone(h)
		maps.Copy(names, l)
		require.ElementsMatch(t, sortedKeys(names), sortedKeys(merged), "exactly the keys of both")
		for name, value := range h {
			switch value.(type) {
			case string, bool, uint64, int64:
				require.Equal(t, value, merged[name], "the first scalar wins")
			}
		}
		require.Len(t, merge(h, map[string]any{}), len(h))
		again, err := parseYAML(high)
		require.NoError(t, err)
		require.ElementsMatch(t, sortedKeys(again), sortedKeys(h), "the argument is unchanged")
	})
}
