package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxAddress is the length of the longest address that is kept, in bytes.
const MaxAddress = 1024

// ValidAddress tells whether a text is an e-mail address in the contract's syntax (identity.md section 3): a dotted word or
// a quoted text, @, and a domain. Nothing is trimmed, and an accepted address holds no line break. Its length is not
// looked at.
func ValidAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !utf8.ValidString(s) {
		return false
	}
	local, domain := s[:at], s[at+1:]
	return (dottedWords(local) || quotedText(local)) && (domainName(domain) || addressLiteral(domain) || internationalName(domain))
}

// dottedWords are non-empty words with dots between them.
func dottedWords(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_-!#$%&'*+/=?^`{}|~", r)
		}) {
			return false
		}
	}
	return true
}

// quotedText is ASCII in double quotes, in which spaces, quotes and backslashes need a backslash before them.
func quotedText(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	s = s[1 : len(s)-1]
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b == '\\' {
			if i++; i == len(s) || !quotable(s[i]) {
				return false
			}
			continue
		}
		if !quotable(b) || b == ' ' || b == '"' || b == '\t' {
			return false
		}
	}
	return true
}

// quotable is any ASCII character but NUL and line breaks.
func quotable(b byte) bool { return b > 0 && b < utf8.RuneSelf && b != '\n' && b != '\r' }

// domainName is localhost, or labels of which the last one is looser than the others.
func domainName(s string) bool {
	if s == "localhost" {
		return true
	}
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 || len(s)-dot-1 < 2 || strings.ContainsFunc(s[dot+1:], notOfLabel) {
		return false
	}
	for label := range strings.SplitSeq(s[:dot], ".") {
		const longest = 63
		if label == "" || len(label) > longest || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notOfLabel) {
			return false
		}
	}
	return true
}

func notOfLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
}

// addressLiteral is an IPv4 address in brackets; leading zeros are fine.
func addressLiteral(s string) bool {
	s, opened := strings.CutPrefix(s, "[")
	s, closed := strings.CutSuffix(s, "]")
	octets := strings.Split(s, ".")
	if !opened || !closed || len(octets) != 4 {
		return false
	}
	for _, o := range octets {
		n := 0
		for _, b := range []byte(o) {
			if b < '0' || b > '9' {
				return false
			}
			n = 10*n + int(b-'0')
		}
		if o == "" || len(o) > 3 || n > 255 {
			return false
		}
	}
	return true
}

// international maps as browsers do, and leaves to domainName what a label may hold.
var international = idna.New(idna.MapForLookup(), idna.Transitional(true), idna.StrictDomainName(false), idna.CheckHyphens(false))

// internationalName is a domain beyond ASCII whose IDNA form is a domain name.
func internationalName(s string) bool {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return false
	}
	ascii, err := international.ToASCII(s)
	return err == nil && domainName(ascii)
}
