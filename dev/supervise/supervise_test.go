package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sh(t *testing.T, script string) Program {
	t.Helper()
	return Program{Name: "it", Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(), Log: filepath.Join(t.TempDir(), "log")}
}

func TestAProgramThatDiesIsStartedAgainAndReported(t *testing.T) {
	t.Parallel()
	var said atomic.Value
	p := sh(t, "echo life; exit 3")
	s := Start(p, func(format string, args ...any) { said.Store(fmt.Sprintf(format, args...)) })
	defer s.Stop()
	require.Eventually(t, func() bool { n, _ := s.Deaths(); return n >= 2 }, 20*time.Second, 5*time.Millisecond)
	_, err := s.Deaths()
	require.ErrorContains(t, err, "exit status 3")
	require.Contains(t, said.Load(), "it died (exit status 3), starting it again")
	require.GreaterOrEqual(t, strings.Count(Tail(p.Log, 100), "life"), 2)
}

func TestStopEndsTheProgramAndIsNoDeath(t *testing.T) {
	t.Parallel()
	s := Start(sh(t, "exec sleep 60"), t.Logf)
	require.Eventually(t, func() bool { return s.PID() != 0 }, 10*time.Second, time.Millisecond)
	s.Stop()
	s.Stop()
	require.Zero(t, s.PID())
	n, _ := s.Deaths()
	require.Zero(t, n)
}

func TestStopKillsAProgramThatDoesNotListen(t *testing.T) {
	t.Parallel()
	p := sh(t, "trap '' TERM; echo deaf; while :; do sleep 1; done")
	p.StopTimeout = 50 * time.Millisecond
	var said atomic.Value
	s := Start(p, func(format string, args ...any) { said.Store(fmt.Sprintf(format, args...)) })
	require.Eventually(t, func() bool { return Tail(p.Log, 1) == "deaf" }, 10*time.Second, time.Millisecond)
	s.Stop()
	require.Contains(t, said.Load(), "killed")
}

func TestStopCutsTheBackOffShort(t *testing.T) {
	t.Parallel()
	p := sh(t, "exit 1")
	p.Path = "/nowhere/at/all"
	s := Start(p, t.Logf)
	require.Eventually(t, func() bool { n, _ := s.Deaths(); return n >= 3 }, 20*time.Second, 5*time.Millisecond)
	began := time.Now()
	s.Stop()
	require.Less(t, time.Since(began), 700*time.Millisecond)
}

func TestALogThatGrewIsMovedAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, make([]byte, maxLog+1), 0o600))
	f, err := openLog(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	fi, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, fi.Size())
	require.FileExists(t, path+".1")
}

func TestTailReadsTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	require.Empty(t, Tail(path, 3))
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x\n", 20000)+"a\nb\n"), 0o600))
	require.Equal(t, "a\nb", Tail(path, 2))
}
