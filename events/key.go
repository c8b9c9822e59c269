package events

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxKey is the longest routing key of AMQP 0-9-1, in bytes.
const maxKey = 255

var keyEscapes = strings.NewReplacer(".", "__DOT__", "#", "__HASH__", "*", "__STAR__")

// key joins a prefix of our own and parts, escaped (section 4). A key that would be too long has its longest part replaced
// by that part's SHA-256: subscribers of the whole key cannot match it, those of a pattern can, and data has it complete.
func key(prefix string, parts ...string) string {
	escaped, longest := make([]string, len(parts)), 0
	for i, p := range parts {
		escaped[i] = keyEscapes.Replace(p)
		if len(escaped[i]) > len(escaped[longest]) {
			longest = i
		}
	}
	k := prefix + "." + strings.Join(escaped, ".")
	if len(k) <= maxKey {
		return k
	}
	escaped[longest] = digest(parts[longest])
	return prefix + "." + strings.Join(escaped, ".")
}

// digest stands for a text that is too long for AMQP.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + hex.EncodeToString(sum[:])
}
