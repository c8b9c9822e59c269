// Package list is what every list of the interface has in common: which part is wanted, in which order, and how a search
// text becomes a pattern of SQL (conventions.md section 9).
package list

import "strings"

// Page is which part of a list is wanted, in which order.
type Page struct {
	// Limit is nil for everything.
	Limit      *int64
	Offset     int64
	OrderBy    string
	Descending bool
}

// Pattern makes a search text a pattern for ILIKE: its words in this order, anything between and around them; the
// wildcards of SQL are plain characters. An empty text matches every value that is not null.
func Pattern(search string) string {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	var b strings.Builder
	b.WriteByte('%')
	for w := range strings.SplitSeq(search, " ") {
		if w != "" {
			b.WriteString(escape.Replace(w))
			b.WriteByte('%')
		}
	}
	return b.String()
}
