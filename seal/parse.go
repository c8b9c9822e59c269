package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const maxIDBytes = 32

var errID = errors.New("the id must be 1 to 32 letters, digits, '.', '_' or '-'")

// ParseKeys reads keys written as id:base64 of 32 bytes (either alphabet, padding or not). It never quotes its input: an entry
// without an id is the key itself. Whether the ids differ is for [New] to say.
func ParseKeys(entries []string) ([]Key, error) {
	if len(entries) > MaxKeys {
		return nil, fmt.Errorf("sealing keys: %d of them: must be %d at most", len(entries), MaxKeys)
	}
	keys := make([]Key, 0, len(entries))
	for i, entry := range entries {
		id, encoded, found := strings.Cut(strings.TrimSpace(entry), ":")
		if !found {
			return nil, fmt.Errorf("sealing key %d: must be id:base64 of 32 bytes", i+1)
		}
		if !validID(id) {
			return nil, fmt.Errorf("sealing key %d: %w", i+1, errID)
		}
		encoded = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(encoded, "="))
		secret, err := base64.RawStdEncoding.DecodeString(encoded)
		if err != nil || len(secret) != len(Key{}.Secret) {
			return nil, fmt.Errorf("sealing key %d: must be base64 of 32 bytes after the id", i+1)
		}
		keys = append(keys, Key{ID: id, Secret: [32]byte(secret)})
	}
	return keys, nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxIDBytes {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.' && r != '_' && r != '-'
	}) < 0
}
