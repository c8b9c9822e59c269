package plugin_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
)

func pidOf(t *testing.T, b backends.Backend) int {
	t.Helper()
	m, err := b.Metadata(t.Context(), subjectOf("x"))
	require.NoError(t, err)
	return int(m["pid"].(float64))
}

func TestAPluginsErrorNamesItAndHidesThePassword(t *testing.T) {
	t.Parallel()
	_, p, b := unruly(t, plugin.Options{})
	const secret = "a-password-that-no-error-may-repeat"
	_, err := p.Verify(t.Context(), ask("fail", secret))
	require.ErrorContains(t, err, "plug-in backend/unruly, verify_password: Unknown: the directory said no to ***")
	require.NotErrorIs(t, err, backends.ErrRejected)
	require.NotContains(t, err.Error(), secret)
	_, err = p.Verify(t.Context(), ask("panic", secret))
	require.ErrorContains(t, err, "panicked")
	require.NotContains(t, err.Error(), secret)
	_, err = p.Verify(t.Context(), ask("refuse", secret))
	require.ErrorIs(t, err, backends.ErrRejected)
	ok, err := b.VerifyPassword(t.Context(), "alice", "s3cret!", ask("alice", "s3cret!"))
	require.NoError(t, err, "a panic costs one call")
	require.True(t, ok)
}

