package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What `bin/dev exec` tells about its servers.
const (
	databaseVariable = "XIVO_AUTH_TEST_DATABASE_URL"
	temporalVariable = "XIVO_AUTH_TEST_TEMPORAL_ADDRESS"
	webUIVariable    = "XIVO_AUTH_TEST_TEMPORAL_UI_URL"
)

// parallelTests run at a time: they wait more than they work.
const parallelTests = "5"

var programs struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", parallelTests); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// program is the path of api, worker or xivo-auth, built on first use as the tests themselves are built: from the same
// cache, with the race detector or without. The test is skipped where the servers are missing, and fails in CI.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, v := range []string{databaseVariable, temporalVariable, webUIVariable} {
		if os.Getenv(v) == "" {
			how := v + " is not set; run: make build-dev && bin/dev exec -- go test ./e2e"
			require.Empty(t, os.Getenv("CI"), how)
			t.Skip(how)
		}
	}
	programs.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "xivo-auth-e2e-"); programs.err != nil {
			return
		}
		args := []string{"build", "-ldflags=-s -w", "-o", programs.dir + string(filepath.Separator)}
		if raceEnabled {
			args = append(args, "-race")
		}
		cmd := exec.Command("go", append(args, "./cmd/api", "./cmd/worker", "./cmd/xivo-auth")...)
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("build the programs: %w\n%s", err, out)
		}
	})
	require.NoError(t, programs.err)
	return filepath.Join(programs.dir, name)
}

// await polls until cond returns nil, or fails the test with its last error.
func await(t *testing.T, within time.Duration, what string, cond func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, "%s: not within %s", what, within)
		}
		<-tick.C
	}
}

// parallel does something n times at once; every error fails the test.
func parallel(t *testing.T, n int, work func(i int) error) {
	t.Helper()
	failed := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { failed[i] = work(i) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(failed...))
}
