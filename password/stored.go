package password

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// ErrStored says that a stored hash is none that we can verify: unknown scheme, malformed, or outside the bounds on cost.
var ErrStored = errors.New("stored password hash cannot be used")

const (
	argon2idPrefix = "$argon2id$v=19$"
	pbkdf2Prefix   = "$pbkdf2-sha512$"

	maxStoredBytes   = 512
	minSaltBytes     = 8
	maxSaltBytes     = 128
	minArgonKeyBytes = 16
	maxArgonKeyBytes = 128
	// The reference uses 250,000 rounds; eight times as many are about two seconds.
	maxPBKDF2Iterations = 2_000_000
)

// b64 is the base64 of PHC strings. Strict: one hash has one spelling.
var b64 = base64.RawStdEncoding.Strict()

// hash is a stored one, parsed: argon2id, or PBKDF2-HMAC-SHA512 when iterations is set.
type hash struct {
	params     Params
	iterations int
	salt, key  []byte
}

func (s hash) old() bool { return s.iterations > 0 }

// matches computes the hash of the password and compares in constant time.
func (s hash) matches(password string) (bool, error) {
	var key []byte
	if s.old() {
		var err error
		if key, err = pbkdf2.Key(sha512.New, password, s.salt, s.iterations, len(s.key)); err != nil {
			return false, fmt.Errorf("pbkdf2: %w", err)
		}
	} else {
		key = argon2.IDKey([]byte(password), s.salt, s.params.Iterations, s.params.MemoryKiB, s.params.Parallelism, uint32(len(s.key))) //nolint:gosec // bounded by parse
	}
	return subtle.ConstantTimeCompare(key, s.key) == 1, nil
}

// String is the PHC string: $argon2id$v=19$m=..,t=..,p=..$salt$hash, or $pbkdf2-sha512$i=..$salt$hash.
func (s hash) String() string {
	head := fmt.Sprintf("%sm=%d,t=%d,p=%d", argon2idPrefix, s.params.MemoryKiB, s.params.Iterations, s.params.Parallelism)
	if s.old() {
		head = pbkdf2Prefix + "i=" + strconv.Itoa(s.iterations)
	}
	return head + "$" + b64.EncodeToString(s.salt) + "$" + b64.EncodeToString(s.key)
}

// check holds a hash to the bounds.
func (s hash) check() error {
	if len(s.salt) < minSaltBytes || len(s.salt) > maxSaltBytes {
		return fmt.Errorf("%w: salt of %d bytes", ErrStored, len(s.salt))
	}
	if s.old() {
		if s.iterations > maxPBKDF2Iterations {
			return fmt.Errorf("%w: %w", ErrStored, errCost)
		}
		if len(s.key) != sha512.Size {
			return fmt.Errorf("%w: hash of %d bytes", ErrStored, len(s.key))
		}
		return nil
	}
	if err := s.params.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrStored, err)
	}
	if len(s.key) < minArgonKeyBytes || len(s.key) > maxArgonKeyBytes {
		return fmt.Errorf("%w: hash of %d bytes", ErrStored, len(s.key))
	}
	return nil
}

// parse reads a stored hash and holds it to the bounds. Only the spelling that String writes is accepted.
func parse(text string) (hash, error) {
	if len(text) > maxStoredBytes {
		return hash{}, fmt.Errorf("%w: longer than %d bytes", ErrStored, maxStoredBytes)
	}
	var s hash
	var rest string
	var ok bool
	switch {
	case strings.HasPrefix(text, argon2idPrefix):
		rest = text[len(argon2idPrefix):]
		ok = s.parseArgon2id(&rest)
	case strings.HasPrefix(text, pbkdf2Prefix):
		rest = text[len(pbkdf2Prefix):]
		ok = s.parsePBKDF2(&rest)
	default:
		return hash{}, fmt.Errorf("%w: unknown scheme", ErrStored)
	}
	if !ok || !s.parseSaltAndKey(rest) || s.String() != text {
		return hash{}, fmt.Errorf("%w: malformed", ErrStored)
	}
	if err := s.check(); err != nil {
		return hash{}, err
	}
	return s, nil
}

func (s *hash) parseArgon2id(rest *string) bool {
	memory, ok1 := number(rest, "m=", ",", 32)
	iterations, ok2 := number(rest, "t=", ",", 32)
	lanes, ok3 := number(rest, "p=", "$", 8)
	s.params = Params{uint32(memory), uint32(iterations), uint8(lanes)} //nolint:gosec // number was given their widths
	return ok1 && ok2 && ok3
}

func (s *hash) parsePBKDF2(rest *string) bool {
	iterations, ok := number(rest, "i=", "$", 31)
	s.iterations = int(iterations) //nolint:gosec // 31 bits
	return ok && s.old()
}

func (s *hash) parseSaltAndKey(rest string) bool {
	salt, key, found := strings.Cut(rest, "$")
	var err1, err2 error
	s.salt, err1 = b64.DecodeString(salt)
	s.key, err2 = b64.DecodeString(key)
	return found && err1 == nil && err2 == nil
}

// number takes "<name><decimal><end>" from the front of rest.
func number(rest *string, name, end string, bits int) (uint64, bool) {
	text, named := strings.CutPrefix(*rest, name)
	digits, after, ended := strings.Cut(text, end)
	n, err := strconv.ParseUint(digits, 10, bits)
	*rest = after
	return n, named && ended && err == nil
}

// ImportPBKDF2 makes the stored form of a password of wazo-auth: PBKDF2-HMAC-SHA512 with its salt (64 random bytes there),
// its result as hexadecimal text of 64 bytes, and its rounds (250,000 there). It fails with [ErrStored] when [Hasher.Verify]
// would refuse to compute such a hash.
func ImportPBKDF2(salt []byte, hexHash string, iterations int) (string, error) {
	if len(hexHash) != hex.EncodedLen(sha512.Size) {
		return "", fmt.Errorf("%w: hash of %d hexadecimal digits", ErrStored, len(hexHash))
	}
	key, err := hex.DecodeString(hexHash)
	if err != nil { // its text would quote the hash
		return "", fmt.Errorf("%w: hash is not hexadecimal", ErrStored)
	}
	if iterations < 1 {
		return "", fmt.Errorf("%w: %w", ErrStored, errCost)
	}
	s := hash{iterations: iterations, salt: salt, key: key}
	if err := s.check(); err != nil {
		return "", err
	}
	return s.String(), nil
}
