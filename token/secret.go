package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A secret of 128 random bits in the shape that clients know: lower-case hexadecimal, 8-4-4-4-12.
func newSecret() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// Hash is what the database knows of a token or refresh token: SHA-256. The secrets are uniformly random, so neither a
// salt nor a slow function would add anything.
func Hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// Masked is how a token appears in logs and errors: its last 8 characters behind X, the rest of the shape kept
// (conventions.md section 15). Text too short to be a token is hidden whole.
func Masked(secret string) string {
	if secret == "" {
		return ""
	}
	const shown = 8
	last := ""
	if len(secret) == 36 {
		last = strings.ToValidUTF8(secret[len(secret)-shown:], "X")
	}
	return "XXXXXXXX-XXXX-XXXX-XXXX-XXXX" + last
}
