package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func key(id string, fill byte) Key {
	return Key{ID: id, Secret: [32]byte(bytes.Repeat([]byte{fill}, 32))}
}

func ring(t testing.TB, keys ...Key) *Keyring {
	t.Helper()
	r, err := New(keys)
	require.NoError(t, err)
	return r
}

func TestOpensWhatItSealed(t *testing.T) {
	t.Parallel()
	r := ring(t, key("a", 1))
	for _, plain := range []string{"", "x", strings.Repeat("long", 1000)} {
		sealed, id, err := r.Seal([]byte(plain), []byte("place"))
		require.NoError(t, err)
		require.Equal(t, "a", id)
		require.Len(t, sealed, len(plain)+28)
		opened, err := r.Open(sealed, id, []byte("place"))
		require.NoError(t, err)
		require.Equal(t, plain, string(opened))
	}
}

func TestSameTextIsSealedDifferentlyEachTime(t *testing.T) {
	t.Parallel()
	r := ring(t, key("a", 1))
	seen := map[string]bool{}
	for range 100 {
		sealed, _, err := r.Seal([]byte("secret"), nil)
		require.NoError(t, err)
		require.False(t, seen[string(sealed[:12])], "a nonce came twice")
		seen[string(sealed[:12])] = true
		require.NotContains(t, string(sealed), "secret")
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	before := ring(t, key("old", 1))
	sealed, id, err := before.Seal([]byte("secret"), nil)
	require.NoError(t, err)

	during := ring(t, key("new", 2), key("old", 1))
	opened, err := during.Open(sealed, id, nil)
	require.NoError(t, err)
	require.Equal(t, "secret", string(opened))
	_, id, err = during.Seal([]byte("secret"), nil)
	require.NoError(t, err)
	require.Equal(t, "new", id)

	_, err = ring(t, key("new", 2)).Open(sealed, "old", nil)
	require.ErrorIs(t, err, ErrUnknownKey)
}

func TestStaysClosed(t *testing.T) {
	t.Parallel()
	r := ring(t, key("a", 1), key("b", 2))
	place := AAD("refresh_tokens", "row", "user", "client")
	sealed, id, err := r.Seal([]byte("secret"), place)
	require.NoError(t, err)
	require.Equal(t, "a", id)

	for name, open := range map[string]func() ([]byte, error){
		"under another key":    func() ([]byte, error) { return r.Open(sealed, "b", place) },
		"in another row":       func() ([]byte, error) { return r.Open(sealed, "a", AAD("refresh_tokens", "other", "user", "client")) },
		"for another client":   func() ([]byte, error) { return r.Open(sealed, "a", AAD("refresh_tokens", "row", "user", "other")) },
		"without a place":      func() ([]byte, error) { return r.Open(sealed, "a", nil) },
		"empty":                func() ([]byte, error) { return r.Open(nil, "a", place) },
		"only a nonce":         func() ([]byte, error) { return r.Open(sealed[:12], "a", place) },
		"cut":                  func() ([]byte, error) { return r.Open(sealed[:len(sealed)-1], "a", place) },
		"same id, another key": func() ([]byte, error) { return ring(t, key("a", 9)).Open(sealed, "a", place) },
	} {
		_, err := open()
		require.ErrorIs(t, err, ErrOpen, name)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err := r.Open(changed, "a", place)
		require.ErrorIs(t, err, ErrOpen, "byte %d changed", i)
	}
}

func TestPlacesNeverShareAName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', 0, 1, ':', '/'}), 0, 4, -1)
		draw := func(side string) [4]string {
			return [4]string{part.Draw(t, side+"0"), part.Draw(t, side+"1"), part.Draw(t, side+"2"), part.Draw(t, side+"3")}
		}
		x, y := draw("x"), draw("y")
		same := bytes.Equal(AAD(x[0], x[1], x[2], x[3]), AAD(y[0], y[1], y[2], y[3]))
		if same != (x == y) {
			t.Fatalf("%q and %q: same name %v", x, y, same)
		}
	})
	require.NotEqual(t, AAD("t", "ab", "c", ""), AAD("t", "a", "bc", ""))
}

func TestRingIsRefused(t *testing.T) {
	t.Parallel()
	many := make([]Key, MaxKeys+1)
	for i := range many {
		many[i] = key(fmt.Sprint("k", i), byte(i))
	}
	for name, keys := range map[string][]Key{
		"without keys": nil, "with too many keys": many, "with the same id twice": {key("a", 1), key("a", 2)},
		"without an id": {key("", 1)}, "with a long id": {key(strings.Repeat("i", 33), 1)}, "with a colon in the id": {key("a:b", 1)},
	} {
		_, err := New(keys)
		require.Error(t, err, name)
	}
}

