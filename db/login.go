package db

import (
	"crypto/sha256"
	"strings"
)

// LoginKey is the key of a login (a user name or an address) in the table of logins: the SHA-256 of the text in lower
// case by Unicode's rules. This function is the only place that decides which spellings are one login.
func LoginKey(login string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(login)))
	return sum[:]
}
