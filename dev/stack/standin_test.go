package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets links to the test program stand in for the product's programs and for dev itself.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "xivo-auth":
		fmt.Println(strings.Join(os.Args[1:], " "))
	case "api", "worker":
		os.Exit(serve())
	case "dev":
		os.Exit(dev())
	default:
		os.Exit(m.Run())
	}
}

func serve() int {
	if os.Getenv("STANDIN_BROKEN") != "" {
		fmt.Println("this setting is wrong")
		return 3
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	fine := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, kind := range []string{"INTERNAL", "REST_API"} {
		listen, port := os.Getenv("XIVO_AUTH_"+kind+"_LISTEN"), os.Getenv("XIVO_AUTH_"+kind+"_PORT")
		if port == "" {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(listen, port))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		go func() { _ = http.Serve(l, fine) }()
	}
	<-ctx.Done()
	return 0
}

func dev() int {
	var err error
	switch os.Args[1] {
	case "run":
		err = Run(context.Background(), os.Stdout)
	case "worker":
		err = AddWorker(os.Stdout)
	case "reset":
		err = Reset(os.Stdout)
	case "exec":
		err = Exec(context.Background(), os.Args[2:], false, "")
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	if err != nil {
		fmt.Println("dev:", err)
		return 1
	}
	return 0
}

// bench is a run folder with programs to try the stack on.
type bench struct {
	t    *testing.T
	bin  string
	run  string
	free []string // environment that picks free ports
}

func newBench(t *testing.T) bench {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	b := bench{t: t, bin: t.TempDir(), run: filepath.Join(t.TempDir(), "run")}
	for _, name := range []string{"api", "worker", "xivo-auth", "dev"} {
		require.NoError(t, os.Symlink(self, filepath.Join(b.bin, name)))
	}
	b.free = []string{"API_PORT=0", "INTERNAL_PORT=0", "TEMPORAL_PORT=0", "TEMPORAL_UI_PORT=0", "PG_PORT=0"}
	return b
}

// dev is the command `dev` with free ports, unless more says otherwise.
func (b bench) dev(args []string, more ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(b.bin, "dev"), args...)
	cmd.Env = append(append(append(os.Environ(), "XIVO_AUTH_RUN_DIR="+b.run, "XIVO_AUTH_BIN_DIR="+b.bin), b.free...), more...)
	return cmd
}

// started runs the stack in the background until its env file is there.
func (b bench) started(more ...string) (*exec.Cmd, *strings.Builder, map[string]string) {
	b.t.Helper()
	cmd := b.dev([]string{"run"}, more...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(b.t, cmd.Start())
	b.t.Cleanup(func() { _ = cmd.Process.Kill() })
	var known map[string]string
	require.Eventually(b.t, func() bool {
		var err error
		known, err = readFacts(folder(b.run).env())
		return err == nil
	}, 90*time.Second, 20*time.Millisecond)
	return cmd, out, known
}

func (b bench) halted(cmd *exec.Cmd) {
	b.t.Helper()
	require.NoError(b.t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(b.t, cmd.Wait())
}

// gone waits until nobody listens at the address of a URL or host:port.
func (b bench) gone(address string) {
	b.t.Helper()
	address = strings.TrimPrefix(address, "http://")
	require.Eventually(b.t, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return true
		}
		c.Close()
		return false
	}, 20*time.Second, 20*time.Millisecond, address)
}
