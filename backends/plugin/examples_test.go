package plugin_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/backendtest"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
)

func TestExampleWithHtpasswd(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret!"), bcrypt.MinCost)
	require.NoError(t, err)
	open := func(t *testing.T) (backends.Provider, backends.Backend) {
		t.Helper()
		dir := install(t, "backend/htpasswd=backend-htpasswd")
		users := strings.Replace(string(hash), "$2a$", "$2y$", 1) // as htpasswd writes it
		require.NoError(t, os.WriteFile(filepath.Join(dir, "backend", "htpasswd.users"), []byte("bob:x\nalice:"+users+"\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "backend", "access.json"), []byte(`{"alice": ["a.b"], "*": ["c"]}`), 0o600))
		h := load(t, plugin.Options{Dir: dir, Backends: []string{"htpasswd"}, Providers: map[string]int{"htpasswd": 1},
			Settings: map[string]map[string]any{"backend/htpasswd": {"users": "htpasswd.users"}}})
		require.Len(t, h.Providers(), 1, h.Health())
		return h.Providers()[0].Provider, h.Backends()[0]
	}
	backendtest.Run(t, func(t *testing.T) backendtest.Fixture {
		t.Helper()
		p, _ := open(t)
		return backendtest.Fixture{Provider: p, Login: "alice", Password: "s3cret!", Backend: "htpasswd", Slow: true}
	})
	_, b := open(t)
	describes(t, b, map[string][]string{"alice": {"a.b"}, "bob": {"c"}})
}

// describes checks access lists, and that each login has an id of its own.
func describes(t *testing.T, b backends.Backend, want map[string][]string) {
	t.Helper()
	ids := map[any]bool{}
	for login, list := range want {
		got, err := b.AccessList(t.Context(), subjectOf(login), ask(login, "x"))
		require.NoError(t, err)
		require.Equal(t, list, got, login)
		m, err := b.Metadata(t.Context(), subjectOf(login))
		require.NoError(t, err)
		require.Len(t, m["auth_id"], 36)
		require.Contains(t, m, "xivo_uuid")
		ids[m["auth_id"]] = true
	}
	require.Len(t, ids, len(want))
}

func TestExampleInPython(t *testing.T) {
	t.Parallel()
	const python, missing = "/usr/bin/python3", "the example in Python is not tested: apt-get install python3-grpcio python3-protobuf openssl"
	if err := exec.Command(python, "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip(missing)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip(missing)
	}
	program, err := filepath.Abs("../../examples/backend-python/backend.py")
	require.NoError(t, err)
	hashing := exec.Command(program, "hash")
	hashing.Stdin = strings.NewReader("s3cret!\n")
	hash, err := hashing.Output()
	require.NoError(t, err)
	users := fmt.Sprintf(`{"alice": {"password": %q, "access": ["a.b"]}, "bob": {"password": "pbkdf2:1:00:00"}}`, strings.TrimSpace(string(hash)))
	open := func(t *testing.T) (backends.Provider, backends.Backend) {
		t.Helper()
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "backend"), 0o755))
		require.NoError(t, os.Symlink(program, filepath.Join(dir, "backend", "python")))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "backend", "users.json"), []byte(users), 0o600))
		rec, log := newRecord()
		h := load(t, plugin.Options{Dir: dir, Backends: []string{"python"}, Providers: map[string]int{"python": 1}, Log: log})
		require.Len(t, h.Providers(), 1, "%s", rec)
		return h.Providers()[0].Provider, h.Backends()[0]
	}
	backendtest.Run(t, func(t *testing.T) backendtest.Fixture {
		t.Helper()
		p, _ := open(t)
		return backendtest.Fixture{Provider: p, Login: "alice", Password: "s3cret!", Backend: "python", Slow: true}
	})
	_, b := open(t)
	describes(t, b, map[string][]string{"alice": {"a.b"}, "bob": nil})
}
