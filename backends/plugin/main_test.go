package plugin_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/plugin"
)

// hostMode makes the test program a host that somebody kills.
const hostMode = "XIVO_AUTH_TEST_PLUGIN_HOST"

// built holds the programs of the tests, by their names.
var built string

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostMode); dir != "" {
		beHost(dir)
	}
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "plugins")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	built = dir
	for in, args := range map[string][]string{
		".":                               {"./testdata/plugins/unruly", "../../e2e/testdata/plugins/backend/...", "../../e2e/testdata/plugins/idp/...", "../../e2e/testdata/plugins/metadata/..."},
		"../../examples/backend-htpasswd": {"."},
	} {
		cmd := exec.Command("go", append([]string{"build", "-ldflags=-s -w", "-o", dir + "/"}, args...)...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build the plug-ins of the tests in %s: %w\n%s", in, err, out)
		}
	}
	if err := os.Setenv("XIVO_AUTH_TEST_SECRET", "not for plug-ins"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// beHost loads a plug-in, tells its process number, and stays until it is killed.
func beHost(dir string) {
	h, err := plugin.Load(context.Background(), plugin.Options{Dir: dir, Backends: []string{"unruly"}})
	if err == nil {
		var m map[string]any
		m, err = h.Backends()[0].Metadata(context.Background(), subjectOf("x"))
		fmt.Println(m["pid"])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// install makes a plug-ins directory; each entry is "<kind>/<name>" or "<kind>/<name>=<program>".
func install(t *testing.T, entries ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		place, program, ok := strings.Cut(e, "=")
		if !ok {
			program = filepath.Base(place)
		}
		link(t, dir, place, program)
	}
	return dir
}

func link(t testing.TB, dir, place, program string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(place)), 0o755))
	require.NoError(t, os.Symlink(filepath.Join(built, program), filepath.Join(dir, place)))
}

// load loads plug-ins that are stopped with the test.
func load(t *testing.T, o plugin.Options) *plugin.Host {
	t.Helper()
	// Generous, for machines that run many tests at once.
	o.StartTimeout = cmp.Or(o.StartTimeout, time.Minute)
	o.ClaimsTimeout = cmp.Or(o.ClaimsTimeout, time.Minute)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	h, err := plugin.Load(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, h.Close(ctx))
	})
	return h
}

// record is a log whose lines can be waited for.
type record struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{}
}

func newRecord() (*record, *slog.Logger) {
	r := &record{grown: make(chan struct{}, 1)}
	return r, slog.New(slog.NewTextHandler(r, nil))
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	select {
	case r.grown <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) await(t *testing.T, want string) {
	t.Helper()
	late := time.After(15 * time.Second)
	for !strings.Contains(r.String(), want) {
		select {
		case <-r.grown:
		case <-late:
			require.Fail(t, "no such line", "%q in\n%s", want, r)
		}
	}
}

func gone(pid int) bool { return syscall.Kill(pid, 0) != nil }

func firstLine(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s := bufio.NewScanner(out)
	require.True(t, s.Scan())
	return s.Text()
}

func sum(t *testing.T, program string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(built, program))
	require.NoError(t, err)
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