func TestNothingPrintsTheKey(t *testing.T) {
	t.Parallel()
	k := key("a", 'K')
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k, "keys", []Key{k})
	asJSON, err := json.Marshal(k)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %x %s %d %q", k, k, k, k, k, k, k), fmt.Sprintf("%v", []*Key{&k}[0]), log.String(), string(asJSON)} {
		require.NotContains(t, text, "KKK")
		require.NotContains(t, text, "4b4b4b")
		require.NotContains(t, text, "75 75 75")
		require.Contains(t, text, "a:***")
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	std, url := base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret)
	require.NotEqual(t, std, url)
	keys, err := ParseKeys([]string{"new:" + std, " old-1.x_y:" + url + "\n"})
	require.NoError(t, err)
	require.Equal(t, []Key{{"new", [32]byte(secret)}, {"old-1.x_y", [32]byte(secret)}}, keys)

	for name, entry := range map[string]string{
		"without an id": std, "with an empty id": ":" + std, "with a space in the id": "a b:" + std, "with another letter": "é:" + std,
		"empty": "", "without a key": "a:", "with a short key": "a:" + base64.StdEncoding.EncodeToString(secret[1:]), "in hexadecimal": "a:" + strings.Repeat("fbff", 16), "not base64": "a:!" + std[1:],
	} {
		_, err := ParseKeys([]string{entry})
		require.Error(t, err, name)
		if entry != "" {
			require.NotContains(t, err.Error(), strings.TrimPrefix(entry, "a:")+"x", name)
			require.NotContains(t, err.Error(), std, name)
		}
	}
	_, err = ParseKeys(make([]string, MaxKeys+1))
	require.Error(t, err)
}

func TestKeyFileIsMadeOnceAndReadAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	first, created, err := LoadOrCreate(dir)
	require.NoError(t, err)
	require.True(t, created)
	sealed, id, err := first.Seal([]byte("secret"), nil)
	require.NoError(t, err)

	again, created, err := LoadOrCreate(dir)
	require.NoError(t, err)
	require.False(t, created)
	opened, err := again.Open(sealed, id, nil)
	require.NoError(t, err)
	require.Equal(t, "secret", string(opened))

	info, err := os.Stat(filepath.Join(dir, FileName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
}

func TestKeyFileHoldsLinesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	line := func(id string, fill byte) string {
		return id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
	}
	require.NoError(t, os.WriteFile(path, []byte(line("new", 2)+"\n\n"+line("old", 1)+"\n"), 0o600))
	r, created, err := LoadOrCreate(dir)
	require.NoError(t, err)
	require.False(t, created)
	sealed, id, err := ring(t, key("old", 1)).Seal([]byte("secret"), nil)
	require.NoError(t, err)
	_, err = r.Open(sealed, id, nil)
	require.NoError(t, err)
	_, id, err = r.Seal(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "new", id)
}

func TestStartersAtTheSameMomentShareOneKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	const starters = 32
	rings, made := make([]*Keyring, starters), make([]bool, starters)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range starters {
		wg.Go(func() {
			<-start
			var err error
			if rings[i], made[i], err = LoadOrCreate(dir); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	require.False(t, t.Failed())
	makers := 0
	sealed, id, err := rings[0].Seal([]byte("secret"), nil)
	require.NoError(t, err)
	for i, r := range rings {
		_, err := r.Open(sealed, id, nil)
		require.NoError(t, err)
		if made[i] {
			makers++
		}
	}
	require.Equal(t, 1, makers)
}

func TestKeyFileIsRefused(t *testing.T) {
	t.Parallel()
	good := "a:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"empty":                {"", 0o600},
		"broken":               {good[:20], 0o600},
		"too long":             {strings.Repeat("\n", maxFileBytes+1), 0o600},
		"readable by everyone": {good, 0o644},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		require.NoError(t, os.Chmod(path, c.mode))
		_, created, err := LoadOrCreate(dir)
		require.Error(t, err, name)
		require.False(t, created, name)
		require.NotContains(t, err.Error(), "AAAAAAAA", name)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, _, err := LoadOrCreate(file)
	require.Error(t, err, "the state folder is a file")
}

func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{"", ":", "a:", "a:AAAA", "a:" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "a:b:c", "\x00:\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		keys, err := ParseKeys([]string{entry})
		if err != nil {
			require.Empty(t, keys)
			if len(entry) > 40 {
				require.NotContains(t, err.Error(), entry)
			}
			return
		}
		again, err := ParseKeys([]string{keys[0].ID + ":" + base64.StdEncoding.EncodeToString(keys[0].Secret[:])})
		require.NoError(t, err)
		require.Equal(t, keys, again)
		r, err := New(keys)
		require.NoError(t, err)
		sealed, id, err := r.Seal([]byte("secret"), nil)
		require.NoError(t, err)
		opened, err := r.Open(sealed, id, nil)
		require.NoError(t, err)
		require.Equal(t, "secret", string(opened))
	})
}
