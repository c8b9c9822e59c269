package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const masked = "***"

// Secret is text that no verb of fmt, no logger and no encoder shows.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns asterisks, or nothing when nothing is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// Format implements [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements [encoding.TextMarshaler], masked.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements [slog.LogValuer], masked.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// URI is an address that may carry a password; it is shown without it.
type URI string

// Reveal returns the URI with its password.
func (u URI) Reveal() string { return string(u) }

// String returns the URI with its password masked and without its query.
func (u URI) String() string {
	if u == "" {
		return ""
	}
	p, err := url.Parse(string(u))
	if err != nil || p.Scheme == "" || p.Opaque != "" {
		return masked
	}
	user := ""
	if p.User != nil {
		user = url.User(p.User.Username()).String()
		if _, set := p.User.Password(); set {
			user += ":" + masked
		}
		user += "@"
	}
	return p.Scheme + "://" + user + p.Host + p.EscapedPath()
}

// Format implements [fmt.Formatter] for every verb.
func (u URI) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText implements [encoding.TextMarshaler], masked.
func (u URI) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue implements [slog.LogValuer], masked.
func (u URI) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Bytes is a size; written as a number of bytes, or with one of the suffixes
// KiB, MiB, GiB, TiB.
type Bytes int64

var byteUnits = []struct {
	suffix string
	size   int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String returns the size with the largest suffix that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:len(byteUnits)-1] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseBytes(text string) (Bytes, error) {
	text = strings.TrimSpace(text)
	unit := int64(1)
	for _, u := range byteUnits {
		if number, found := strings.CutSuffix(text, u.suffix); found {
			text, unit = strings.TrimSpace(number), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, errors.New("must be a number of bytes, with suffix KiB, MiB, GiB or TiB if wanted")
	}
	return Bytes(n * unit), nil
}

// SealingKey is a key of AES-256 with the id that is stored beside what it
// sealed.
type SealingKey struct {
	ID  string
	Key [32]byte
}

// String returns the id, and asterisks for the key.
func (k SealingKey) String() string { return k.ID + ":" + masked }

// Format implements [fmt.Formatter] for every verb.
func (k SealingKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText implements [encoding.TextMarshaler], masked.
func (k SealingKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue implements [slog.LogValuer], masked.
func (k SealingKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

const maxSealingKeys = 16

var sealingKeyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// parseSealingKeys never quotes its input in an error: an entry without an id
// is the key itself.
func parseSealingKeys(entries []string) ([]SealingKey, error) {
	if len(entries) > maxSealingKeys {
		return nil, fmt.Errorf("must have at most %d entries", maxSealingKeys)
	}
	keys := make([]SealingKey, 0, len(entries))
	ids := make(map[string]bool, len(entries))
	for i, entry := range entries {
		id, encoded, found := strings.Cut(strings.TrimSpace(entry), ":")
		if !found || !sealingKeyID.MatchString(id) {
			return nil, fmt.Errorf("entry %d must be id:base64 of 32 bytes, the id 1 to 32 letters, digits, '.', '_' or '-'", i+1)
		}
		encoded = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(encoded), "=")
		raw, err := base64.RawStdEncoding.DecodeString(encoded)
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("entry %d must be id:base64 of 32 bytes", i+1)
		}
		if ids[id] {
			return nil, fmt.Errorf("entry %d has the id of an earlier one", i+1)
		}
		ids[id] = true
		keys = append(keys, SealingKey{ID: id, Key: [32]byte(raw)})
	}
	return keys, nil
}
