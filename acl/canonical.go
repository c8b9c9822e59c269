package acl

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Canonical gives the entries in byte order, each once, in a slice of its own that is never nil. Order and repetition
// mean nothing in an access list, so lists with the same canonical form are the same list.
func Canonical(entries []string) []string {
	canonical := make([]string, len(entries))
	copy(canonical, entries)
	slices.Sort(canonical)
	return slices.Compact(canonical)
}

// ID names a canonical list by its content: the SHA-256 of its entries, each preceded by its length in bytes as eight
// bytes, big endian. Lists that are stored keep their ids, so the encoding must never change.
func ID(canonical []string) [32]byte {
	n := 0
	for _, entry := range canonical {
		n += 8 + len(entry)
	}
	encoded := make([]byte, 0, n)
	for _, entry := range canonical {
		encoded = binary.BigEndian.AppendUint64(encoded, uint64(len(entry)))
		encoded = append(encoded, entry...)
	}
	return sha256.Sum256(encoded)
}
