package stack

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestRunTellsScriptsWhereEverythingIsAndCleansUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cmd, out, known := b.started("APIS=2", "WORKERS=2")

	require.Equal(t, "admin", known["XIVO_AUTH_USERNAME"])
	require.NotEmpty(t, known["XIVO_AUTH_PASSWORD"])
	require.Equal(t, "default", known["TEMPORAL_NAMESPACE"])
	urls := strings.Split(known["XIVO_AUTH_URLS"], ",")
	require.Len(t, urls, 2)
	require.Equal(t, known["XIVO_AUTH_URL"], urls[0])
	require.Len(t, strings.Split(known["XIVO_AUTH_INTERNAL_URLS"], ","), 4)
	for _, url := range append(urls, known["TEMPORAL_UI_URL"]) {
		require.NoError(t, answers(t.Context(), http.MethodGet, url), url)
	}
	conn, err := pgx.Connect(t.Context(), known["DATABASE_URL"])
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	fi, err := os.Stat(folder(b.run).env())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), fi.Mode().Perm())

	second, err := b.dev([]string{"run"}).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(second), fmt.Sprintf("already runs: process %d", cmd.Process.Pid))
	refused, err := b.dev([]string{"reset"}).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(refused), "nothing removed")

	b.halted(cmd)
	require.Contains(t, out.String(), known["XIVO_AUTH_PASSWORD"])
	require.Contains(t, out.String(), "workflows?query=WorkflowType%3D%22TokenLifetime%22")
	require.NotContains(t, out.String(), "died")
	require.NoFileExists(t, folder(b.run).env())
	for _, url := range append(urls, known["TEMPORAL_UI_URL"], known["TEMPORAL_ADDRESS"]) {
		b.gone(url)
	}
	require.NoError(t, b.dev([]string{"reset"}).Run())
	require.NoDirExists(t, b.run)
}

func TestAKilledRunDoesNotBlockTheNext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cmd, _, known := b.started()
	conn, err := pgx.Connect(t.Context(), known["DATABASE_URL"])
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 1")
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())
	require.FileExists(t, folder(b.run).env(), "it had no time to remove it")

	none, err := b.dev([]string{"worker"}).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(none), "no stack runs", "the env file of a killed run is no running stack")
	b.gone(known["XIVO_AUTH_URL"])
	require.NoError(t, os.Remove(folder(b.run).env()))

	cmd, _, again := b.started()
	require.Equal(t, known["XIVO_AUTH_PASSWORD"], again["XIVO_AUTH_PASSWORD"])
	conn, err = pgx.Connect(t.Context(), again["DATABASE_URL"])
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT * FROM kept")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	b.halted(cmd)
}

func TestAPortThatIsTakenIsNamedWithItsVariable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	for _, variable := range []string{"API_PORT", "INTERNAL_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT", "PG_PORT"} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			out, err := b.dev([]string{"run"}, variable+"="+port).CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "port "+port)
			require.Contains(t, string(out), variable+"=")
			require.NoFileExists(t, folder(b.run).env())
		})
	}
}

func TestSettingsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for setting, message := range map[string]string{
		"APIS=0": "from 1 to 32", "WORKERS=99": "from 0 to 32", "WORKERS=x": "from 0 to 32", "PG_PORT=70000": "not a port", "API_PORT=x": "not a port",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			out, err := newBench(t).dev([]string{"run"}, setting).CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), message)
		})
	}
}

func TestAProgramThatCannotStartEndsTheRunWithItsLog(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	out, err := b.dev([]string{"run"}, "STANDIN_BROKEN=1").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "api-1 does not start")
	require.Contains(t, string(out), "this setting is wrong")
	require.NoFileExists(t, folder(b.run).env())
}

func TestOneMoreWorkerJoinsTheRunningStack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cmd, _, _ := b.started("WORKERS=0")
	worker := b.dev([]string{"worker"})
	pipe, err := worker.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, worker.Start())
	line := make([]byte, 200)
	n, err := pipe.Read(line)
	require.NoError(t, err)
	_, health, _ := strings.Cut(string(line[:n]), "metrics at ")
	health, _, _ = strings.Cut(health, ";")
	require.Eventually(t, func() bool { return answers(t.Context(), http.MethodGet, health+"/readyz") == nil }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, worker.Process.Signal(syscall.SIGINT))
	require.NoError(t, worker.Wait())
	b.halted(cmd)
}

func TestResetLeavesOtherFoldersAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	require.NoError(t, os.MkdirAll(b.run, 0o755))
	require.NoError(t, os.WriteFile(b.run+"/precious", nil, 0o600))
	out, err := b.dev([]string{"reset"}).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "nothing removed")
	require.FileExists(t, b.run+"/precious")
}

func TestExecPassesServersAndExitCodeOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cmd := b.dev([]string{"exec", "/bin/sh", "-c", `echo "$XIVO_AUTH_TEST_DATABASE_URL $XIVO_AUTH_TEST_TEMPORAL_ADDRESS"; kill -0 $XIVO_AUTH_TEST_PG_PID && exit 7`}, "TMPDIR="+t.TempDir())
	out, err := cmd.Output()
	require.ErrorContains(t, err, "exit status 7")
	require.Regexp(t, `^postgresql://app@127\.0\.0\.1:\d+/postgres\?sslmode=disable 127\.0\.0\.1:\d+\n$`, string(out))
	_, address, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	b.gone(address)
}
