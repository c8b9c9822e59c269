package postgres

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// cluster is one that is not started, on a free port, with its data in dir.
func cluster(t *testing.T, dir string) *Cluster {
	t.Helper()
	bin, err := Finder{Override: os.Getenv("XIVO_AUTH_PG_BIN"), Cache: t.TempDir()}.Find(t.Context())
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	return &Cluster{Bin: bin, Data: filepath.Join(dir, "data"), Log: filepath.Join(dir, "log"), Port: port, Password: "word", Say: t.Logf}
}

func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var s string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&s))
	return s
}

func TestClusterKeepsItsDataAndAsksForThePassword(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, c.Start(t.Context()))
	require.NoError(t, c.CreateDatabase(t.Context(), "kept", nil))
	require.NoError(t, c.CreateDatabase(t.Context(), "kept", nil), "a second time is fine")
	require.Equal(t, "é", query(t, c, "SELECT lower('É')"))
	stranger := *c
	stranger.Password = "guess"
	_, err := pgx.Connect(t.Context(), stranger.URL("postgres"))
	require.ErrorContains(t, err, "password authentication failed")
	c.Stop()

	again := *c
	require.NoError(t, again.Start(t.Context()))
	defer again.Stop()
	require.Equal(t, "1", query(t, &again, "SELECT count(*)::text FROM pg_database WHERE datname = 'kept'"))
}

func TestClusterComesBackAfterItsServerWasKilled(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, c.Start(t.Context()))
	defer c.Stop()
	first := c.PID()
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool { return c.PID() != first && c.ping(t.Context()) == nil }, 30*time.Second, 20*time.Millisecond)
	n, _ := c.run.Deaths()
	require.Positive(t, n)
}

func TestClusterUsesAShortSocketFolderForLongPaths(t *testing.T) {
	t.Parallel()
	c := cluster(t, filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	require.NoError(t, os.MkdirAll(filepath.Dir(c.Data), 0o711))
	require.NoError(t, c.Start(t.Context()))
	require.LessOrEqual(t, len(c.Sockets()), longestSocketDir)
	require.FileExists(t, c.PIDFile())
	c.Stop()
	require.NoDirExists(t, c.Sockets())
}

func TestClusterIgnoresTheProcessIDOfAStranger(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, c.Start(t.Context()))
	c.Stop()
	stranger := exec.Command("sleep", "60")
	require.NoError(t, stranger.Start())
	defer func() { _, _ = stranger.Process.Kill(), stranger.Wait() }()
	require.NoError(t, os.WriteFile(c.PIDFile(), fmt.Appendf(nil, "%d\n%s\n", stranger.Process.Pid, c.Data), 0o600))

	again := *c
	require.NoError(t, again.Start(t.Context()))
	defer again.Stop()
	require.NoError(t, stranger.Process.Signal(syscall.Signal(0)), "the stranger lives")
}

func TestClusterShutsTheServerOfAKilledRunDown(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, c.Start(t.Context()))
	defer c.Stop()
	pid := c.PID()

	next := *c
	next.run = nil
	require.NoError(t, next.Prepare(t.Context()))
	require.NotEqual(t, pid, c.PID())
}

func TestClusterStartsOverAfterACutOffInitdb(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, os.MkdirAll(filepath.Join(c.Data+".new", "global"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.Data+".new", "global", "pg_control"), nil, 0o600))
	require.NoError(t, c.Start(t.Context()))
	c.Stop()
	require.NoDirExists(t, c.Data+".new")
}

func TestADatabaseWhoseFillingWasCutOffIsMadeAnew(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, c.Start(t.Context()))
	defer c.Stop()
	fill := func(more error) func() error {
		return func() error {
			conn, err := pgx.Connect(t.Context(), c.URL("half"))
			require.NoError(t, err)
			defer conn.Close(t.Context())
			_, err = conn.Exec(t.Context(), "CREATE TABLE one ()")
			return errors.Join(err, more)
		}
	}
	require.Error(t, c.CreateDatabase(t.Context(), "half", fill(errors.New("killed"))))
	require.NoError(t, c.CreateDatabase(t.Context(), "half", fill(nil)), "the table of the first try is gone")
	require.NoError(t, c.CreateDatabase(t.Context(), "half", nil))
	require.ErrorContains(t, c.CreateDatabase(t.Context(), "half", fill(nil)), "already exists", "a filled one stays")
}

func TestClusterRefusesDataOfAnotherMajorVersion(t *testing.T) {
	t.Parallel()
	c := cluster(t, t.TempDir())
	require.NoError(t, c.Start(t.Context()))
	c.Stop()
	require.NoError(t, os.WriteFile(filepath.Join(c.Data, "PG_VERSION"), []byte("9\n"), 0o600))
	again := *c
	require.ErrorContains(t, again.Start(t.Context()), "make reset")
}
