package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what comes from outside, in bytes (decision 20): a longer attribute never becomes visible, a memo of some
// megabytes never starts.
const (
	maxAttribute  = 200
	maxUserAgent  = 256
	maxRemoteAddr = 64
	maxWho        = 64 // in the summary, which the server limits to 400 bytes
)

// clean makes a text from outside fit to be shown: valid UTF-8, no control or formatting characters (these turn text
// round or hide it), at most limit bytes, cut on the boundary of a rune.
func clean(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r) // a broken byte comes out of range as U+FFFD
	}
	return b.String()
}

// cleanAuthID is clean for an auth id, which must stay unique: one that is too long becomes "sha256:" and its digest.
func cleanAuthID(id string) string {
	if len(id) > maxAttribute {
		digest := sha256.Sum256([]byte(id))
		return "sha256:" + hex.EncodeToString(digest[:])
	}
	return clean(id, maxAttribute)
}

// escape keeps a text of one line from being read as Markdown or HTML by the Web UI. What means nothing within a line
// stays as it is, so that identifiers remain readable where Markdown is not rendered.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
			continue
		case r == '<':
			b.WriteString("&lt;")
			continue
		case strings.ContainsRune("\\`*[]>~|!#", r),
			r == '_' && !withinWord(s, i),
			r == ':' && strings.HasPrefix(s[i:], "://"), // would become a link, as would the next
			r == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www"),
			i == 0 && r < utf8.RuneSelf && (unicode.IsPunct(r) || unicode.IsSymbol(r)):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// withinWord says whether the byte at i stands between two letters or digits.
func withinWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	word := func(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	return word(before) && word(after)
}
