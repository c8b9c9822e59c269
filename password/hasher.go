package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// MaxBytes is the length of the longest password, in bytes of UTF-8.
const MaxBytes = 4096

// A password that cannot be set.
var (
	ErrEmpty   = errors.New("password is empty")
	ErrTooLong = fmt.Errorf("password is longer than %d bytes", MaxBytes)
)

// Hasher makes and verifies hashes, a bounded number at a time. Safe for concurrent use.
type Hasher struct {
	params Params
	gate   gate
}

// New makes a Hasher whose new hashes cost p. At most concurrency hashes (1 at least) run at a time and at most queue callers
// wait for one. It panics when p is outside the bounds of [Params]: such settings are refused where they are read.
func New(p Params, concurrency, queue int) *Hasher {
	if err := p.check(); err != nil {
		panic(fmt.Sprintf("password: %v: %+v", err, p))
	}
	return &Hasher{params: p, gate: newGate(max(1, concurrency), max(0, queue))}
}

// Waiting is the number of callers that wait for a hash now.
func (h *Hasher) Waiting() int { return h.gate.waiting() }

// Hash makes the argon2id hash of a password as a PHC string. Any text of 1 to [MaxBytes] bytes is a password: else [ErrEmpty],
// [ErrTooLong]. [ErrBusy] when too many wait, the context's error when that ends while waiting; a hash that runs is finished.
func (h *Hasher) Hash(ctx context.Context, password string) (phc string, err error) {
	switch {
	case password == "":
		return "", ErrEmpty
	case len(password) > MaxBytes:
		return "", ErrTooLong
	}
	s := hash{params: h.params, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(s.salt) // never fails: it ends the process instead
	if err := h.gate.run(ctx, func() { s.key = Key(password, s.salt, s.params) }); err != nil {
		return "", err
	}
	return s.String(), nil
}

// Verify tells whether the password is the one of the stored hash; rehash, whether it should be hashed anew: it is right, and
// its hash has another cost than new ones or comes from wazo-auth ([ImportPBKDF2]). A password that cannot be set
// (empty, too long) is wrong, without computing. Errors: [ErrStored], and those of [Hasher.Hash] about waiting.
func (h *Hasher) Verify(ctx context.Context, password, stored string) (ok, rehash bool, err error) {
	if !settable(password) {
		return false, false, nil
	}
	s, err := parse(stored)
	if err != nil {
		return false, false, err
	}
	var failed error
	if err := h.gate.run(ctx, func() { ok, failed = s.matches(password) }); err != nil {
		return false, false, err
	}
	if failed != nil {
		return false, false, failed
	}
	return ok, ok && (s.old() || s.params != h.params || len(s.salt) != saltBytes || len(s.key) != keyBytes), nil
}

// VerifyAbsent does the work of a [Hasher.Verify] with a wrong password, for a login that is unknown or has no password: the
// time of the answer must not tell who exists. Errors: those of [Hasher.Hash] about waiting.
func (h *Hasher) VerifyAbsent(ctx context.Context, password string) error {
	if !settable(password) {
		return nil
	}
	return h.gate.run(ctx, func() { Key(password, make([]byte, saltBytes), h.params) })
}

func settable(password string) bool { return password != "" && len(password) <= MaxBytes }