func TestPluginThatDiesInACallIsRestarted(t *testing.T) {
	t.Parallel()
	rec, log := newRecord()
	reg := prometheus.NewRegistry()
	h, p, b := unruly(t, plugin.Options{Log: log, Metrics: reg, MinBackoff: 10 * time.Millisecond})
	before := pidOf(t, b)
	_, err := p.Verify(t.Context(), ask("die", "x"))
	require.ErrorContains(t, err, "plug-in backend/unruly")
	require.NotErrorIs(t, err, backends.ErrRejected)
	rec.await(t, "up again")
	require.NotEqual(t, before, pidOf(t, b))
	s := h.Health()[0]
	require.Equal(t, plugin.StateUp, s.State)
	require.Equal(t, 1, s.Restarts)
	require.Contains(t, s.Error, "exit status 7")
	require.Contains(t, rec.String(), "exit status 7")
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP xivo_auth_plugin_restarts_total Starts of a plug-in after the first.
# TYPE xivo_auth_plugin_restarts_total counter
xivo_auth_plugin_restarts_total{kind="backend",name="unruly"} 1
# HELP xivo_auth_plugin_up Whether a plug-in is running: 1 or 0.
# TYPE xivo_auth_plugin_up gauge
xivo_auth_plugin_up{kind="backend",name="unruly"} 1
`), "xivo_auth_plugin_restarts_total", "xivo_auth_plugin_up"))
}

func TestPluginThatIsKilledInACallFailsThatCall(t *testing.T) {
	t.Parallel()
	rec, log := newRecord()
	_, p, b := unruly(t, plugin.Options{Log: log, MinBackoff: 10 * time.Millisecond})
	pid := pidOf(t, b)
	failed := make(chan error, 1)
	go func() {
		_, err := p.Verify(context.WithoutCancel(t.Context()), ask("hang", "x"))
		failed <- err
	}()
	rec.await(t, "line=hanging")
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	err := <-failed
	require.ErrorContains(t, err, "Unavailable")
	require.NotErrorIs(t, err, backends.ErrRejected)
	rec.await(t, "up again")
	_, err = p.Verify(t.Context(), ask("alice", "s3cret!"))
	require.NoError(t, err)
}

func TestPluginThatHangsIsGivenUpAndThenNotAskedForAWhile(t *testing.T) {
	t.Parallel()
	h, p, _ := unruly(t, plugin.Options{Timeout: 200 * time.Millisecond})
	for range 3 {
		_, err := p.Verify(t.Context(), ask("hang", "x"))
		require.ErrorIs(t, err, plugin.ErrTimeout)
		require.ErrorContains(t, err, "no answer within 200ms")
	}
	started := time.Now()
	_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
	require.ErrorIs(t, err, plugin.ErrNotRunning)
	require.Less(t, time.Since(started), 100*time.Millisecond)
	require.Equal(t, plugin.StateDown, h.Health()[0].State)
	require.Eventually(t, func() bool {
		_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, plugin.StateUp, h.Health()[0].State)
}

func TestManyCallsThatHangAtOnceMakeOneShortPause(t *testing.T) {
	t.Parallel()
	_, p, _ := unruly(t, plugin.Options{Timeout: 500 * time.Millisecond})
	var hung sync.WaitGroup
	for range 20 {
		hung.Go(func() { _, _ = p.Verify(context.WithoutCancel(t.Context()), ask("hang", "x")) })
	}
	hung.Wait()
	require.Eventually(t, func() bool {
		_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
		return err == nil
	}, 15*time.Second, 50*time.Millisecond, "the pause is that of the first three")
}

func TestProviderThatHangsDelaysOthersLoginsBriefly(t *testing.T) {
	t.Parallel()
	h := load(t, plugin.Options{Dir: install(t, "idp/slow=unruly"), Providers: map[string]int{"slow": 1}, ClaimsTimeout: 50 * time.Millisecond})
	started := time.Now()
	for range 100 {
		_, err := h.Providers()[0].Provider.Claims(t.Context(), ask("alice", "x"))
		require.Error(t, err)
	}
	require.Less(t, time.Since(started), 3*time.Second, "three questions, not a hundred")
}

func TestCallsOfAPluginAreBounded(t *testing.T) {
	t.Parallel()
	rec, log := newRecord()
	_, p, _ := unruly(t, plugin.Options{Log: log, MaxConcurrent: 1})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.Verify(ctx, ask("hang", "x"))
		ended <- err
	}()
	rec.await(t, "line=hanging")
	_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
	require.ErrorIs(t, err, plugin.ErrBusy)
	require.NotErrorIs(t, err, backends.ErrRejected)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = p.Verify(t.Context(), ask("alice", "s3cret!"))
	require.NoError(t, err)
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	_, _, b := unruly(t, plugin.Options{})
	_, err := b.AccessList(t.Context(), subjectOf("many"), ask("x", "y"))
	require.ErrorContains(t, err, "20001 entries, more than 20000")
	_, err = b.AccessList(t.Context(), subjectOf("huge"), ask("x", "y"))
	require.ErrorContains(t, err, "ResourceExhausted")
	_, err = b.Metadata(t.Context(), subjectOf("huge"))
	require.ErrorContains(t, err, "bytes, more than 65536")
}

func TestCrashLoopIsSlowedDown(t *testing.T) {
	t.Parallel()
	rec, log := newRecord()
	dir := install(t, "backend/unruly")
	h, p, b := unruly(t, plugin.Options{Dir: dir, Log: log, MinBackoff: 50 * time.Millisecond, MaxBackoff: time.Hour})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "backend", "crash_after_load"), nil, 0o600))
	require.NoError(t, syscall.Kill(pidOf(t, b), syscall.SIGKILL))
	rec.await(t, "in=") // the first pause
	require.Eventually(t, func() bool { return h.Health()[0].Restarts >= 4 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, plugin.StateDown, h.Health()[0].State)
	started := time.Now()
	_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
	require.Error(t, err)
	require.NotErrorIs(t, err, backends.ErrRejected)
	require.Less(t, time.Since(started), time.Second)
	require.LessOrEqual(t, strings.Count(rec.String(), "will be restarted"), 8, "50, 100, 200, 400 ms and so on")

	require.NoError(t, os.Remove(filepath.Join(dir, "backend", "crash_after_load")))
	require.Eventually(t, func() bool {
		_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
}

func TestPluginThatIsStoppedFailsItsHealthCheckAndIsReplaced(t *testing.T) {
	t.Parallel()
	rec, log := newRecord()
	_, _, b := unruly(t, plugin.Options{Log: log, HealthInterval: 100 * time.Millisecond, MinBackoff: 10 * time.Millisecond})
	pid := pidOf(t, b)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	rec.await(t, "up again")
	require.Contains(t, rec.String(), "health check")
	require.NotEqual(t, pid, pidOf(t, b))
	require.True(t, gone(pid))
}

func TestPluginThatLeaksMemoryIsReplaced(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory of processes is seen on Linux only")
	}
	rec, log := newRecord()
	_, p, b := unruly(t, plugin.Options{Log: log, HealthInterval: 50 * time.Millisecond, MinBackoff: 10 * time.Millisecond, MaxMemory: 150 << 20})
	pid := pidOf(t, b)
	_, err := p.Verify(t.Context(), ask("leak", "x"))
	require.Error(t, err)
	rec.await(t, "up again")
	require.Contains(t, rec.String(), "MiB of memory, more than 150")
	require.True(t, gone(pid))
}

func TestOutputOfAPluginIsLoggedWithinBounds(t *testing.T) {
	t.Parallel()
	rec, log := newRecord()
	_, p, _ := unruly(t, plugin.Options{Log: log})
	_, err := p.Verify(t.Context(), ask("noisy", "x"))
	require.ErrorIs(t, err, backends.ErrRejected)
	rec.await(t, "line=noise")
	require.Contains(t, rec.String(), "plugin=backend/unruly")
	for line := range strings.Lines(rec.String()) {
		require.Less(t, len(line), 1300)
	}
	require.Less(t, strings.Count(rec.String(), "line=noise"), 1000)
}

func TestCloseLeavesNoProcess(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, pid int){
		"calm": func(*testing.T, int) {},
		"hung": func(t *testing.T, pid int) {
			t.Helper()
			require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := plugin.Load(t.Context(), plugin.Options{Dir: install(t, "backend/unruly"), Backends: []string{"unruly"}})
			require.NoError(t, err)
			b := h.Backends()[0]
			pid := pidOf(t, b)
			prepare(t, pid)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.NoError(t, h.Close(ctx))
			require.True(t, gone(pid))
			_, err = b.Metadata(t.Context(), subjectOf("x"))
			require.ErrorIs(t, err, plugin.ErrNotRunning)
		})
	}
}

func TestPluginEndsWithAHostThatIsKilled(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hostMode+"="+install(t, "backend/unruly"), "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	pid, err := strconv.Atoi(firstLine(t, cmd))
	require.NoError(t, err)
	require.False(t, gone(pid))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 10*time.Millisecond)
}

func TestRightChecksumLoads(t *testing.T) {
	t.Parallel()
	_, p, _ := unruly(t, plugin.Options{Checksums: map[string]string{"backend/unruly": sum(t, "unruly")}})
	_, err := p.Verify(t.Context(), ask("alice", "s3cret!"))
	require.NoError(t, err)
}
