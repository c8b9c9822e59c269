package acl

import "strings"

// Words with a meaning of their own. They have it only as a whole word of an entry.
const (
	wordMe      = "me"         // me, or the auth id
	wordSession = "my_session" // my_session, or the session's UUID
	wordEdit    = "edit"       // edit, or its newer spelling
	wordUpdate  = "update"     // no special word itself: it does not stand for edit
)

func isSpecial(word string) bool {
	return word == wordMe || word == wordSession || word == wordEdit
}

// isLiteral tells whether a pattern matches itself and nothing else, whoever owns the token.
func isLiteral(pattern string) bool {
	if strings.ContainsAny(pattern, "*#") {
		return false
	}
	for word := range strings.SplitSeq(pattern, ".") {
		if isSpecial(word) {
			return false
		}
	}
	return true
}
