package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

type printed struct {
	ID     int64             `json:"id"`
	Name   *string           `json:"name"`
	Tags   []string          `json:"tags,omitempty"`
	Emails []map[string]any  `json:"emails"`
	Facts  map[string]string `json:"facts"`
}

func text(s string) *string { return &s }

// printedOf prints in a format; chosen columns come after it.
func printedOf(t *testing.T, items []printed, format string, chosen ...string) string {
	t.Helper()
	var out bytes.Buffer
	l := listing[printed]{format: format, chosen: chosen, sort: []string{"name"}, columns: []string{"id", "name", "tags", "emails", "facts"}}
	require.NoError(t, l.print(&out, items))
	return out.String()
}

func TestListsAreExactInEveryFormat(t *testing.T) {
	t.Parallel()
	items := []printed{
		{ID: 12345678901234567, Name: text(`b, "c"` + "\nd"), Tags: []string{"x", "y"}, Emails: []map[string]any{{"address": "a@b.c", "main": true}}},
		{Name: nil, Facts: map[string]string{"k": "<v>"}},
	}
	for format, want := range map[string]string{
		"table": "ID                 NAME           TAGS  EMAILS  FACTS\n0                                               {\"k\":\"<v>\"}\n12345678901234567  b, \"c\"\\u000ad  x,y   a@b.c   \n",
		"csv":   "id,name,tags,emails,facts\n0,,,,\"{\"\"k\"\":\"\"<v>\"\"}\"\n12345678901234567,\"b, \"\"c\"\"\\u000ad\",\"x,y\",a@b.c,\n",
		"value": "0    {\"k\":\"<v>\"}\n12345678901234567 b, \"c\"\\u000ad x,y a@b.c \n",
	} {
		require.Equal(t, want, printedOf(t, items, format), format)
	}
	rows, err := csv.NewReader(bytes.NewBufferString(printedOf(t, items, "csv"))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, `b, "c"\u000ad`, rows[2][1])
	require.JSONEq(t, `[{"id": 0, "name": null, "tags": null, "emails": null, "facts": {"k": "<v>"}},
		{"id": 12345678901234567, "name": "b, \"c\"\nd", "tags": ["x", "y"], "emails": [{"address": "a@b.c", "main": true}], "facts": null}]`, printedOf(t, items, "json"))
	require.Equal(t, "- name: null\n  id: 0\n- name: \"b, \\\"c\\\"\\nd\"\n  id: 12345678901234567\n", printedOf(t, items, "yaml", "name", "id"))
	require.Equal(t, "[]\n", printedOf(t, nil, "json"))
	require.Equal(t, "[]\n", printedOf(t, nil, "yaml"))
}

func TestNoTextPaintsOnTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]0;title\a\u009b31m\u202e\u2028\x7f\r\n\U000e0041é😀"
	items := []printed{{Name: text(evil), Tags: []string{evil}, Emails: []map[string]any{{"address": evil}}, Facts: map[string]string{evil: evil}}}
	for _, format := range formats {
		shown := printedOf(t, items, format)
		for _, r := range shown {
			require.True(t, r == '\n' || !unprintable(r), "%s: %q", format, shown)
		}
		require.Contains(t, shown, "é😀", format)
	}
	var back []printed
	require.NoError(t, json.Unmarshal([]byte(printedOf(t, items, "json")), &back))
	require.Equal(t, evil, *back[0].Name, "JSON loses nothing")
	require.Equal(t, evil, back[0].Facts[evil])
	require.Equal(t, "one\ntwo\\u001b", visibleLines("one\ntwo\x1b"))
}

func TestUnknownFormatsAndColumnsAreNamed(t *testing.T) {
	t.Parallel()
	for says, l := range map[string]listing[printed]{
		"--format: must be one of table, csv":         {format: "xml"},
		"--column: must be one of emails, facts, id":  {format: "csv", chosen: []string{"id", "ID"}},
		"--sort-column: must be one of emails, facts": {format: "csv", sort: []string{"x"}},
	} {
		require.ErrorContains(t, l.print(&bytes.Buffer{}, nil), says)
	}
}
