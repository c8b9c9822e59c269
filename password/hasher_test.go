package password

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// cheap keeps the tests fast; what is tested does not depend on the cost.
var cheap = Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

func TestHashesVerifyAndAreSalted(t *testing.T) {
	t.Parallel()
	h := New(cheap, 2, 100)
	for name, password := range map[string]string{
		"one character": "x", "spaces": "  ", "outside ASCII": "pässwörd ✓ 密码", "NUL": "a\x00b", "not UTF-8": "\xff\xfe",
		"longest": strings.Repeat("é", MaxBytes/2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, err := h.Hash(t.Context(), password)
			require.NoError(t, err)
			two, err := h.Hash(t.Context(), password)
			require.NoError(t, err)
			require.NotEqual(t, one, two)
			require.Regexp(t, `^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, one)

			ok, rehash, err := h.Verify(t.Context(), password, one)
			require.NoError(t, err)
			require.True(t, ok)
			require.False(t, rehash)
			for _, wrong := range []string{password + "x", password[:len(password)-1], strings.ToUpper(password) + "x"} {
				ok, rehash, err = h.Verify(t.Context(), wrong, one)
				require.NoError(t, err)
				require.False(t, ok)
				require.False(t, rehash)
			}
		})
	}
}

func TestPasswordsOutsideTheLimits(t *testing.T) {
	t.Parallel()
	h := New(cheap, 1, 0)
	stored, err := h.Hash(t.Context(), "x")
	require.NoError(t, err)
	for password, want := range map[string]error{"": ErrEmpty, strings.Repeat("x", MaxBytes+1): ErrTooLong} {
		_, err := h.Hash(t.Context(), password)
		require.ErrorIs(t, err, want)
		ok, _, err := h.Verify(t.Context(), password, stored)
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, h.VerifyAbsent(t.Context(), password))
	}
}

// The vector is the one of the reference implementation of argon2.
func TestVerifiesArgon2idMadeElsewhere(t *testing.T) {
	t.Parallel()
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, rehash, err := New(cheap, 1, 0).Verify(t.Context(), "password", stored)
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, rehash, "other cost, other length of salt")
}

// The vectors come from Python: hashlib.pbkdf2_hmac("sha512", password, bytes(range(64)), rounds, 64).hex().
func TestVerifiesAndReplacesHashesOfWazoAuth(t *testing.T) {
	t.Parallel()
	salt := make([]byte, 64)
	for i := range salt {
		salt[i] = byte(i)
	}
	h := New(cheap, 1, 1)
	for _, c := range []struct {
		password, hex string
		rounds        int
	}{
		// those of identity.md section 7
		{"s3cr37", "0db6fd845d91bc646dfbeb990008ab79ee0001f7c677bdaf3e4f031da1f927972daece1c2b443e0295d27fa4ffb93e9ddcd29ed33fe4a151b2ad24234b5e779f", 250_000},
		{"pässwörd", "b72ab40c513e9edf6bae57e8e70de447f20be99851fe0a4ebe51d497f05d1acae537ac95af23650344d4266018c4d585305e93584b7232c93a12b6e83df9d0d0", 250_000},
		{"correct horse", "1d04531819867d6b7121c1dd97201d2f2ee30e9a989864de3d4b416c5147a2c42be07c21cf8b5386b047dffc0e4731fad0116cd475ea7df4fe6cdfee590ee0a6", 250_000},
		{"pässwörd ✓", "f599cb127f2ec719273212b0903b8d53535bf464872ddb3851bd8a7714e48d76d370365b8c85e81ee65f2207dc5f7d8975b43f75bd1e39ce66a61132d39b53de", 1000},
	} {
		stored, err := ImportPBKDF2(salt, c.hex, c.rounds)
		require.NoError(t, err)
		require.Regexp(t, `^\$pbkdf2-sha512\$i=\d+\$[A-Za-z0-9+/]{86}\$[A-Za-z0-9+/]{86}$`, stored)
		ok, rehash, err := h.Verify(t.Context(), c.password, stored)
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, rehash)
		ok, rehash, err = h.Verify(t.Context(), c.password+" ", stored)
		require.NoError(t, err)
		require.False(t, ok)
		require.False(t, rehash, "only a right password is hashed anew")
	}
}

func TestOtherCostAsksForANewHash(t *testing.T) {
	t.Parallel()
	old, err := New(cheap, 1, 0).Hash(t.Context(), "secret")
	require.NoError(t, err)
	for _, p := range []Params{{128, 1, 1}, {64, 2, 1}, {64, 1, 2}} {
		ok, rehash, err := New(p, 1, 0).Verify(t.Context(), "secret", old)
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, rehash)
	}
}

func TestImportRefusesWhatCouldNotBeVerified(t *testing.T) {
	t.Parallel()
	hexHash := strings.Repeat("ab", 64)
	for name, c := range map[string]struct {
		salt   int
		hex    string
		rounds int
	}{
		"no rounds":        {64, hexHash, 0},
		"negative rounds":  {64, hexHash, -1},
		"endless rounds":   {64, hexHash, maxPBKDF2Iterations + 1},
		"short salt":       {7, hexHash, 250_000},
		"long salt":        {129, hexHash, 250_000},
		"short hash":       {64, hexHash[2:], 250_000},
		"no hexadecimal":   {64, "zz" + hexHash[2:], 250_000},
		"hash with spaces": {64, " " + hexHash[1:], 250_000},
	} {
		_, err := ImportPBKDF2(make([]byte, c.salt), c.hex, c.rounds)
		require.ErrorIs(t, err, ErrStored, name)
		require.NotContains(t, err.Error(), hexHash[4:20], name)
	}
}

func TestStoredHashesAreHeldToBounds(t *testing.T) {
	t.Parallel()
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	pbkdf2Tail := "$" + strings.Repeat("A", 86) + "$" + strings.Repeat("A", 86)
	h := New(cheap, 1, 0)
	for name, stored := range map[string]string{
		"empty":                     "",
		"plain text":                "secret",
		"another scheme":            "$2y$10$abcdefghijklmnopqrstuv",
		"argon2i":                   "$argon2i$v=19$m=64,t=1,p=1" + tail,
		"old version":               "$argon2id$v=16$m=64,t=1,p=1" + tail,
		"all the memory":            "$argon2id$v=19$m=4294967295,t=1,p=1" + tail,
		"memory over 32 bits":       "$argon2id$v=19$m=4294967296,t=1,p=1" + tail,
		"too many passes":           "$argon2id$v=19$m=64,t=65,p=1" + tail,
		"memory times passes":       "$argon2id$v=19$m=1048576,t=11,p=1" + tail,
		"too many lanes":            "$argon2id$v=19$m=1024,t=1,p=17" + tail,
		"less memory than lanes":    "$argon2id$v=19$m=31,t=1,p=4" + tail,
		"no passes":                 "$argon2id$v=19$m=64,t=0,p=1" + tail,
		"no lanes":                  "$argon2id$v=19$m=64,t=1,p=0" + tail,
		"signed number":             "$argon2id$v=19$m=+64,t=1,p=1" + tail,
		"leading zero":              "$argon2id$v=19$m=064,t=1,p=1" + tail,
		"other order":               "$argon2id$v=19$t=1,m=64,p=1" + tail,
		"no hash":                   "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
		"short hash":                "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFh",
		"short salt":                "$argon2id$v=19$m=64,t=1,p=1$c29t" + tail[12:],
		"padding":                   "$argon2id$v=19$m=64,t=1,p=1" + tail + "=",
		"line end":                  "$argon2id$v=19$m=64,t=1,p=1" + tail + "\n",
		"trailing field":            "$argon2id$v=19$m=64,t=1,p=1" + tail + "$x",
		"long":                      "$argon2id$v=19$m=64,t=1,p=1" + tail + strings.Repeat("A", 1000),
		"pbkdf2 with endless round": "$pbkdf2-sha512$i=2000001" + pbkdf2Tail,
		"pbkdf2 without rounds":     "$pbkdf2-sha512$i=0" + pbkdf2Tail,
		"pbkdf2 of 32 bytes":        "$pbkdf2-sha512$i=1$c29tZXNhbHQ" + "$" + strings.Repeat("A", 43),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, rehash, err := h.Verify(t.Context(), "secret", stored)
			require.ErrorIs(t, err, ErrStored)
			require.False(t, ok)
			require.False(t, rehash)
			if len(stored) > 20 {
				require.NotContains(t, err.Error(), stored[len(stored)-16:])
			}
		})
	}
}

func TestHashPrintsNoSecretInErrors(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(cheap, 1, 0).Hash(ctx, "hunter2")
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestNewRefusesParamsOutsideTheBounds(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{{}, {64, 0, 1}, {64, 1, 0}, {7, 1, 1}, {maxMemoryKiB + 1, 1, 1}} {
		require.Panics(t, func() { New(p, 1, 0) })
	}
	require.NotPanics(t, func() { New(Params{MemoryKiB: maxMemoryKiB, Iterations: 10, Parallelism: 4}, 0, -1) }, "what the configuration admits")
}

func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		"", "$", "$$$$$", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$pbkdf2-sha512$i=1$c29tZXNhbHQ$" + strings.Repeat("A", 86), "$pbkdf2-sha512$i=99999999999$$",
	} {
		f.Add(seed)
	}
	h := New(cheap, 1, 1)
	f.Fuzz(func(t *testing.T, stored string) {
		s, err := parse(stored)
		if err != nil {
			require.ErrorIs(t, err, ErrStored)
			require.True(t, utf8.ValidString(err.Error()))
			return
		}
		require.Equal(t, stored, s.String(), "one spelling")
		require.LessOrEqual(t, s.iterations, maxPBKDF2Iterations)
		if s.old() && s.iterations > 1000 || !s.old() && uint64(s.params.MemoryKiB)*uint64(s.params.Iterations) > 1<<12 {
			return // in bounds, but too slow to compute here
		}
		ok, _, err := h.Verify(t.Context(), "no such password", stored)
		require.NoError(t, err)
		require.False(t, ok)
	})
}
