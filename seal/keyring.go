package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Why something sealed stays closed.
var (
	// ErrUnknownKey says that the key is not on the ring (any more).
	ErrUnknownKey = errors.New("sealed with an unknown key")
	// ErrOpen says that the sealed bytes, the key or the additional data are not those of the sealing.
	ErrOpen = errors.New("sealed data cannot be opened")
)

// MaxKeys is how many keys a ring may hold.
const MaxKeys = 16

// Key is a key of AES-256 and the name that is stored beside what it sealed. No verb of fmt and no logger shows the secret.
type Key struct {
	// ID is 1 to 32 letters, digits, '.', '_' or '-'.
	ID     string
	Secret [32]byte
}

// String is the id, and asterisks for the secret.
func (k Key) String() string { return k.ID + ":***" }

// Format implements [fmt.Formatter] for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Keyring seals with its first key and opens with all of them. Safe for concurrent use.
type Keyring struct {
	first string
	aeads map[string]cipher.AEAD
}

// New makes a ring of 1 to [MaxKeys] keys with different ids.
func New(keys []Key) (*Keyring, error) {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return nil, fmt.Errorf("sealing keys: %d of them: must be 1 to %d", len(keys), MaxKeys)
	}
	r := &Keyring{first: keys[0].ID, aeads: make(map[string]cipher.AEAD, len(keys))}
	for i, k := range keys {
		if !validID(k.ID) {
			return nil, fmt.Errorf("sealing key %d: %w", i+1, errID)
		}
		if _, twice := r.aeads[k.ID]; twice {
			return nil, fmt.Errorf("sealing key %d has the id of an earlier one", i+1)
		}
		block, err := aes.NewCipher(k.Secret[:])
		if err != nil {
			return nil, fmt.Errorf("sealing key %d: %w", i+1, err)
		}
		if r.aeads[k.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("sealing key %d: %w", i+1, err)
		}
	}
	return r, nil
}

// Seal closes plaintext under the first key, with a random nonce, and binds it to aad. The result is 28 bytes longer than
// plaintext; store it with the id of the key. One key is good for 2^32 sealings.
func (r *Keyring) Seal(plaintext, aad []byte) (sealed []byte, keyID string, err error) {
	aead, ok := r.aeads[r.first]
	if !ok {
		return nil, "", ErrUnknownKey
	}
	return aead.Seal(nil, nil, plaintext, aad), r.first, nil //nolint:gosec // no nonce is given: this AEAD draws a random one itself
}

// Open returns what was sealed with the key of this id and the same aad: else [ErrUnknownKey], [ErrOpen].
func (r *Keyring) Open(sealed []byte, keyID string, aad []byte) ([]byte, error) {
	aead, ok := r.aeads[keyID]
	if !ok {
		return nil, ErrUnknownKey
	}
	plaintext, err := aead.Open(nil, nil, sealed, aad)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// AAD names the place of a sealed value: the table, the row, and whose it is for which client (decision 9). Each part goes in
// with its length, so no two places share a name, whatever is in the parts.
func AAD(table, row, user, client string) []byte {
	parts := [...]string{"xivo-auth/seal/1", table, row, user, client}
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}
