package acl_test

import (
	"regexp"
	"strings"
)

// oracleAllows decides by the rules of the contract, word by word, with nothing of the package's cleverness.
func oracleAllows(entries []string, required, authID, session string) bool {
	allowed := false
	for _, entry := range entries {
		pattern, isNegative := strings.CutPrefix(entry, "!")
		if !oracleMatches(pattern, required, authID, session) {
			continue
		}
		if isNegative {
			return false
		}
		allowed = true
	}
	return allowed
}

func oracleMatches(pattern, required, authID, session string) bool {
	words := strings.Split(pattern, ".")
	for i, word := range words {
		switch word {
		case "me":
			words[i] = "(?:me|" + quote(authID) + ")"
		case "my_session":
			words[i] = "(?:my_session|" + quote(session) + ")"
		case "edit":
			words[i] = "(?:edit|update)"
		default:
			words[i] = wildcards.Replace(quote(word))
		}
	}
	return regexp.MustCompile(`\A(?:` + strings.Join(words, `\.`) + `)\z`).MatchString(latin1(required))
}

var wildcards = strings.NewReplacer(`\*`, `[^.#]*`, `#`, `(?s:.*)`)

func quote(s string) string { return regexp.QuoteMeta(latin1(s)) }

// latin1 makes a character of every byte, since regexp sees no difference between bytes that are no UTF-8.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
